"""The house is in order: every op in every room, arrows one way, contracts and wrappers agree.

Ops and rooms are found in the tree: a new op is checked as soon as its contract exists.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest
import torch

import halfword

ROOT = Path(__file__).resolve().parents[1]
CSRC = ROOT / "csrc"
STEMS = sorted(path.stem for path in (CSRC / "ops").glob("*.h"))

ROOMS = [
    "csrc/ops/{}.h",
    "csrc/cpu/{}.cpp",
    "csrc/cuda/{}.cu",
    "csrc/binding/{}.cpp",
    "python/halfword/ops/{}.py",
    "tests/reference/{}.py",
    "tests/test_{}.py",
]
# Each room may include these, and no others.
ARROWS = {
    "core": {"core"},
    "ops": {"core", "ops"},
    "cpu": {"core", "ops", "cpu"},
    "cuda": {"core", "ops", "cuda"},
    "binding": {"core", "ops", "binding"},
}
FOREIGN = re.compile(r"torch/|ATen/|c10/|Python\.h|pybind11/")
NOT_OPS = {"cuda": {"block_range", "device", "upload_words"}}

MAX_LINES = 400
MAX_COLUMNS = 100
SOURCE = {".py", ".cpp", ".h", ".cu", ".cuh", ".cmake"}

C_TYPES = {
    "Tensor": "Tensor",
    "List[Tensor]": "TensorList",
    "Optional[Tensor]": "std::optional<Tensor>",
    "float": "double",
    "int": "int64_t",
    "bool": "bool",
    "List[int]": "std::vector<int64_t>",
}


def source_files(folder=ROOT):
    hidden = {"build", "site", "dist", "runs", "__pycache__"}
    for path in folder.iterdir():
        if path.name in hidden or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from source_files(path)
        elif path.suffix in SOURCE:
            yield path


def tracked_files():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def relative(path):
    return str(path.relative_to(ROOT))


def public_modules():
    yield halfword
    for found in pkgutil.walk_packages(halfword.__path__, "halfword."):
        if not found.name.rpartition(".")[2].startswith(("_", "lib")):
            yield importlib.import_module(found.name)


# Every op in every room.


@pytest.mark.parametrize("room", ROOMS)
def test_every_op_is_in_the_room(room):
    assert STEMS
    assert [stem for stem in STEMS if not (ROOT / room.format(stem)).is_file()] == []


def test_every_op_is_public():
    assert sorted(set(halfword.ops.__all__) & set(STEMS)) == STEMS


def test_every_op_is_in_the_documentation():
    text = (ROOT / "docs" / "ops.md").read_text()
    assert [stem for stem in STEMS if f"`{stem}`" not in text] == []


def test_every_op_that_moves_bytes_is_in_a_benchmark():
    text = "".join(path.read_text() for path in (ROOT / "bench").glob("*.py"))
    moves = [s for s in STEMS if "Moves: nothing" not in getattr(halfword.ops, s).__doc__]
    assert [stem for stem in moves if not re.search(rf"\b{stem}\b", text)] == []


@pytest.mark.parametrize("room", ["cpu", "cuda"])
def test_every_kernel_file_belongs_to_an_op(room):
    files = [*(CSRC / room).glob("*.cpp"), *(CSRC / room).glob("*.cu")]
    allowed = set(STEMS) | NOT_OPS.get(room, set())
    strays = [
        f for f in files if not any(f.stem == a or f.stem.startswith(f"{a}_") for a in allowed)
    ]
    assert [relative(path) for path in strays] == []


# Arrows.


@pytest.mark.parametrize("room", sorted(ARROWS))
def test_the_room_includes_only_what_it_may_know(room):
    for path in (CSRC / room).rglob("*.*"):
        for target in re.findall(r'^\s*#\s*include "([^"]+)"', path.read_text(), re.MULTILINE):
            assert target.split("/")[0] in ARROWS[room], f"{relative(path)} includes {target}"


@pytest.mark.parametrize("room", sorted(set(ARROWS) - {"binding"}))
def test_kernel_rooms_know_neither_torch_nor_python(room):
    for path in (CSRC / room).rglob("*.*"):
        includes = re.findall(r"^\s*#\s*include\s*(.*)", path.read_text(), re.MULTILINE)
        assert [line for line in includes if FOREIGN.search(line)] == [], relative(path)


def test_torch_is_known_by_its_c_abi_only():
    for path in (CSRC / "binding").rglob("*.*"):
        includes = re.findall(r"^\s*#\s*include\s*<(.*)>", path.read_text(), re.MULTILINE)
        foreign = {line.split("/")[0] for line in includes if FOREIGN.search(line)}
        assert foreign <= ({"pybind11"} if path.name == "module.cpp" else set()), relative(path)


def test_the_package_imports_nothing_that_is_not_installed_with_it():
    for path in (ROOT / "python").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            outside = {name.split(".")[0] for name in names} & {"tests", "bench", "examples"}
            assert outside == set(), relative(path)


# Contracts, bindings and wrappers agree.


@pytest.mark.parametrize("stem", STEMS)
def test_schema_and_binding_have_the_same_arguments(stem):
    """They are matched by position alone: a difference would be read as garbage."""
    source = (CSRC / "binding" / f"{stem}.cpp").read_text()
    signature = re.search(rf"\bvoid {stem}\((.*?)\)\s*{{", source, re.DOTALL).group(1)
    ours = [
        re.fullmatch(r"\s*const (.+)& (\w+)\s*", each).groups() for each in signature.split(",")
    ]
    schema = getattr(torch.ops.halfword, stem).default._schema
    theirs = [(C_TYPES[str(each.type)], each.name) for each in schema.arguments]
    assert ours == theirs


@pytest.mark.parametrize("stem", STEMS)
def test_contract_has_params_and_an_entry_point_a_device(stem):
    text = (CSRC / "ops" / f"{stem}.h").read_text()
    params = "".join(word.title() for word in stem.split("_")) + "Params"  # W4A8
    assert re.search(rf"^struct {params} (: \w+ )?{{", text, re.MULTILINE)
    assert re.search(rf"^void {stem}_cpu\(const {params}& params", text, re.MULTILINE)
    assert re.search(rf"^CudaStatus {stem}_cuda\(const {params}& params", text, re.MULTILINE)


@pytest.mark.parametrize("stem", STEMS)
def test_op_documents_its_parameters_and_promises(stem):
    function = getattr(halfword.ops, stem)
    text = inspect.getdoc(function)
    for section in ("Args:", "Raises:", "Numerics:", "Gradient:", "Moves:"):
        assert f"\n{section}" in text, section
    parameters = inspect.signature(function).parameters
    assert [name for name in parameters if not re.search(rf"\b{name}\b", text)] == []


def test_every_public_name_has_a_docstring():
    bare = set()
    for module in public_modules():
        assert module.__doc__, module.__name__
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if not inspect.isclass(thing) and not inspect.isfunction(thing):
                continue
            if not thing.__doc__:
                bare.add(f"{module.__name__}.{name}")
            if inspect.isclass(thing):
                bare |= {f"{module.__name__}.{name}.{each}" for each in bare_members(thing)}
    assert sorted(bare) == []


def bare_members(cls):
    """Public methods and properties that have no docstring, not even an inherited one."""
    for name, member in vars(cls).items():
        documented = inspect.isroutine(member) or isinstance(member, property)
        if documented and not name.startswith("_") and not inspect.getdoc(getattr(cls, name)):
            yield name


# Form.


def test_files_can_be_read_in_one_sitting():
    long = {
        relative(p): n for p in source_files() if (n := len(p.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_lines_fit():
    wide = [
        f"{relative(path)}:{number}"
        for path in source_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]
    assert wide == []


def test_no_tracked_file_names_a_path_of_a_machine():
    pattern = re.compile(r"/(?:work|root)/|/tmp/[a-z]|/home/[a-z]")
    found = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{relative(path)}: {match}" for match in pattern.findall(text)]
    assert found == []


def numbers(value):
    """All numbers in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def test_figures_in_the_readme_are_in_the_committed_results():
    """A figure is a number with a unit; a result is one in SI units, or a ratio."""
    units = {"ms": 1e3, "us": 1e6, "GB/s": 1e-9, "GFLOP/s": 1e-9, "x": 1.0, "%": 100.0}
    results = [json.loads(path.read_text()) for path in (ROOT / "bench/results").rglob("*.json")]
    measured = list(numbers(results))
    pattern = r"(?<![\w.])(\d+(?:\.(\d+))?) ?(ms|us|GB/s|GFLOP/s|x|%)(?!\w)"
    figures = re.findall(pattern, (ROOT / "README.md").read_text())
    unknown = []
    for text, decimals, unit in figures:
        if not any(f"{m * units[unit]:.{len(decimals)}f}" == text for m in measured):
            unknown.append(f"{text} {unit}")
    assert unknown == []
