"""What a precision costs in loss: the same runs in each, ``python -m examples.byte_lm.precisions``.

A run takes minutes, and all of them an hour. Each is added to the JSON file when it is done; a run
that is there already is not repeated, so the command can be stopped and given again. At the end
all precisions take turns for a few steps, and these are timed.
"""

import argparse
import json
import math
import sys
from dataclasses import fields
from pathlib import Path
from statistics import fmean, median
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from .__main__ import SETTINGS
from .command import Parser, exit_status
from .config import Config, UserError, option
from .data import Corpus, load_corpus
from .progress import make_progress
from .report import ROOT, machine
from .train import Interruption, Run

KINDS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "int8": {"precision": "bf16", "int8": True},
    "int8-fp32": {"precision": "fp32", "int8": True},
}
UNTIMED_ROUNDS = 3  # pages and caches get ready
BASE = "fp32"  # what the others are compared with
COLOURS = dict(zip(KINDS, ("black", "tab:orange", "tab:green", "tab:blue", "tab:red"), strict=True))

Entry = dict[str, Any]


def train(config: Config, corpus: Corpus, kind: str, console: Console) -> Entry | None:
    """One run and what it found; None if it was interrupted."""
    run, stop = Run(config, corpus), Interruption()
    console.print(f"{kind}, seed {config.seed}", markup=False)
    progress = make_progress(
        console, console.quiet, config.steps, config.batch * config.accumulate * config.context
    )
    with stop, progress:
        while not run.finished and not stop.requested():
            run.train_step()
            progress.update(run.sides)
    if not run.finished:
        return None
    history = run.sides[0].history
    history.collect()
    nats = [(step, bits * math.log(2)) for step, bits in history.evaluations]
    return {
        "kind": kind,
        "seed": config.seed,
        "settings": run.settings(),
        "held_out_nats": [{"step": step, "nats": value} for step, value in nats],
        "final_nats": nats[-1][1],
        "machine": machine(config.torch_device),
    }


def time_steps(configs: dict[str, Config], corpus: Corpus, rounds: int) -> Entry:
    """What a step takes in each precision, from rounds in which each takes one. Whatever else the
    machine does in a round slows them all, so ratios are taken within a round."""
    runs = {kind: Run(config, corpus) for kind, config in configs.items()}
    for _ in range(UNTIMED_ROUNDS + rounds):
        for run in runs.values():
            run.train_step()
    seconds = {}
    for kind, run in runs.items():
        history = run.sides[0].history
        history.collect()
        steps = [sum(each) for each in zip(*history.times.values(), strict=True)]
        seconds[kind] = steps[UNTIMED_ROUNDS:]
    found = {}
    for kind, taken in seconds.items():
        found[kind] = {"median_s": median(taken)}
        if BASE in seconds:
            pairs = zip(seconds[BASE], taken, strict=True)
            found[kind]["speedup"] = median(base / own for base, own in pairs)
    first = next(iter(configs.values()))
    return {"rounds": rounds, "kinds": found, "machine": machine(first.torch_device)}


def is_of(entry: Entry, kind: str, config: Config, corpus: Corpus) -> bool:
    """Whether a run is this one: the settings and the text decide."""
    return bool(
        entry["kind"] == kind and entry["settings"] == config.plain() | {"text": corpus.sha256}
    )


def summarize(entries: list[Entry]) -> dict[str, Entry]:
    """Of each kind: final loss, and its gap to the base run of the same seed."""
    base = {entry["seed"]: entry["final_nats"] for entry in entries if entry["kind"] == BASE}
    summary = {}
    for kind in KINDS:
        runs = [entry for entry in entries if entry["kind"] == kind]
        gaps = [run["final_nats"] - base[run["seed"]] for run in runs if run["seed"] in base]
        if runs:
            summary[kind] = {
                "seeds": [run["seed"] for run in runs],
                "final_nats": fmean(run["final_nats"] for run in runs),
                "gaps": gaps,
                "mean_gap": fmean(gaps) if gaps else None,
            }
    return summary


def show(summary: dict[str, Entry], times: Entry, console: Console) -> None:
    """The summary as a table."""
    table = Table(title=f"held-out loss in nats per byte; gap: to {BASE}, seed by seed")
    for heading in ("", "runs", "loss", "mean gap", "gaps", "step", "speedup"):
        table.add_column(heading, justify="left" if not heading else "right")
    for kind, found in summary.items():
        mean = "" if found["mean_gap"] is None else f"{found['mean_gap']:+.4f}"
        gaps = " ".join(f"{gap:+.4f}" for gap in found["gaps"])
        timed = times["kinds"].get(kind, {})
        step = f"{1e3 * timed['median_s']:.1f} ms" if timed else ""
        speedup = f"{timed['speedup']:.2f}x" if "speedup" in timed else ""
        loss = f"{found['final_nats']:.4f}"
        table.add_row(kind, str(len(found["seeds"])), loss, mean, gaps, step, speedup)
    console.print(table)


def plot(path: Path, entries: list[Entry]) -> None:
    """Draw every run's held-out loss, and its gap to the base run of the same seed."""
    figure = Figure(figsize=(10, 4), layout="constrained")  # no pyplot: needs no display
    losses, gaps = figure.subplots(1, 2)
    base = {entry["seed"]: entry["held_out_nats"] for entry in entries if entry["kind"] == BASE}
    named = set()
    for entry in entries:
        kind, points = entry["kind"], entry["held_out_nats"]
        steps = [point["step"] for point in points]
        style = {"color": COLOURS[kind], "alpha": 0.7, "linewidth": 1}
        label = None if kind in named else kind
        named.add(kind)
        losses.plot(steps, [point["nats"] for point in points], label=label, **style)
        if kind != BASE and entry["seed"] in base:
            pairs = zip(points, base[entry["seed"]], strict=True)
            gaps.plot(steps, [ours["nats"] - theirs["nats"] for ours, theirs in pairs], **style)
    gaps.axhline(0, color=COLOURS[BASE], linewidth=1)
    losses.set(xlabel="optimizer step", ylabel="nats per byte", title="held-out loss")
    gaps.set(xlabel="optimizer step", title=f"the same, less that of {BASE}")
    losses.legend()
    figure.savefig(path, dpi=120)


def read(path: Path) -> list[Entry]:
    """The runs of a file, or none."""
    return list(json.loads(path.read_text())["runs"]) if path.exists() else []


def write(path: Path, entries: list[Entry], times: Entry | None = None) -> None:
    """The runs, their summary, and the times of steps."""
    found: Entry = {"bench": "byte-lm-precisions", "summary": summarize(entries)}
    if times is not None:
        found["step_times"] = times
    found["runs"] = entries
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def make_parser() -> Parser:
    """Which runs, and the settings they share."""
    parser = Parser(
        prog="python -m examples.byte_lm.precisions",
        description="Train the same model in several precisions, and compare held-out losses.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--precisions", nargs="+", choices=KINDS, default=["fp32", "bf16", "int8"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    out = ROOT / "bench" / "results" / "byte-lm-precisions.json"
    parser.add_argument("--out", type=Path, default=out, metavar="FILE", help="curves go beside it")
    parser.add_argument("--rounds", type=int, default=40, help="steps of each that are timed")
    parser.add_argument("--quiet", action="store_true", help="only say what is wrong")
    for field in fields(Config):
        if field.name not in ("precision", "int8", "seed", "compare"):
            parser.add_argument(option(field.name), default=field.default, **SETTINGS[field.name])
    return parser


def execute(args: argparse.Namespace) -> int:
    """Do the runs that are missing; returns the exit status."""
    console = Console(quiet=args.quiet, highlight=False, soft_wrap=True)
    shared = {f.name: getattr(args, f.name) for f in fields(Config) if hasattr(args, f.name)}
    if args.rounds < 1:
        raise UserError(f"--rounds must be a positive integer; got {args.rounds}")
    corpus = load_corpus(args.text, args.context)
    entries = read(args.out)
    for seed in args.seeds:
        for kind in args.precisions:
            config = Config(**shared, **KINDS[kind], seed=seed)
            if any(is_of(entry, kind, config, corpus) for entry in entries):
                continue
            found = train(config, corpus, kind, console)
            if found is None:
                console.print("stopped; the runs that were done are kept", markup=False)
                return 1
            old = [e for e in entries if (e["kind"], e["seed"]) != (kind, seed)]
            entries = [*old, found]
            write(args.out, entries)
    configs = {
        kind: Config(**shared, **KINDS[kind], seed=args.seeds[0]) for kind in args.precisions
    }
    times = time_steps(configs, corpus, args.rounds)
    write(args.out, entries, times)
    plot(args.out.with_suffix(".png"), entries)
    show(summarize(entries), times, console)
    return 0


def main(command: list[str] | None = None) -> int:
    """Run the command; mistakes of the user are one line on stderr and status 2."""
    return exit_status("byte_lm", lambda: execute(make_parser().parse_args(command)))


if __name__ == "__main__":
    sys.exit(main())
