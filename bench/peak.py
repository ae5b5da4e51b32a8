"""The operations a second that the machine's dot product instructions can do.

A few lines of C, compiled when they are asked for: torch has nothing that comes near.
"""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("peak.c")
BUILD = Path(__file__).resolve().parents[1] / "build" / "bench"
ROUNDS = 2_000_000  # of each thread: some milliseconds
INSTRUCTIONS = {"int8": "512-bit vpdpbusd", "bf16": "512-bit vdpbf16ps"}


@cache
def _library() -> ctypes.CDLL | None:
    """None without a compiler for this machine."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / "libpeak.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        return None  # another architecture
    return ctypes.CDLL(str(target))


@cache
def dot_products(kind: str) -> Callable[[int], int] | None:
    """Does so many rounds, and returns how many operations that was. None where the machine has no
    such instruction."""
    library = _library()
    if library is None:
        return None
    peak: Any = getattr(library, f"peak_{kind}")
    peak.argtypes, peak.restype = [ctypes.c_int64], ctypes.c_int64
    return peak if peak(1) else None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def dot_products_on(threads: int, kind: str) -> int:
    """Keeps so many threads busy for a while; returns the operations that they did."""
    run = dot_products(kind)
    assert run is not None
    return sum(_pool(threads).map(run, [ROUNDS] * threads))
