"""The machine code of the CPU kernels, for tests of what a compiler must not do to them."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from halfword import _core

LIBRARY = Path(_core.__file__).with_name("libhalfword_cpu.so")
BUILDS = Path(__file__).resolve().parents[1] / "build"
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(?:\{\w+\} )?(\S+) *(.*)$")
VECTOR = re.compile(r"%[xyz]mm(\d+)")

needs_objdump = pytest.mark.skipif(
    shutil.which("objdump") is None or platform.machine() != "x86_64",
    reason="needs objdump and an x86-64 library",
)


def functions(kernel):
    """Name and instructions (address, name, operands) of every function that matches."""
    command = ["objdump", "-d", "-C", "--no-show-raw-insn", str(with_names())]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for block in text.split("\n\n"):
        title, _, body = block.strip().partition("\n")
        if kernel.search(title):
            found = [INSTRUCTION.match(line) for line in body.splitlines()]
            yield title, [(int(m[1], 16), m[2], m[3]) for m in found if m]


def with_names():
    """The library as it was linked, which has the names of its functions. The installed one may
    have lost them, and is known by its number."""
    wanted = build_id(LIBRARY)
    for path in BUILDS.glob("*/libhalfword_cpu.so"):
        if wanted and build_id(path) == wanted:
            return path
    return LIBRARY


def build_id(path):
    """The number that the linker gave a library, or None."""
    notes = subprocess.run(["objdump", "-s", "-j", ".note.gnu.build-id", str(path)],
                           capture_output=True, text=True)  # fmt: skip
    return notes.stdout.partition("Contents of")[2] if notes.returncode == 0 else None


def inner_loops(code):
    """The instructions of each loop that has no other in it."""
    place = {address: i for i, (address, _, _) in enumerate(code)}
    spans = []
    for i, (address, name, operands) in enumerate(code):
        target = operands.split(" ")[0]
        if name.startswith("j") and re.fullmatch("[0-9a-f]+", target):
            begin = int(target, 16)
            if begin < address and begin in place:
                spans.append((place[begin], i + 1))
    for begin, end in spans:
        if not any((b, e) != (begin, end) and begin <= b and e <= end for b, e in spans):
            yield code[begin:end]


def assert_in_registers(title, loop, sums):
    """No sum, given by the numbers of their registers, goes to the stack or comes from it."""
    for _, name, operands in loop:
        spilled = re.search(r"\(%r[sb]p", operands) and sums & set(VECTOR.findall(operands))
        assert not spilled, f"{title} {name} {operands}"


def skip_if_stripped(checked):
    if checked == 0:
        pytest.skip("this library is stripped")
