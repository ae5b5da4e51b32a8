"""The INT8 operations a second that the machine's dot product instructions can do.

A few lines of C, compiled when they are asked for: torch has nothing that comes near.
"""

import ctypes
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("peak_int8.c")
BUILD = Path(__file__).resolve().parents[1] / "build" / "bench"
ROUNDS = 2_000_000  # of each thread: some milliseconds


@cache
def dot_product_library() -> ctypes.CDLL | None:
    """None without a compiler, or on a machine that lacks the instruction."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / "libpeak_int8.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        return None  # another architecture
    library = ctypes.CDLL(str(target))
    library.peak_int8.argtypes, library.peak_int8.restype = [ctypes.c_int64], ctypes.c_int64
    return library if library.peak_int8(1) else None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def dot_products_on(threads: int) -> int:
    """Keeps so many threads busy for a while; returns the operations that they did."""
    library = dot_product_library()
    assert library is not None
    return sum(_pool(threads).map(library.peak_int8, [ROUNDS] * threads))
