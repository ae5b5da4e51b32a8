"""What kernels moved on the software GPU while the setting ``count`` was on."""

import ctypes
from itertools import count, takewhile
from typing import NamedTuple

from . import library


class Counts(NamedTuple):
    """``Counts`` of engine/counters.h: sums over the launches of a kernel."""

    launches: int
    global_bytes_loaded: int
    global_bytes_stored: int
    shared_bytes_loaded: int
    shared_bytes_stored: int
    sectors_loaded: int
    sectors_stored: int
    sectors_load_requests: int
    sectors_store_requests: int
    bank_conflicts: int


def reset() -> None:
    """Forget all counts."""
    library.runtime().softgpu_reset_counts()


def counts() -> dict[str, Counts]:
    """By the mangled name of the kernel."""
    runtime = library.runtime()
    runtime.softgpu_counted_kernel.restype = ctypes.c_char_p
    runtime.softgpu_counts.restype = ctypes.c_bool
    names = takewhile(lambda name: name is not None, map(runtime.softgpu_counted_kernel, count()))
    return {name.decode(): _counts(runtime, name) for name in names}


def _counts(runtime: ctypes.CDLL, name: bytes) -> Counts:
    words = (ctypes.c_uint64 * len(Counts._fields))()
    runtime.softgpu_counts(name, words)
    return Counts(*words)
