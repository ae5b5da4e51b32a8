"""The devices that kernel tests run over: one CPU instruction set after another, the software GPU,
and a CUDA device where there is one."""

import os
from contextlib import contextmanager

# Several tests run at a time, and each has threads for all cores: those that wait must not take the
# cores from those that work. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
import torch

import halfword
from halfword import _core

from .softgpu.build import find_nvcc

GPUS = ["softgpu"] if find_nvcc() else []
GPUS += ["cuda"] if halfword._cuda.is_loaded() and torch.cuda.is_available() else []


def _devices(*without):
    isas = [isa for isa in _core.supported_isas() if not isa.endswith(without)]
    return [f"cpu-{isa}" for isa in isas] + GPUS


# Most ops have nothing of their own for VNNI, or for dot products of bfloat16.
DEVICES = _devices("vnni", "bf16")
INT8_DEVICES = _devices("bf16")
BF16_DEVICES = _devices("vnni")


@contextmanager
def _using(name):
    """A torch device. For `cpu-<isa>`, with the kernels of that instruction set in use; for
    `softgpu` it is the CPU too, and the CUDA kernels run there."""
    kind, _, isa = name.partition("-")
    if kind == "cuda":
        with torch.device("cuda"):  # where a test's tensors are made
            yield torch.device("cuda")
    elif kind == "softgpu":
        from .softgpu.redirect import redirected

        with redirected():
            yield torch.device("cpu")
    else:
        before = _core.isa()
        _core.set_isa(isa or before)
        yield torch.device("cpu")
        _core.set_isa(before)


@pytest.fixture(params=DEVICES)
def device(request):
    """Where kernels run, one instruction set after another."""
    with _using(request.param) as place:
        yield place


@pytest.fixture(params=INT8_DEVICES)
def int8_device(request):
    """The same for ops that are made of dot products of bytes, with the instruction sets for it."""
    with _using(request.param) as place:
        yield place


@pytest.fixture(params=BF16_DEVICES)
def bf16_device(request):
    """The same for ops that are made of dot products of bfloat16."""
    with _using(request.param) as place:
        yield place


@pytest.fixture(params=_core.supported_isas())
def isa(request):
    """The CPU alone, one instruction set after another, for what takes thousands of calls."""
    with _using(f"cpu-{request.param}"):
        yield request.param


@pytest.fixture(params=sorted({name.partition("-")[0] for name in DEVICES}))
def kind_of_device(request):
    """The same, with the CPU once: for what does not depend on its instruction set."""
    with _using(request.param) as place:
        yield place


@pytest.fixture
def one_thread():
    """A few elements are quicker on one thread, far quicker if the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def pytest_report_header():
    return f"halfword {halfword.__version__}, devices: {', '.join(DEVICES)}"
