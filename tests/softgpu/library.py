"""The software GPU for Python: load a library of kernels, say how to run it, see what it did."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from .build import build

SCHEDULES = ("first-in", "last-in", "random", "priority")
LANDINGS = ("early", "late", "mixed")
_NAMES = {"schedule": SCHEDULES, "landing": LANDINGS}


class SoftGpuError(RuntimeError):
    """A call of the CUDA runtime that failed; the message has the kernel and the source line."""


class Operation(NamedTuple):
    """Something that has run on a stream: a kernel by its name, ``memcpy``, ``memset``."""

    name: str
    stream: int
    device: int


class _Executed(ctypes.Structure):
    """``SoftgpuExecuted`` of cudart/control.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("stream", ctypes.c_int32),
        ("device", ctypes.c_int32),
    )


@cache
def runtime() -> ctypes.CDLL:
    """The stand-in CUDA runtime, with CUDA's functions and those of cudart/control.h."""
    library = ctypes.CDLL(str(build("softgpu") / "libsoftgpu.so"))
    library.softgpu_set.argtypes = (ctypes.c_char_p, ctypes.c_int64)
    library.softgpu_get.argtypes = (ctypes.c_char_p, ctypes.POINTER(ctypes.c_int64))
    library.softgpu_reset.restype = None
    library.softgpu_last_error.restype = ctypes.c_char_p
    library.softgpu_lend.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p),
    )
    library.softgpu_take_back.argtypes = (ctypes.c_void_p,)
    library.softgpu_executed_count.restype = ctypes.c_int64
    library.softgpu_executed.argtypes = (ctypes.c_int64,)
    library.softgpu_executed.restype = _Executed
    library.cudaGetErrorString.restype = ctypes.c_char_p
    library.cudaGetErrorName.restype = ctypes.c_char_p
    return library


@cache
def load(target: str) -> ctypes.CDLL:
    """Build a library of kernels, a target of CMakeLists.txt, and load it."""
    runtime()
    return ctypes.CDLL(str(build(target) / f"lib{target}.so"))


def check(status: int) -> None:
    """Raise what a function returned, unless it is success."""
    if status != 0:
        name = runtime().cudaGetErrorName(status).decode()
        raise SoftGpuError(f"{name}: {last_error()}")


def last_error() -> str:
    """All that is known of the latest error."""
    return runtime().softgpu_last_error().decode(errors="replace")


def synchronize() -> None:
    """Run all that is queued on the current device."""
    check(runtime().cudaDeviceSynchronize())


def reset() -> None:
    """Drop queued work, and forget errors and what was executed."""
    runtime().softgpu_reset()


def executed() -> list[Operation]:
    """What has run since the last reset, in order."""
    library = runtime()
    found = map(library.softgpu_executed, range(library.softgpu_executed_count()))
    return [Operation(one.name.decode(), one.stream, one.device) for one in found]


def get(name: str) -> Any:
    """A setting, by its name in cudart/control.h."""
    value = ctypes.c_int64()
    if runtime().softgpu_get(name.encode(), ctypes.byref(value)) != 0:
        raise KeyError(f"softgpu has no setting {name!r}")
    return _NAMES[name][value.value] if name in _NAMES else value.value


def put(name: str, value: Any) -> None:
    """Change a setting."""
    number = _NAMES[name].index(value) if name in _NAMES else int(value)
    status = runtime().softgpu_set(name.encode(), number)
    if status < 0:
        raise KeyError(f"softgpu has no setting {name!r}")
    check(status)


@contextmanager
def settings(**changes: Any) -> Iterator[None]:
    """Settings as given inside the block, and as before after it.

    ``adversary`` is the same under the name that fits these: ``seed``, ``schedule`` (one of
    SCHEDULES), ``landing`` (one of LANDINGS), ``race``, ``count``, ``resident_blocks``,
    ``patience``. Others: ``eager``, ``devices``, ``capability``, ``driver``,
    ``multiprocessors``.
    """
    before = {name: get(name) for name in changes}
    try:
        for name, value in changes.items():
            put(name, value)
        yield
    finally:
        for name, value in before.items():
            put(name, value)


adversary = settings


@contextmanager
def lend(*tensors: Any, writable: bool = True) -> Iterator[None]:
    """Let kernels use the memory of torch tensors on the CPU, inside the block."""
    library = runtime()
    given = [tensor for tensor in tensors if tensor.numel() > 0]
    for tensor in given:
        storage = tensor.untyped_storage()
        name = f"tensor of shape {tuple(tensor.shape)}".encode()
        check(library.softgpu_lend(storage.data_ptr(), storage.nbytes(), int(writable), name))
    try:
        yield
    finally:
        for tensor in given:
            check(library.softgpu_take_back(tensor.untyped_storage().data_ptr()))
