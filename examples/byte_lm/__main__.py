"""Command line of the example: ``python -m examples.byte_lm --help``."""

import argparse
import shlex
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from .command import EXIT_STOPPED, Parser, exit_status
from .config import DEVICES, PRECISIONS, Config, UserError, option
from .data import load_corpus
from .progress import make_progress
from .quantized import FORMS, compare_forms, show_texts, table
from .report import comparison, plot, summary, write_log
from .sample import generate, printable
from .train import Interruption, Run, train

DESCRIPTION = """Train a byte-level GPT on Python's own standard library, or on any file."""
PRECISION_HELP = """type of the linear layers and their gradients; 16-bit ones get FP32 masters in
the optimizer. bf16 is the fastest on a CPU with AVX512-BF16. fp16 adds loss scaling; most CPUs
multiply it slowly, so there the products are widened to fp32 and nothing is gained over fp32"""
INT8_HELP = """products of the linear layers in INT8, forward and backward; what goes in and comes
out has the type of --precision"""
SETTINGS: dict[str, dict[str, Any]] = {
    "text": {"type": Path, "metavar": "FILE", "help": "train on this file instead"},
    "precision": {"metavar": "|".join(PRECISIONS), "help": PRECISION_HELP},
    "int8": {"action": "store_true", "help": INT8_HELP},
    "device": {"metavar": "|".join(DEVICES), "help": "auto takes CUDA if there is one"},
    "compare": {
        "action": "store_true",
        "help": "train torch's AdamW and GradScaler beside ours, step by step",
    },
    "seed": {"type": int, "help": "of the weights and of the order of the text"},
    "steps": {"type": int, "help": "optimizer steps"},
    "batch": {"type": int, "help": "windows of text in a backward pass"},
    "accumulate": {"type": int, "help": "backward passes in a step"},
    "layers": {"type": int, "help": "transformer blocks"},
    "width": {"type": int, "help": "of the residual stream"},
    "heads": {"type": int, "help": "attention heads"},
    "context": {"type": int, "help": "bytes seen at once"},
    "ngram": {"type": int, "help": "last bytes read directly by the input embedding"},
    "lr": {"type": float, "help": "peak learning rate, cosine afterwards"},
    "warmup": {"type": int, "help": "steps of linear warmup"},
    "weight_decay": {"type": float, "help": "of AdamW"},
    "beta2": {"type": float, "help": "of AdamW"},
    "max_grad_norm": {"type": float, "help": "clip the global gradient norm to this"},
}


def make_parser() -> Parser:
    """Settings of the run first, then what has no influence on its numbers."""
    parser = Parser(
        prog="python -m examples.byte_lm",
        description=DESCRIPTION,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    run = parser.add_argument_group("the run", "a checkpoint resumes only under the same settings")
    for field in fields(Config):
        run.add_argument(option(field.name), default=field.default, **SETTINGS[field.name])
    other = parser.add_argument_group("around it")
    other.add_argument(
        "--out",
        type=Path,
        default=Path("runs/byte_lm"),
        metavar="DIR",
        help="for checkpoint.pt, log.json, loss.png and what --quantize writes",
    )
    other.add_argument("--resume", action="store_true", help="continue from DIR/checkpoint.pt")
    other.add_argument("--save-every", type=int, default=500, help="steps between checkpoints")
    other.add_argument("--minutes", type=float, help="save and stop after this long")
    other.add_argument("--prompt", default="def ", help="the sample begins with it")
    other.add_argument("--sample-bytes", type=int, default=400, help="length of the sample")
    other.add_argument(
        "--temperature", type=float, default=0.7, help="of the sample; 0 takes the most likely byte"
    )
    other.add_argument(
        "--quantize",
        nargs="+",
        choices=FORMS,
        default=[],
        metavar="|".join(FORMS),
        help="afterwards, compare the model with these forms of it: bits per byte, size, speed",
    )
    other.add_argument("--quiet", action="store_true", help="say nothing unless something is wrong")
    return parser


def check_other(args: argparse.Namespace) -> None:
    """The rules of the options that are not part of the configuration."""
    rules = {
        "save_every": (args.save_every > 0, "be a positive integer"),
        "minutes": (args.minutes is None or args.minutes > 0, "be positive"),
        "prompt": (args.prompt != "", "not be empty"),
        "sample_bytes": (args.sample_bytes >= 0, "not be negative"),
        "temperature": (0 <= args.temperature < float("inf"), "be finite and not negative"),
        "out": (not args.out.exists() or args.out.is_dir(), "be a folder"),
    }
    for name, (holds, rule) in rules.items():
        if not holds:
            raise UserError(f"{option(name)} must {rule}; got {getattr(args, name)!s}")


def execute(args: argparse.Namespace, command: list[str]) -> int:
    """Train, then report; returns the exit status."""
    check_other(args)
    config = Config(**{field.name: getattr(args, field.name) for field in fields(Config)})
    console = Console(quiet=args.quiet, highlight=False, soft_wrap=True)
    run = Run(config, load_corpus(config.text, config.context))
    checkpoint = args.out / "checkpoint.pt"
    if args.resume:
        run.resume(checkpoint)
        console.print(f"resumed at step {run.step}", markup=False)
    elif checkpoint.exists():
        console.print(f"{checkpoint} will be replaced (--resume would continue it)", markup=False)
    started = time.monotonic()
    stop = Interruption(args.minutes)
    progress = make_progress(
        console, args.quiet, config.steps, config.batch * config.accumulate * config.context
    )
    finished = train(run, checkpoint, args.save_every, progress, stop)
    sample = write_sample(run, args, console) if finished else None
    write_log(args.out / "log.json", run, time.monotonic() - started, sample)
    plot(args.out / "loss.png", run)
    if not finished:
        again = shlex.join([*command, *([] if args.resume else ["--resume"])])
        print(
            f"{stop.reason} after step {run.step}; saved {checkpoint}\nto continue:  "
            f"python -m examples.byte_lm {again}",
            file=sys.stderr,
        )
        return EXIT_STOPPED
    show_results(run, args.out, console)
    if args.quantize:
        show_forms(run, args, console)
    return 0


def write_sample(run: Run, args: argparse.Namespace, console: Console) -> str:
    """Generate text and print it."""
    text = generate(run.sides[0], args.prompt, args.sample_bytes, args.temperature, run.config.seed)
    console.rule("sample")
    console.out(printable(text), highlight=False)
    console.rule()
    return printable(text)


def show_results(run: Run, out: Path, console: Console) -> None:
    """Print the table and the line that matter, and where the files are."""
    if run.config.compare:
        console.print(comparison(*run.sides))
    console.print(summary(run), markup=False)
    console.print(f"log, curves and checkpoint are in {out}", markup=False)


def show_forms(run: Run, args: argparse.Namespace, console: Console) -> None:
    """Compare the forms of the trained model that were asked for."""
    forms = list(dict.fromkeys(args.quantize))
    result = compare_forms(run, forms, args.prompt, args.sample_bytes, args.out, console)
    show_texts(result, console)
    console.print(table(result))


def main(command: list[str] | None = None) -> int:
    """Run the command; mistakes of the user are one line on stderr and status 2."""
    command = sys.argv[1:] if command is None else command
    return exit_status(
        "byte_lm",
        lambda: execute(make_parser().parse_args(command), command),
        interrupted="interrupted; the last checkpoint is as it was",
    )


if __name__ == "__main__":
    sys.exit(main())
