"""What a run leaves behind: a JSON log, a PNG of the curves, and the tables on the screen."""

import datetime
import json
import math
import platform
import subprocess
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from matplotlib.figure import Figure
from rich.table import Table

import halfword

from .data import Corpus
from .side import PHASES, History, Side
from .train import Run

ROOT = Path(__file__).resolve().parents[2]
SMOOTHED_SHARE = 0.02  # of the run, averaged in the plot; the raw losses are in the log
COLOURS = {"halfword": "tab:blue", "torch": "tab:orange"}


def write_log(path: Path, run: Run, seconds: float, sample: str | None) -> None:
    """Write the run as one JSON object; a loss that is not finite becomes null."""
    log = {
        "config": run.settings(),
        "text": text_facts(run.corpus),
        "versions": versions(),
        "parameters": sum(p.numel() for p in run.sides[0].model.parameters()),
        "step": run.step,
        "finished": run.finished,
        "seconds_this_session": round(seconds, 3),
        "sides": {side.name: side_facts(side) for side in run.sides},
        "sample": sample,
    }
    path.write_text(json.dumps(finite(log), indent=1, allow_nan=False) + "\n")


def text_facts(corpus: Corpus) -> dict[str, Any]:
    """Size and statistics of the text."""
    return {
        "bytes": corpus.size,
        "sha256": corpus.sha256,
        "unigram_bits_per_byte": corpus.unigram_bits,
        "bigram_bits_per_byte": corpus.bigram_bits,
    }


def versions() -> dict[str, str]:
    """What ran: the numbers mean little without it."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "halfword": halfword.__version__,
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }


def machine(device: torch.device) -> dict[str, Any]:
    """Where and when something ran."""
    return {
        **versions(),
        "device": device.type,
        "git": git_revision(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def git_revision() -> str:
    """The commit that ran, marked if the tree was not that commit."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def side_facts(side: Side) -> dict[str, Any]:
    """Losses, evaluations and times of one side."""
    history = side.history
    return {
        "train_bits_per_byte": history.losses,
        "held_out_bits_per_byte": [
            {"step": step, "bits_per_byte": bits} for step, bits in history.evaluations
        ],
        "skipped_steps": side.skipped_steps(),
        "scale": side.scaler.get_scale(),
        "median_ms": {phase: 1e3 * median(history.times[phase] or [math.nan]) for phase in PHASES},
    }


def finite(value: Any) -> Any:
    """`value` with NaN and infinity replaced by None, which JSON can say."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plot(path: Path, run: Run) -> None:
    """Draw training and held-out curves of every side, with the entropies to beat."""
    figure = Figure(figsize=(8, 5), layout="constrained")  # no pyplot: needs no display
    axes = figure.subplots()
    for side, style in zip(run.sides, ("-", "--"), strict=False):
        colour, history = COLOURS[side.name], side.history
        axes.plot(
            range(1, len(history.losses) + 1),
            smooth(history.losses),
            style,
            color=colour,
            alpha=0.6,
            label=f"{side.name}, training (smoothed)",
        )
        steps = [step for step, _ in history.evaluations]
        bits = [bits for _, bits in history.evaluations]
        axes.plot(steps, bits, "o" + style, color=colour, label=f"{side.name}, held out")
    entropies = {"unigram": run.corpus.unigram_bits, "bigram": run.corpus.bigram_bits}
    for name, level in entropies.items():
        axes.axhline(level, color="grey", linestyle=":")
        axes.annotate(
            f"{name} entropy {level:.2f}",
            (1, level),
            (-4, 3),
            va="bottom",
            ha="right",
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color="grey",
        )
    axes.set(
        xlabel="optimizer step",
        ylabel="bits per byte",
        xlim=(0, run.config.steps),
        title=f"byte_lm, {run.config.arithmetic}, {run.config.torch_device.type}",
    )
    axes.legend()
    figure.savefig(path, dpi=120)


def smooth(losses: list[float]) -> list[float]:
    """Running mean with exponential forgetting, unbiased from the first step."""
    keep = 1 - 1 / max(1.0, SMOOTHED_SHARE * len(losses))
    result: list[float] = []
    total = weight = 0.0
    for loss in losses:
        total = keep * total + loss
        weight = keep * weight + 1
        result.append(total / weight)
    return result


def summary(run: Run) -> str:
    """The result in one line."""
    ours = run.sides[0]
    step, bits = ours.history.evaluations[-1]
    return (
        f"held-out text: {bits:.3f} bits per byte after {step} steps "
        f"(unigram {run.corpus.unigram_bits:.3f}, bigram {run.corpus.bigram_bits:.3f})"
    )


def comparison(ours: Side, theirs: Side) -> Table:
    """Losses and step times side by side; ratios are taken pair by pair, above 1 ours is faster."""
    table = Table(title=f"{ours.config.arithmetic} on {ours.config.torch_device.type}")
    table.add_column("")
    for heading in (ours.name, theirs.name, "torch / halfword", "middle half"):
        table.add_column(heading, justify="right", no_wrap=True)
    pairs = (ours.history, theirs.history)
    for label, values in loss_rows(*pairs):
        table.add_row(label, *(f"{value:.6f}" for value in values))
    table.add_row("largest difference", f"{largest_difference(*pairs):.2g}")
    table.add_row("skipped steps", str(ours.skipped_steps()), str(theirs.skipped_steps()))
    for label, times in time_rows(*pairs):
        middle = [f"{1e3 * median(values):.2f} ms" for values in times]
        table.add_row(label, *middle, *spread([b / a for a, b in zip(*times, strict=True)]))
    return table


def loss_rows(a: History, b: History) -> list[tuple[str, list[float]]]:
    """Losses worth comparing, in bits per byte."""
    rows = [
        ("first loss", [h.losses[0] for h in (a, b)]),
        ("last loss", [h.losses[-1] for h in (a, b)]),
    ]
    if a.evaluations and b.evaluations:
        rows.append(("held-out loss", [h.evaluations[-1][1] for h in (a, b)]))
    return rows


def largest_difference(a: History, b: History) -> float:
    """Over all steps, in bits per byte."""
    return max(abs(x - y) for x, y in zip(a.losses, b.losses, strict=True))


def time_rows(a: History, b: History) -> list[tuple[str, tuple[list[float], list[float]]]]:
    """Seconds of every step by phase, and of the whole step."""
    rows = [(phase.replace("_", " / "), (a.times[phase], b.times[phase])) for phase in PHASES]
    whole = [[sum(pair) for pair in zip(*h.times.values(), strict=True)] for h in (a, b)]
    return [*rows, ("whole step", (whole[0], whole[1]))]


def spread(values: list[float]) -> tuple[str, str]:
    """The median, and the range of the middle half."""
    low, middle, high = quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.2f}", f"{low:.2f} to {high:.2f}"
