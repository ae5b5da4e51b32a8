"""The table of what ptxas made of the kernels, and where nvcc is looked for."""

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are not installed

from bench import ptxas  # noqa: E402
from tools import cuda_toolchain  # noqa: E402

needs_nvcc = pytest.mark.skipif(cuda_toolchain.find_nvcc() is None, reason="needs nvcc")

# As ptxas 13.0 writes it.
OUTPUT = """\
ptxas info    : 4 bytes gmem, 16 bytes cmem[3]
ptxas info    : Compiling entry function '_Z1kIfEvPT_i' for 'sm_80'
ptxas info    : Function properties for _Z1kIfEvPT_i
    24 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 12 registers, 256 bytes smem, 364 bytes cmem[0], 8 bytes cmem[2]
ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized
ptxas info    : Compiling entry function 'plain' for 'sm_80'
ptxas info    : Function properties for plain
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 6 registers
"""

SPILLING = """
__global__ void __launch_bounds__(1024, 2) spilling_kernel(float* x) {
  float a[64];
  for (int i = 0; i < 64; ++i) a[i] = x[i * 1024 + threadIdx.x];
  __syncthreads();
  for (int i = 0; i < 64; ++i) x[(63 - i) * 1024 + threadIdx.x] = a[i] * a[(i + 7) % 64];
}
"""


def test_report_of_ptxas_is_read():
    usages, notes = ptxas.parse(OUTPUT, "k.cu")
    first, second = usages
    assert first == ptxas.Usage("_Z1kIfEvPT_i", "k.cu", "sm_80", 12, 24, 8, 12, 256, 372)
    assert first.spills
    assert second == ptxas.Usage("plain", "k.cu", "sm_80", 6)
    assert not second.spills
    assert len(notes) == 1
    assert notes[0].startswith("k.cu: (C7510)")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("void halfword::(anonymous namespace)::k<float, (Kind)1, 4>(float*, int)",
         "k<float, 1, 4>"),
        ("halfword::k(halfword::Params)", "k"),
        ("void k<halfword::Rows<__nv_bfloat16> >(int (*)(int))", "k<Rows<__nv_bfloat16> >"),
    ],
)  # fmt: skip
def test_names_are_short(name, short):
    assert ptxas.shorten(name) == short


def test_architectures_are_those_of_the_build():
    assert ptxas.architectures() == ["sm_80", "sm_90a"]


def test_file_may_name_its_one_architecture():
    assert ptxas.is_for(Path("gemm_int8_sm90a.cu"), "sm_90a")
    assert not ptxas.is_for(Path("gemm_int8_sm90a.cu"), "sm_80")
    assert ptxas.is_for(Path("adam_step.cu"), "sm_80")


def table(tmp_path, monkeypatch, source):
    (tmp_path / "k.cu").write_text(source)
    monkeypatch.setattr(ptxas, "CUDA", tmp_path)
    path = tmp_path / "out.json"
    status = ptxas.main(["--json", str(path)], Console(quiet=True))
    return status, json.loads(path.read_text())["kernels"]


@needs_nvcc
def test_kernel_that_spills_is_a_failure(tmp_path, monkeypatch, capsys):
    status, kernels = table(tmp_path, monkeypatch, SPILLING)
    assert status == 1
    assert [kernel["arch"] for kernel in kernels] == ["sm_80", "sm_90a"]
    assert all(kernel["spill_stores"] > 0 for kernel in kernels)
    assert "spilling_kernel spills registers on sm_80" in capsys.readouterr().err


@needs_nvcc
def test_kernel_that_does_not_spill_is_listed(tmp_path, monkeypatch):
    status, kernels = table(tmp_path, monkeypatch, "__global__ void k(int* x) { *x = 1; }")
    assert status == 0
    assert [(kernel["kernel"], kernel["file"]) for kernel in kernels] == [("k", "k.cu")] * 2


def test_nvcc_is_the_one_that_is_named(tmp_path, monkeypatch):
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("")
    nvcc.chmod(0o755)
    monkeypatch.setenv("CUDACXX", str(nvcc))
    assert cuda_toolchain.find_nvcc() == nvcc


def test_nvcc_of_the_environment_comes_last(tmp_path, monkeypatch):
    nvcc = tmp_path / "nvidia" / "cu13" / "bin" / "nvcc"
    monkeypatch.delenv("CUDACXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cuda_toolchain, "SITE", tmp_path)
    assert cuda_toolchain.find_nvcc() is None
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text("")
    assert cuda_toolchain.find_nvcc() == nvcc
