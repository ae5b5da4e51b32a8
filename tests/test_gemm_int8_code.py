"""The machine code of the INT8 GEMM kernels: sums stay in registers.

gcc can keep an array of sums on the stack, at half the speed, and no result tells.
"""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from halfword import _core

LIBRARY = Path(_core.__file__).with_name("libhalfword_cpu.so")
KERNEL = re.compile(r"\b(?:tile|dots)(?:_of<\d, \d>|_of<\d>)?\(halfword::Gemm(?:Tile|Dots) const&")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(?:\{\w+\} )?(\S+) *(.*)$")
VECTOR = re.compile(r"%[xyz]mm(\d+)")

pytestmark = pytest.mark.skipif(
    shutil.which("objdump") is None or platform.machine() != "x86_64",
    reason="needs objdump and an x86-64 library",
)


def functions():
    """Name and instructions (address, name, operands) of every tile and dots function."""
    command = ["objdump", "-d", "-C", "--no-show-raw-insn", str(LIBRARY)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for block in text.split("\n\n"):
        title, _, body = block.strip().partition("\n")
        if KERNEL.search(title):
            found = [INSTRUCTION.match(line) for line in body.splitlines()]
            yield title, [(int(m[1], 16), m[2], m[3]) for m in found if m]


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


def sums_of(loop):
    """The numbers of the vector registers that products are added to."""
    if any(name == "vpdpbusd" for _, name, _ in loop):
        adds = "vpdpbusd"
    elif any(name == "vpmaddwd" for _, name, _ in loop):
        adds = "vpaddd"
    else:
        return set()
    return {VECTOR.findall(operands)[-1] for _, name, operands in loop if name == adds}


def test_sums_stay_in_registers():
    checked = 0
    for title, code in functions():
        for loop in inner_loops(code):
            sums = sums_of(loop)
            checked += bool(sums)
            for _, name, operands in loop:
                spilled = re.search(r"\(%r[sb]p", operands) and sums & set(VECTOR.findall(operands))
                assert not spilled, f"{title} {name} {operands}"
    if checked == 0:
        pytest.skip("this library is stripped")
    # AVX512-VNNI: 6 heights by 4 widths, and 6 dots. Each of the three others: 6 heights, 2 dots.
    assert checked >= 24 + 6 + 3 * (6 + 2)
