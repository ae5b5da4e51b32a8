"""What a benchmark found: numbers, a table of them, and JSON with the machine they hold for."""

import datetime
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import halfword
from halfword import _core

from . import devices
from .problem import Traffic
from .timing import Limits, Spread, Times, ratios, unit_of

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 150  # of tables that go to a file
MEANINGLESS_BELOW = 2**25  # bytes in a step: it may never leave the cache
GPU_MEANINGLESS_BELOW = 2**28  # several times the largest L2
OURS = "halfword"  # begins the names of our sides


def console() -> Console:
    """Standard output: as wide as a terminal, or as tables need it in a file."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)


@dataclass(frozen=True)
class Line:
    """One side of a row."""

    name: str
    seconds: Spread
    host_seconds: Spread | None  # until the call returned; None where that is when it is done
    ns_per_element: float
    gb_per_s: float  # of the row's bytes, whatever the side really moved
    gop_per_s: float  # of its operations
    limit_fraction: float | None  # time that the bytes take at the machine's limit / time taken
    limit_fraction_paired: float | None  # the same, each round against the probes of that round
    speedup: Spread | None  # of ours over this side, pair by pair; None for ours
    worst_error: float | None  # against ours, as a fraction of the bound
    samples: list[float]

    @property
    def verdict(self) -> str:
        """Even, unless three rounds in four agree on who is faster."""
        if self.speedup is None:
            return ""
        if self.speedup.low > 1:
            return "win"
        return "loss" if self.speedup.high < 1 else "even"


@dataclass(frozen=True)
class RowReport:
    """A row, its sides, and why some are not there."""

    name: str
    elements: int
    tensors: int
    bytes_per_element: dict[str, float]
    bounds: dict[str, dict[str, float]]
    lines: list[Line]
    absent: list[str] = field(default_factory=list)
    tensors_wanted: int = 0  # more than `tensors` where memory did not hold them
    group: str = ""

    @property
    def best_rival(self) -> Line | None:
        """The fastest of what is not ours: another form of ours may stand beside it."""
        others = (line for line in self.lines if not line.name.startswith(OURS))
        return min(others, key=lambda line: line.seconds.median, default=None)


@dataclass(frozen=True)
class Summary:
    """How much faster ours is than the best rival of each row, over a group of rows."""

    group: str
    rows: int
    geometric_mean: float
    lowest: float
    lowest_row: str
    wins: int
    losses: int  # the others are even


def summarize(reports: Sequence[RowReport]) -> list[Summary]:
    """One for each group that has a name, in the order of its first row."""
    groups: dict[str, list[tuple[float, str, str]]] = {}
    for report in reports:
        best = report.best_rival
        if report.group and best is not None and best.speedup is not None:
            entry = best.speedup.median, report.name, best.verdict
            groups.setdefault(report.group, []).append(entry)
    return [
        Summary(
            group,
            len(found),
            statistics.geometric_mean(speedup for speedup, _, _ in found),
            *min(found)[:2],
            sum(verdict == "win" for _, _, verdict in found),
            sum(verdict == "loss" for _, _, verdict in found),
        )
        for group, found in groups.items()
    ]


@dataclass(frozen=True)
class AtLimit:
    """Seconds that a row's bytes take at the speed of the probes."""

    paired: list[float]  # of the same round
    best: float  # of the fastest round in this run: noise only ever makes a limit look lower


def at_limit(
    traffic: Traffic, elements: int, limits: Limits, samples: dict[str, Times]
) -> AtLimit | None:
    """None where the row fits in a cache, or needs an instruction, which no probe tells about."""
    first = next(iter(samples.values()))
    least = GPU_MEANINGLESS_BELOW if first.host else MEANINGLESS_BELOW
    if traffic.operations == 0 and traffic.total * elements < least:
        return None
    if not limits.best.keys() >= set(traffic.kinds):
        return None
    paired, best = [0.0] * len(first.seconds), 0.0
    for kind in traffic.kinds:
        wanted, probe = getattr(traffic, kind) * elements, limits.best[kind]
        each_takes = [seconds / probe.amount for seconds in samples[probe.name].seconds]
        paired = [sum_ + wanted * each for sum_, each in zip(paired, each_takes, strict=True)]
        best += wanted * min(*each_takes, 1e-9 / limits.fastest[kind])
    return AtLimit(paired, best)


def make_line(
    traffic: Traffic, elements: int, name: str, times: Times, ours: Sequence[float] | None,
    limit: AtLimit | None, error: float | None,
) -> Line:  # fmt: skip
    samples = times.seconds
    seconds = Spread.of(samples)
    paired = None if limit is None else Spread.of(ratios(limit.paired, samples)).median
    return Line(
        name=name,
        seconds=seconds,
        host_seconds=Spread.of(times.host) if times.host else None,
        ns_per_element=seconds.median / elements * 1e9,
        gb_per_s=traffic.total * elements / seconds.median / 1e9,
        gop_per_s=traffic.operations * elements / seconds.median / 1e9,
        limit_fraction=None if limit is None else limit.best / seconds.median,
        limit_fraction_paired=paired,
        speedup=None if ours is None else Spread.of(ratios(samples, ours)),
        worst_error=error,
        samples=list(samples),
    )


# --- where and when -------------------------------------------------------------------------------


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def cores() -> int:
    """Those that we may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git_revision() -> str:
    """The commit, with a mark if the checkout differs from it. HALFWORD_REVISION says it where
    there is no repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("HALFWORD_REVISION", "unknown")


def describe_machine(device: torch.device) -> dict[str, Any]:
    gpu = {"gpu": devices.describe(device)} if device.type == "cuda" else {}
    return {
        **gpu,
        "cpu": cpu_model(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "isa": _core.isa(),
        "torch_isa": torch.backends.cpu.get_cpu_capability(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "halfword": halfword.__version__,
        "build": dict(_core.build_info()),
        "git": git_revision(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


# --- output ---------------------------------------------------------------------------------------


def as_json(
    bench: str, machine: dict[str, Any], settings: dict[str, Any], limits: Limits,
    reports: Sequence[RowReport], failures: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    rows = []
    for report in reports:
        best, entry = report.best_rival, asdict(report)
        for line, plain in zip(report.lines, entry["lines"], strict=True):
            plain["verdict"] = line.verdict
        rows.append({**entry, "best_rival": best.name if best else None})
    chosen = {kind: probe.name for kind, probe in limits.best.items()}
    fastest = limits.fastest
    speeds = {name: asdict(speed) for name, speed in limits.speeds.items()}
    units = {kind: unit_of(kind) for kind in fastest}
    return {
        "bench": bench, "machine": machine, "settings": settings,
        "limits": {"best": chosen, "fastest": fastest, "speeds": speeds, "units": units},
        "rows": rows, "summary": [asdict(each) for each in summarize(reports)],
        "failures": failures,
    }  # fmt: skip


HEADINGS = ("side", "time", "quartiles", "ns/elem", "{rate}", "% limit", "ours is", "quartiles", "")


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def print_head(console: Console, machine: dict[str, Any], limits: Limits) -> None:
    if gpu := machine.get("gpu"):
        now = gpu["clocks_at_start"]
        console.print(
            f"{gpu['name']}, {gpu['memory_bytes'] / 2**30:.0f} GiB, CUDA {gpu['cuda']}, driver "
            f"{gpu['driver']}, limit {gpu['power_limit_w']} W, SM at {now['sm_mhz']} MHz, memory "
            f"at {now['memory_mhz']} MHz", highlight=False,
        )  # fmt: skip
    console.print(
        f"{machine['cpu']}, {machine['threads']} threads, load {machine['load_average']:.1f}, "
        f"{machine['isa']} kernels, torch {machine['torch']} ({machine['torch_isa']}), "
        f"git {machine['git']}", highlight=False,
    )  # fmt: skip
    for kind, probe in limits.best.items():
        speed = limits.speeds[probe.name]
        fastest = f"{limits.fastest[kind]:.1f} {unit_of(kind)}"
        console.print(f"limit, {kind}: {fastest} (quartiles {speed.low:.1f} to {speed.high:.1f}) "
                      f"by {probe.how}", highlight=False)  # fmt: skip


def print_row(console: Console, report: RowReport) -> None:
    moved = report.bytes_per_element
    operations = moved["int8"] + moved["bf16"] > 0
    each = " + ".join(f"{count:g} {kind}" for kind, count in moved.items() if count)
    size = f"{report.elements:,} elements in {report.tensors} tensors, {each} B each"
    if operations:
        size = f"{report.elements:,} multiplications"
    if report.tensors < report.tensors_wanted:
        size += f"; memory holds no more of the {report.tensors_wanted}"
    table = Table(title=f"{report.name}  ({size})", title_justify="left", title_style="bold")
    with_host = report.lines[0].host_seconds is not None
    for heading in (*HEADINGS[:2], *(["host"] if with_host else []), *HEADINGS[2:]):
        name = heading.format(rate="GOP/s" if operations else "GB/s")
        table.add_column(name, justify="left" if heading == "side" else "right", no_wrap=True)
    best = report.best_rival
    for line in report.lines:
        style = {"win": "green", "loss": "red"}.get(line.verdict, "") if line is best else ""
        table.add_row(line.name + (" *" if line is best else ""), *cells(line), style=style)
    console.print(table)
    for reason in report.absent:
        console.print(f"  without {reason}", highlight=False)


def print_summary(console: Console, summaries: Sequence[Summary]) -> None:
    table = Table(title="ours against the best rival of each row", title_justify="left")
    for heading in ("", "rows", "geometric mean", "wins", "losses", "lowest", "where"):
        table.add_column(heading, justify="left" if heading in ("", "where") else "right")
    for each in summaries:
        table.add_row(each.group, str(each.rows), f"{each.geometric_mean:.2f}x", str(each.wins),
                      str(each.losses), f"{each.lowest:.2f}x", each.lowest_row)  # fmt: skip
    if summaries:
        console.print(table)


def cells(line: Line) -> list[str]:
    """Of a table's row, after the name."""
    low, high = duration(line.seconds.low), duration(line.seconds.high)
    host = [] if line.host_seconds is None else [duration(line.host_seconds.median)]
    limit = "-" if line.limit_fraction is None else f"{line.limit_fraction:.0%}"
    versus = ("", "") if line.speedup is None else (
        f"{line.speedup.median:.2f}x", f"{line.speedup.low:.2f} to {line.speedup.high:.2f}"
    )  # fmt: skip
    return [
        duration(line.seconds.median), *host, f"{low} to {high}", f"{line.ns_per_element:.3f}",
        f"{line.gop_per_s or line.gb_per_s:.1f}", limit, *versus, line.verdict,
    ]  # fmt: skip
