"""What a benchmark found: numbers, a table of them, and JSON with the machine they hold for."""

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import halfword
from halfword import _core

from .problem import Row
from .timing import Limits, Spread, ratios

ROOT = Path(__file__).resolve().parents[1]
MEANINGLESS_BELOW = 2**25  # bytes in a step: it may never leave the cache


@dataclass(frozen=True)
class Line:
    """One side of a row."""

    name: str
    seconds: Spread
    ns_per_element: float
    gb_per_s: float  # of the row's bytes, whatever the side really moved
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

    @property
    def best_rival(self) -> Line | None:
        return min(self.lines[1:], key=lambda line: line.seconds.median, default=None)


@dataclass(frozen=True)
class AtLimit:
    """Seconds that a row's bytes take at the speed of the probes."""

    paired: list[float]  # of the same round
    best: float  # of the fastest round in this run: noise only ever makes a limit look lower


def at_limit(row: Row, limits: Limits, samples: dict[str, list[float]]) -> AtLimit | None:
    """None where the row fits in a cache, which no probe tells about."""
    if row.traffic.total * row.elements < MEANINGLESS_BELOW:
        return None
    rounds = len(next(iter(samples.values())))
    paired, best = [0.0] * rounds, 0.0
    for kind in row.traffic.kinds:
        wanted, probe = getattr(row.traffic, kind) * row.elements, limits.best[kind]
        per_byte = [seconds / probe.bytes for seconds in samples[probe.name]]
        paired = [sum_ + wanted * each for sum_, each in zip(paired, per_byte, strict=True)]
        best += wanted * min(*per_byte, 1e-9 / limits.fastest[kind])
    return AtLimit(paired, best)


def make_line(
    row: Row, name: str, samples: Sequence[float], ours: Sequence[float] | None,
    limit: AtLimit | None, error: float | None,
) -> Line:  # fmt: skip
    seconds = Spread.of(samples)
    paired = None if limit is None else Spread.of(ratios(limit.paired, samples)).median
    return Line(
        name=name,
        seconds=seconds,
        ns_per_element=seconds.median / row.elements * 1e9,
        gb_per_s=row.traffic.total * row.elements / seconds.median / 1e9,
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
    """The commit, with a mark if the checkout differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--match="]
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def describe_machine() -> dict[str, Any]:
    return {
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
    reports: Sequence[RowReport],
) -> dict[str, Any]:  # fmt: skip
    rows = []
    for report in reports:
        best, entry = report.best_rival, asdict(report)
        for line, plain in zip(report.lines, entry["lines"], strict=True):
            plain["verdict"] = line.verdict
        rows.append({**entry, "best_rival": best.name if best else None})
    chosen = {kind: probe.name for kind, probe in limits.best.items()}
    fastest = limits.fastest
    speeds = {name: asdict(speed) for name, speed in limits.gb_per_s.items()}
    return {
        "bench": bench, "machine": machine, "settings": settings,
        "limits": {"best": chosen, "fastest_gb_per_s": fastest, "gb_per_s": speeds}, "rows": rows,
    }  # fmt: skip


HEADINGS = (
    "side", "time", "quartiles", "ns/elem", "GB/s", "% limit", "ours is", "quartiles", "",
)  # fmt: skip


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def print_head(console: Console, machine: dict[str, Any], limits: Limits) -> None:
    console.print(
        f"{machine['cpu']}, {machine['threads']} threads, load {machine['load_average']:.1f}, "
        f"{machine['isa']} kernels, torch {machine['torch']} ({machine['torch_isa']}), "
        f"git {machine['git']}", highlight=False,
    )  # fmt: skip
    for kind, probe in limits.best.items():
        speed = limits.gb_per_s[probe.name]
        console.print(f"limit, {kind}: {limits.fastest[kind]:.1f} GB/s (quartiles {speed.low:.1f} "
                      f"to {speed.high:.1f}) by {probe.how}", highlight=False)  # fmt: skip


def print_row(console: Console, report: RowReport) -> None:
    moved = report.bytes_per_element
    each = " + ".join(f"{count:g} {kind}" for kind, count in moved.items() if count)
    size = f"{report.elements:,} elements in {report.tensors} tensors, {each} B each"
    table = Table(title=f"{report.name}  ({size})", title_justify="left", title_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "side" else "right", no_wrap=True)
    best = report.best_rival
    for line in report.lines:
        low, high = duration(line.seconds.low), duration(line.seconds.high)
        limit = "-" if line.limit_fraction is None else f"{line.limit_fraction:.0%}"
        versus = ("", "") if line.speedup is None else (
            f"{line.speedup.median:.2f}x", f"{line.speedup.low:.2f} to {line.speedup.high:.2f}"
        )  # fmt: skip
        style = {"win": "green", "loss": "red"}.get(line.verdict, "") if line is best else ""
        table.add_row(
            line.name + (" *" if line is best else ""), duration(line.seconds.median),
            f"{low} to {high}", f"{line.ns_per_element:.3f}", f"{line.gb_per_s:.1f}", limit,
            *versus, line.verdict, style=style,
        )  # fmt: skip
    console.print(table)
    for reason in report.absent:
        console.print(f"  without {reason}", highlight=False)
