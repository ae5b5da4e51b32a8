"""Command line of the benchmarks: tables on stdout, progress on stderr, all of it in JSON."""

import argparse
import gc
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tests.cases.models import few_odd

from . import bench_adam, bench_unscale, ptxas
from .problem import Bound, Row, Side
from .report import (
    Line,
    RowReport,
    as_json,
    at_limit,
    describe_machine,
    make_line,
    print_head,
    print_row,
)
from .timing import Contestant, Limits, interleave, measure_limits

BENCHES: dict[str, Callable[..., Iterator[Row]]] = {
    "adam": bench_adam.rows,
    "unscale": bench_unscale.rows,
}
PROBE_MIB = 256  # several times the largest last-level cache of a few cores
TINY_PROBE_MIB = 1
ROUNDS = 7
WIDTH = 150  # of tables that go to a file

EXIT_USAGE = 2


class DifferentResultsError(Exception):
    """Two sides do not compute the same thing, so that comparing their times means nothing."""


def compare(ours: Side, theirs: Side, bounds: dict[str, Bound]) -> float:
    """One step of each from the same state; the worst error as a fraction of its bound."""
    left, right, worst = ours.results(), theirs.results(), 0.0
    common = left.keys() & right.keys()
    if not common:
        raise DifferentResultsError(f"{theirs.name}: has no result in common with {ours.name}")
    for name in common:
        for a, b in zip(left[name], right[name], strict=True):
            worst = max(worst, bounds[name].excess(a, b))
    if not worst <= 1:
        raise DifferentResultsError(f"{theirs.name}: {worst:.3g} times the allowed difference")
    return worst


def check_row(row: Row) -> dict[str, float]:
    """Every rival against ours, over a few odd shapes."""
    with torch.random.fork_rng():
        sides = [side for side in row.sides(few_odd()) if isinstance(side, Side)]
    for side in sides:
        side.step()
    return {rival.name: compare(sides[0], rival, row.bounds) for rival in sides[1:]}


def run_row(row: Row, limits: Limits, rounds: int) -> RowReport:
    """Check, build, time, forget."""
    errors = check_row(row)
    outcomes = row.sides(row.shapes)
    sides = [side for side in outcomes if isinstance(side, Side)]
    probes = [limits.best[kind] for kind in row.traffic.kinds]
    contestants = [*(Contestant(side.name, side.step) for side in sides),
                   *(Contestant(probe.name, probe.run) for probe in probes)]  # fmt: skip
    samples = interleave(contestants, rounds)
    limit, ours = at_limit(row, limits, samples), samples[sides[0].name]
    lines: list[Line] = [
        make_line(row, side.name, samples[side.name], None if side is sides[0] else ours, limit,
                  errors.get(side.name))
        for side in sides
    ]  # fmt: skip
    return RowReport(
        row.name, row.elements, len(row.shapes), asdict(row.traffic),
        {name: asdict(bound) for name, bound in row.bounds.items()}, lines,
        [line for line in outcomes if isinstance(line, str)],
    )  # fmt: skip


def run_bench(
    name: str, args: argparse.Namespace, out: Console, progress: Console
) -> dict[str, Any]:
    """One benchmark, from the machine's limits to its JSON."""
    progress.print(f"{name}: limits of this machine")
    limits = measure_limits(TINY_PROBE_MIB if args.tiny else PROBE_MIB, args.rounds)
    machine = describe_machine()
    print_head(out, machine, limits)
    if machine["load_average"] > max(1, machine["cores"] - machine["threads"]):
        progress.print("others are using this machine: rows of small tensors may measure who waits "
                       "for a core (--threads 1 does not wait for a second one)")  # fmt: skip
    reports, start = [], time.perf_counter()
    rows = [row for row in BENCHES[name](tiny=args.tiny, compiled=args.compile)
            if re.search(args.filter, row.name)]  # fmt: skip
    for number, row in enumerate(rows, 1):
        elapsed = time.perf_counter() - start
        progress.print(f"{name}: {number} of {len(rows)}, {row.name} ({elapsed:.0f} s so far)")
        reports.append(run_row(row, limits, args.rounds))
        print_row(out, reports[-1])
        gc.collect()
    settings = {key: getattr(args, key) for key in ("rounds", "threads", "filter", "tiny")}
    return as_json(name, machine, settings, limits, reports)


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be positive; got {value}")
    return value


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("bench", choices=[*BENCHES, "all"],
                        help="or ptxas, which has options of its own")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=positive, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only rows whose name has it")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True,
                        help="whether torch.compile is one of the rivals")  # fmt: skip
    parser.add_argument("--tiny", action="store_true",
                        help="a few elements, to see that it runs; times mean nothing")  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["ptxas"]:
        return ptxas.main(words[1:], Console(width=None if sys.stdout.isatty() else WIDTH))
    parser = make_parser()
    args = parser.parse_args(words)
    try:
        re.compile(args.filter)
    except re.error as error:
        parser.error(f"--filter must be a regular expression; got {args.filter!r} ({error})")
    torch.set_num_threads(args.threads)
    out = Console(width=None if sys.stdout.isatty() else WIDTH)
    progress = Console(stderr=True, highlight=False)
    names = list(BENCHES) if args.bench == "all" else [args.bench]
    try:
        found = [run_bench(name, args, out, progress) for name in names]
    except DifferentResultsError as error:
        progress.print(f"not timed, since results differ: {error}")
        return 1
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
        progress.print(f"written to {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
