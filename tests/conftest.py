"""The devices that kernel tests run over: one CPU instruction set after another."""

import pytest
import torch

import halfword
from halfword import _core


@pytest.fixture(params=[f"cpu-{isa}" for isa in _core.supported_isas()])
def device(request):
    """A torch device; for `cpu-<isa>`, with the kernels of that instruction set in use."""
    name, _, isa = request.param.partition("-")
    before = _core.isa()
    _core.set_isa(isa)
    yield torch.device(name)
    _core.set_isa(before)


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
    return f"halfword {halfword.__version__}, instruction sets: {', '.join(_core.supported_isas())}"
