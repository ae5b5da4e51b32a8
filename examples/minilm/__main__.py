"""Command line of the example: ``python -m examples.minilm --help``."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ..byte_lm.command import Parser, exit_status
from ..byte_lm.config import UserError
from .forms import BASE, FORMS, encode, linear_bytes, load_base, make, save
from .measure import agreement, take_turns
from .report import Found, machine, plot, table, write
from .sentences import Sentences, choose

DESCRIPTION = """Quantize a sentence encoder that nobody here trained, all-MiniLM-L6-v2, and say
what that does to its size, its embeddings and its speed."""


def make_parser() -> Parser:
    """Everything has a default."""
    parser = Parser(
        prog="python -m examples.minilm",
        description=DESCRIPTION,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--forms", nargs="+", choices=FORMS, default=list(FORMS), help=f"beside {BASE}"
    )
    parser.add_argument("--sentences", type=int, default=500, help="that are compared")
    parser.add_argument("--seed", type=int, default=0, help="decides which sentences")
    parser.add_argument("--rounds", type=int, default=5, help="of timing, a turn each")
    parser.add_argument("--timed", type=int, default=64, help="sentences that are timed, at most")
    parser.add_argument("--threads", type=int, help="of torch and halfword; all cores if not given")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/minilm"),
        metavar="DIR",
        help="for results.json, results.png and a safetensors file of each form",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="say nothing unless something is wrong"
    )
    return parser


def check(args: argparse.Namespace) -> None:
    """The rules that argparse does not know."""
    rules = {
        "sentences": (args.sentences >= 3, "be at least 3: two pairs make no order"),
        "rounds": (args.rounds > 0, "be a positive integer"),
        "timed": (args.timed > 0, "be a positive integer"),
        "threads": (args.threads is None or args.threads > 0, "be a positive integer"),
        "out": (not args.out.exists() or args.out.is_dir(), "be a folder"),
    }
    for name, (holds, rule) in rules.items():
        if not holds:
            raise UserError(f"--{name} must {rule}; got {getattr(args, name)}")


def make_folder(path: Path) -> None:
    """The folder of the results, if it is not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out must be a folder that can be made; {path}: {error}") from error


class Voice:
    """Says what is being done: on a terminal in one line, elsewhere in a line each."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status = console.status("") if console.is_terminal else None

    def __call__(self, text: str) -> None:
        if self.status is None:
            self.console.print(text, markup=False)
        else:
            self.status.update(text)


def compare(args: argparse.Namespace, base: Any, chosen: Sentences, say: Voice) -> dict[str, Found]:
    """Make every form, write it, and compare its embeddings; then all take turns."""
    names = [name for name in FORMS if name == BASE or name in args.forms]
    models, forms, reference = {}, {}, torch.empty(0)
    for number, name in enumerate(names, 1):
        say(f"{number}/{len(names)}  {name}")
        model = make(base, FORMS[name], chosen.calibration)
        path = args.out / f"{name}.safetensors"
        save(model, name, path)
        embeddings = encode(model, chosen.compared)
        if name == BASE:
            reference = embeddings
        forms[name] = {
            "recipe": repr(FORMS[name].recipe),
            "rest": str(FORMS[name].dtype).removeprefix("torch."),
            "file_bytes": path.stat().st_size,
            "linear_bytes": linear_bytes(model, base),
            **agreement(embeddings, reference),
        }
        models[name] = model
    for found in forms.values():
        for what in ("file", "linear"):
            found[f"{what}_ratio"] = found[f"{what}_bytes"] / forms[BASE][f"{what}_bytes"]
    speeds = take_turns(
        models,
        chosen.compared[: args.timed],
        args.rounds,
        lambda turn: say(f"timing, round {turn} of {args.rounds}"),
    )
    for name, speed in speeds.items():
        forms[name]["speed"] = speed
    return forms


def execute(args: argparse.Namespace) -> int:
    """Compare, then report; returns the exit status."""
    check(args)
    chosen = choose(args.sentences, args.seed)
    base = load_base()
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    make_folder(args.out)
    console = Console(quiet=args.quiet, highlight=False, soft_wrap=True)
    say = Voice(console)
    with say.status or nullcontext():
        forms = compare(args, base, chosen, say)
    results = {
        "bench": "minilm",
        "sentences": {
            "compared": len(chosen.compared),
            "calibration": len(chosen.calibration),
            "available": chosen.available,
            "seed": args.seed,
            "sha256": chosen.sha256,
            "timed": min(args.timed, len(chosen.compared)),
        },
        "parameters": sum(each.numel() for each in base.parameters()),
        "forms": forms,
        "machine": machine(),
    }
    write(args.out / "results.json", results)
    plot(args.out / "results.png", forms)
    console.print(table(forms))
    console.print(f"results, plot and the model in each form are in {args.out}", markup=False)
    return 0


def main(command: list[str] | None = None) -> int:
    """Run the command; mistakes of the user are one line on stderr and status 2."""
    return exit_status("minilm", lambda: execute(make_parser().parse_args(command)))


if __name__ == "__main__":
    sys.exit(main())
