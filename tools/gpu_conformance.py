"""The conformance tests of tests/softgpu on a real GPU: ``pytest -p tools.gpu_conformance``.

They launch kernels through C functions of libraries that allocate, copy and wait by themselves.
GPU_CONFORMANCE names the folder of those libraries, compiled by nvcc for the device
(tools/gpu_bundle.py). What only the software GPU has, its settings and its messages, is left out.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.softgpu import library

FOLDER = Path(os.environ.get("GPU_CONFORMANCE", "."))


@cache
def load(target: str) -> ctypes.CDLL:
    """In place of building a library for the software GPU."""
    return ctypes.CDLL(str(FOLDER / f"lib{target}.so"))


def check(status: int) -> None:
    """Raise what a function returned: a number of CUDA's, in words only in its documentation."""
    if status != 0:
        raise library.SoftGpuError(f"CUDA error {status}")


@contextmanager
def settings(**_: Any) -> Iterator[None]:
    """A device cannot be told when to be late."""
    yield


def nothing(*_: Any, **__: Any) -> None:
    """There is no stand-in runtime to load or to reset."""


REPLACED = {
    "load": load,
    "check": check,
    "settings": settings,
    "adversary": settings,
    "runtime": nothing,
    "reset": nothing,
}


def pytest_configure() -> None:
    for name, function in REPLACED.items():
        setattr(library, name, function)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Tests that expect an error expect the software GPU's words."""
    for item in items:
        if "SoftGpuError" in item.function.__code__.co_names:
            item.add_marker(pytest.mark.skip(reason="asks for a message of the software GPU"))
