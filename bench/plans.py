"""What a row more costs a CUDA product, by the model that its plans are chosen with.

``python -m bench plans`` has the plan of every number of rows, and says by how much the modelled
time grows from one to the next: at most, where, and how often by more than 1.1. It needs the
library with the CUDA kernels, but no GPU.
"""

import argparse
import ctypes
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from halfword import _cuda
from tests.cases.linear import GPT2, LLAMA_8B

PROCESSORS = {"A10": 72, "A100": 108, "H100": 132, "RTX 6000 Ada": 142}
MOST_ROWS = 4096
SMALL = 1.1  # a step that nobody minds
PLAN_WORDS = 6  # of halfword_gemm_int8_plan


class Steps(NamedTuple):
    """From M rows to M + 1, for M from 1 to MOST_ROWS - 1."""

    largest: float  # of t(M + 1) / t(M)
    rows: int  # M + 1 there
    above: int  # how many are above SMALL


def modelled_cycles(library: ctypes.CDLL, n: int, k: int, processors: int) -> list[float]:
    """Of a product with a weight [n, k], for 1 to MOST_ROWS rows."""
    plan = library.halfword_gemm_int8_plan
    plan.restype = ctypes.c_double
    plan.argtypes = (*[ctypes.c_int64] * 3, ctypes.c_int32, ctypes.c_void_p)
    words = (ctypes.c_int64 * PLAN_WORDS)()
    return [plan(m, n, k, processors, words) for m in range(1, MOST_ROWS + 1)]


def steps_of(cycles: Sequence[float]) -> Steps:
    ratios = [more / less for less, more in pairwise(cycles)]
    largest = max(ratios)
    return Steps(largest, ratios.index(largest) + 2, sum(ratio > SMALL for ratio in ratios))


def main(argv: Sequence[str], out: Console) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench plans", description=__doc__)
    parser.add_argument("--library", type=Path, default=_cuda.library_path(),
                        help="with the kernels; default: halfword's own")  # fmt: skip
    args = parser.parse_args(argv)
    if not args.library.exists():
        parser.error("this halfword is built without its CUDA part, and there is no --library")
    library = ctypes.CDLL(str(args.library))
    table = Table(box=None, header_style="bold")
    table.add_column("largest t(M+1) / t(M), at M+1; steps above 1.1")
    for name, processors in PROCESSORS.items():
        table.add_column(f"{name} ({processors})", justify="right")
    for layer, (n, k) in (LLAMA_8B | GPT2).items():
        found = [steps_of(modelled_cycles(library, n, k, count)) for count in PROCESSORS.values()]
        table.add_row(layer, *(f"{s.largest:.3f} at {s.rows}; {s.above}" for s in found))
    out.print(table)
    return 0
