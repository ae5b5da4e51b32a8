"""Runs the cases of kernels/engine_*.cu (kernels/engine_case.h says what a case is)."""

import ctypes
from functools import cache
from pathlib import Path

import pytest

from . import library

KERNELS = Path(__file__).parent / "kernels"
INTS = 1024

# Adversaries that a right kernel must withstand, each under the seeds that a test chooses.
SCHEDULES = library.SCHEDULES


def run(case: str) -> list[int]:
    """What the case's `data` holds at the end."""
    result = (ctypes.c_int * INTS)()
    status = getattr(library.load("softgpu_kernels"), case)(result)
    library.check(status)
    return list(result)


def error_of(case: str) -> str:
    """The message with which the case fails."""
    with pytest.raises(library.SoftGpuError) as caught:
        run(case)
    library.reset()
    return str(caught.value)


@cache
def place(marker: str) -> str:
    """``file:line`` of the comment ``// <- marker``."""
    for path in sorted(KERNELS.glob("engine_*.cu")):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if f"// <- {marker}" in line and line.rstrip().endswith(marker):
                return f"{path.name}:{number}"
    raise LookupError(f"no kernel is marked {marker!r}")
