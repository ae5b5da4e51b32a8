"""Command line of the benchmarks: tables on stdout, progress on stderr, all of it in JSON."""

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import halfword

from . import (
    bench_adam,
    bench_amp,
    bench_fake,
    bench_fused,
    bench_int4,
    bench_int8,
    bench_quantize,
    bench_unscale,
    devices,
    plans,
    ptxas,
)
from .measure import DifferentResultsError, release, run_row
from .problem import Row
from .report import (
    WIDTH,
    RowReport,
    as_json,
    console,
    describe_machine,
    print_head,
    print_row,
    print_summary,
    summarize,
)
from .timing import MIB, Limits, measure_limits

BENCHES: dict[str, Callable[..., Iterator[Row]]] = {
    "adam": bench_adam.rows,
    "amp": bench_amp.rows,
    "fake": bench_fake.rows,
    "fused": bench_fused.rows,
    "int4": bench_int4.rows,
    "int8": bench_int8.rows,
    "quantize": bench_quantize.rows,
    "unscale": bench_unscale.rows,
}
PROBE_MIB = 256  # several times the largest last-level cache of a few cores
GPU_PROBE_MIB = 2048  # or a part of what is free
TINY_PROBE_MIB = 1
ROUNDS = {"cpu": 7, "cuda": 20}

EXIT_USAGE = 2


class Report:
    """What is found. Written to a file after every row: a run that is stopped leaves the others."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.benches: list[dict[str, Any]] = []

    def write(self) -> None:
        if self.path is not None:
            new = self.path.with_name(self.path.name + ".new")
            new.write_text(json.dumps(self.benches, indent=1) + "\n")
            new.replace(self.path)


def probe_mib(args: argparse.Namespace, device: torch.device) -> int:
    if args.tiny:
        return TINY_PROBE_MIB
    if device.type == "cpu":
        return PROBE_MIB
    free, _ = torch.cuda.mem_get_info(device)
    return int(min(GPU_PROBE_MIB, free / 16 / MIB))


def spare_cores(machine: dict[str, Any]) -> int:
    return int(machine["cores"] - machine["threads"])


def device_of(args: argparse.Namespace) -> torch.device:
    return torch.device(args.device)


def rows_of(name: str, args: argparse.Namespace) -> list[Row]:
    rows = BENCHES[name](tiny=args.tiny, compiled=args.compile, device=args.device)
    return [row for row in rows if re.search(args.filter, row.name)]


def run_bench(
    name: str, args: argparse.Namespace, report: Report, out: Console, progress: Console
) -> bool:
    """One benchmark, from the machine's limits to its JSON; False if a row could not be timed."""
    rows, device = rows_of(name, args), device_of(args)
    if not rows:
        return True
    progress.print(f"{name}: limits of this machine")
    limits = measure_limits(probe_mib(args, device), args.rounds, device)
    machine = describe_machine(device)
    print_head(out, machine, limits)
    if device.type == "cpu" and machine["load_average"] > max(1, spare_cores(machine)):
        progress.print("others are using this machine: rows of small tensors may measure who waits "
                       "for a core (--threads 1 does not wait for a second one)")  # fmt: skip
    settings = {
        key: getattr(args, key) for key in ("rounds", "threads", "filter", "tiny", "device")
    }
    found: dict[str, Any] = {}
    report.benches.append(found)
    reports: list[RowReport] = []
    failures: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        if time.perf_counter() > args.until:
            left = len(rows) - number + 1
            progress.print(f"{name}: {left} rows left out, --seconds is over")
            failures["left out"] = f"{left} rows, for want of time"
            break
        seconds = time.perf_counter() - args.began
        progress.print(f"{name}: {number} of {len(rows)}, {row.name} ({seconds:.0f} s so far)")
        run_and_print(row, limits, args, reports, failures, out, progress)
        if device.type == "cuda":
            machine["gpu"]["clocks_at_end"] = devices.clocks(device)
        found.update(as_json(name, machine, settings, limits, reports, failures))
        report.write()
    found.update(as_json(name, machine, settings, limits, reports, failures))
    print_summary(out, summarize(reports))
    return set(failures) <= {"left out"}


def run_and_print(
    row: Row, limits: Limits, args: argparse.Namespace, reports: list[RowReport],
    failures: dict[str, str], out: Console, progress: Console,
) -> None:  # fmt: skip
    """One row; what goes wrong in it is said, and the others still get their turn."""
    device = device_of(args)
    try:
        reports.append(run_row(row, limits, args.rounds, device))
    except DifferentResultsError as error:
        failures[row.name] = f"results differ: {error}"
        progress.print(f"not timed, since results differ: {error}")
    except RuntimeError as error:
        if device.type == "cpu":
            raise
        failures[row.name] = str(error)
        progress.print(f"not timed: {error}", markup=False)
    else:
        print_row(out, reports[-1])
    release(device)


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be positive; got {value}")
    return value


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("bench", choices=[*BENCHES, "all"],
                        help="or plans or ptxas, which have options of their own")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=positive, help=f"default: {ROUNDS}")
    parser.add_argument("--seconds", type=float, default=math.inf,
                        help="begin no row after this many")  # fmt: skip
    parser.add_argument("--filter", default="", metavar="REGEX", help="only rows whose name has it")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction,
                        help="whether torch.compile is one of the rivals; default: on the CPU, "
                        "where one loop a tensor is fast")  # fmt: skip
    parser.add_argument("--tiny", action="store_true",
                        help="a few elements, to see that it runs; times mean nothing")  # fmt: skip
    return parser


def no_cuda() -> str | None:
    """Why nothing can be run on CUDA, or None."""
    if not torch.cuda.is_available():
        return "--device cuda: torch finds no CUDA device here"
    if not halfword._cuda.is_loaded():
        return "--device cuda: this halfword is built without its CUDA part"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    for tool in (plans, ptxas):
        if words[:1] == [tool.__name__.rpartition(".")[2]]:
            return tool.main(words[1:], console())
    parser = make_parser()
    args = parser.parse_args(words)
    try:
        re.compile(args.filter)
    except re.error as error:
        parser.error(f"--filter must be a regular expression; got {args.filter!r} ({error})")
    if args.device == "cuda" and (problem := no_cuda()):
        parser.error(problem)
    args.rounds = args.rounds or ROUNDS[args.device]
    args.compile = args.device == "cpu" if args.compile is None else args.compile
    args.began = time.perf_counter()
    args.until = args.began + args.seconds
    torch.set_num_threads(args.threads)
    out = console()
    progress = Console(
        stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH
    )  # fmt: skip
    names = list(BENCHES) if args.bench == "all" else [args.bench]
    report = Report(args.json)
    fine = [run_bench(name, args, report, out, progress) for name in names]
    if args.json:
        report.write()
        progress.print(f"written to {args.json}")
    timed = sum(len(found["rows"]) for found in report.benches)
    wrong = sum(len(found["failures"].keys() - {"left out"}) for found in report.benches)
    progress.print(f"{timed} rows timed, {wrong} failed")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
