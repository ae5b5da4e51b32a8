"""The product's CUDA library with a bug planted in one of its sources, and what then fails.

``python -m tests.softgpu.planted_product LIBRARY check ...`` runs those checks of MODULES on that
library under every adversary, and prints as JSON what each said: check, adversary, message; an
empty message where the check passed.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import torch

from . import (
    library,
    product,
    product_gemm,
    product_int4,
    product_quantize,
    product_w4a8,
    product_w4a16,
)
from .build import SOURCE, TREE, tool_environment
from .redirect import glue

ROOT = SOURCE.parents[1]
CSRC = ROOT / "csrc"
TARGET = "halfword_softgpu"
PATIENCE = 200_000  # switches without progress; the right kernels never need that many
SECONDS = 60  # a check takes less than one
# Those that have checks.
MODULES = (
    product, product_gemm, product_int4, product_quantize, product_w4a8, product_w4a16
)  # fmt: skip

RESULT, RACE, BOUNDS, ALIGNMENT = "result", "race", "bounds", "alignment"
HANG, CRASH, ERROR = "hang", "crash", "error"


class Planted(NamedTuple):
    """One text of a source that is replaced by another."""

    name: str
    what: str  # why that is a bug
    file: str  # under csrc/
    old: str  # occurs there once
    new: str
    caught_by: frozenset[str]  # at least
    through: str = ""  # for a header: the source under csrc/ that is compiled with it
    checks: tuple[str, ...] = tuple(check.__name__ for check in product.CHECKS)

    def __str__(self) -> str:
        return self.name

    def text(self) -> str:
        """The file with the bug."""
        text = (CSRC / self.file).read_text()
        found = text.count(self.old)
        assert found == 1, f"{self} no longer fits csrc/{self.file}: {found} places to plant it"
        return text.replace(self.old, self.new)


# Building.


def commands() -> list[str]:
    """What ninja would run to build the library, one shell command a step."""
    words = ["ninja", "-C", str(TREE), "-t", "commands", f"lib{TARGET}.so"]
    return _run(words).stdout.splitlines()


def build(bug: Planted, steps: list[str], folder: Path) -> Path:
    """The library with the bug: one source is compiled, the rest is the tree's. Returns its path.

    Args:
        steps: of :func:`commands`.
        folder: an empty one, for all that is made.
    """
    planted = folder / "csrc" / bug.file
    planted.parent.mkdir(parents=True)
    planted.write_text(bug.text())
    source = bug.through or bug.file
    elsewhere = _moved(source, folder)
    for step in [*_steps_of(source, steps), steps[-1]]:
        for old, new in elsewhere.items():
            step = step.replace(old, new)
        _run(["sh", "-c", step], cwd=TREE)
    return folder / f"lib{TARGET}.so"


def _moved(source: str, folder: Path) -> dict[str, str]:
    """Texts of the tree's commands and those that have them write to `folder` instead."""
    stem = Path(source).stem
    (folder / f"{stem}.keep").mkdir()
    moved = {  # in this order: the first of them holds the path of the source
        f"CMakeFiles/{TARGET}.dir{CSRC / source}.o": f"{folder}/{stem}.o",
        f"{TREE}/{TARGET}.dir/{stem}.": f"{folder}/{stem}.",
        f"{TARGET}.dir/{stem}.": f"{folder}/{stem}.",
        f"-o lib{TARGET}.so": f"-o {folder}/lib{TARGET}.so",
        f"-I{CSRC} ": f"-I{folder / 'csrc'} -I{CSRC} ",
    }
    if (folder / "csrc" / source).exists():
        moved[str(CSRC / source)] = str(folder / "csrc" / source)
    return moved


def _steps_of(source: str, steps: list[str]) -> list[str]:
    """The commands that make a source's objects, without cmake's bookkeeping."""
    stem = re.escape(Path(source).stem)
    wanted = rf"-c .*{re.escape(str(CSRC / source))}\b|{TARGET}\.dir/{stem}\.(keep|kernels)"
    return [_without_cmake(step) for step in steps[:-1] if re.search(wanted, step)]


def _without_cmake(step: str) -> str:
    parts = [part for part in step.split(" && ") if " -E " not in part]
    return " && ".join(parts).replace(
        " -O1 ", " -O0 "
    )  # of the translated kernels: quicker to build


def _run(command: list[str], **more) -> subprocess.CompletedProcess:
    environment = tool_environment()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


# Running.


def run(path: Path, checks: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Check, adversary and message of each check under every adversary."""
    module = f"{__package__}.{Path(__file__).stem}"
    command = [sys.executable, "-m", module, str(path), *checks]
    return [tuple(row) for row in json.loads(_run(command, cwd=ROOT).stdout)]


def kind_of(message: str) -> str:
    """Who speaks."""
    for words, kind in (
        ("data race", RACE),
        ("misaligned", ALIGNMENT),
        ("out of bounds", BOUNDS),
        ("deadlock|livelock|signal 14", HANG),
        (r"signal \d+", CRASH),
        (r"list \d+, tensor \d+: ", RESULT),
    ):
        if re.search(words, message):
            return kind
    return ERROR


def attempt(check: Callable[[], None], adversary: dict) -> str:
    """Run a check in a process of its own: what a failed one leaves behind must not show in the
    next. Returns the message, or nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(SECONDS)
        os.write(writer, _message_of(check, adversary).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        message = pipe.read()
    _, status = os.waitpid(child, 0)
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else message


def _message_of(check: Callable[[], None], adversary: dict) -> str:
    torch.manual_seed(0)
    try:
        with library.settings(**adversary, patience=PATIENCE):
            check()
    except BaseException as error:
        return "".join(traceback.format_exception_only(error)).splitlines()[0]
    return ""


def main() -> None:
    path, *names = sys.argv[1:]
    torch.set_num_threads(1)
    with (
        mock.patch.object(library, "build", return_value=TREE),
        mock.patch.object(library, "load", side_effect=lambda _: ctypes.CDLL(path)),
    ):
        library.runtime()
        glue()
    rows = [
        (check.__name__, name, attempt(check, adversary))
        for module in MODULES
        for check in module.CHECKS
        if check.__name__ in names
        for name, adversary in module.ADVERSARIES.items()
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
