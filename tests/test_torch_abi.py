"""What csrc/binding/torch_abi.h declares is what the torch at hand has, and had in 2.10."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
OURS = ROOT / "csrc" / "binding" / "torch_abi.h"
DRIFT = ROOT / "tests" / "cpp" / "torch_abi_drift.cpp"
TORCH = Path(torch.__file__).parent
COMPILER = shutil.which("g++")
FUNCTIONS = re.findall(r"^[\w:]+\*? (\w+)\(", OURS.read_text(), re.MULTILINE)

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++")


def compile_error(source, *include):
    """The compiler's errors, in one string; empty if there are none."""
    folders = [f"-I{folder}" for folder in (*include, TORCH / "include")]
    done = subprocess.run(
        [COMPILER, "-std=c++20", "-fsyntax-only", "-w", *folders, str(source)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == ("error:" not in done.stderr), done.stderr
    return done.stderr


def test_our_declarations_are_torchs():
    assert compile_error(DRIFT, ROOT / "csrc") == ""


@pytest.mark.parametrize(
    ("ours", "drifted"),
    [
        (
            "(AtenTensorHandle tensor, int64_t* result)",
            "(AtenTensorHandle tensor, int32_t* result)",
        ),
        ("int32_t aoti_torch_dtype_bool", "int64_t aoti_torch_dtype_bool"),
        ("using StableIValue = uint64_t", "using StableIValue = int64_t"),
        ("int64_t begin, int64_t end, void* context", "int64_t begin, void* context"),
    ],
    ids=["parameter", "result", "alias", "callback"],
)
def test_a_drift_is_a_compile_error(tmp_path, ours, drifted):
    text = OURS.read_text()
    assert ours in text
    planted = tmp_path / "binding" / "torch_abi.h"
    planted.parent.mkdir()
    planted.write_text(text.replace(ours, drifted, 1))
    assert re.search("conflicting declaration", compile_error(DRIFT, tmp_path))


def uses(tmp_path, functions):
    """A source that uses torch's declarations of these, as of 2.10, and none of ours."""
    source = tmp_path / "uses.cpp"
    torch_only = DRIFT.read_text().replace('#include "binding/torch_abi.h"', "")
    source.write_text(torch_only + "".join(f"auto* use_{name} = &{name};\n" for name in functions))
    return source


def test_torch_2_10_declares_each_of_our_functions(tmp_path):
    assert len(FUNCTIONS) > 20
    assert compile_error(uses(tmp_path, FUNCTIONS)) == ""


def test_a_later_function_of_torch_is_a_compile_error(tmp_path):
    assert "not declared" in compile_error(uses(tmp_path, ["torch_library_set_python_module"]))


def test_torch_exports_each_of_our_functions():
    library = TORCH / "lib" / "libtorch_cpu.so"
    names = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    exported = {line.split()[-1].split("@")[0] for line in names.splitlines()}
    cuda = {name for name in FUNCTIONS if "_cuda_" in name}  # libtorch_cuda.so's
    assert sorted(set(FUNCTIONS) - exported - cuda) == []
