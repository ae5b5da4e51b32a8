"""Tests of the software GPU and on it. They need nvcc; where there is none they are skipped."""

import pytest

from . import library
from .build import NoCompilerError


@pytest.fixture(scope="session")
def _runtime():
    try:
        library.runtime()
    except NoCompilerError as error:
        pytest.skip(f"software GPU: {error}")


@pytest.fixture
def softgpu(_runtime):
    """tests.softgpu.library, after a reset: its ``load`` builds and loads libraries of kernels."""
    library.reset()
    yield library
    library.reset()
