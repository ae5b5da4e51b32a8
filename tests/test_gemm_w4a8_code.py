"""The machine code of the W4A8 kernels: sums stay in registers.

gcc can keep an array of sums on the stack, at half the speed, and no result tells.
"""

import re

from .machine_code import (
    VECTOR,
    assert_in_registers,
    functions,
    inner_loops,
    needs_objdump,
    skip_if_stripped,
)

KERNEL = re.compile(r"\b(?:tile(?:_of<\d>)?|row_of<\d>)\(halfword::W4A8Tile const&")
HEIGHTS = 6  # of tiles

pytestmark = needs_objdump


def sums_of(loop):
    """The numbers of the vector registers that products are added to."""
    adds = {"vpdpbusd"} if any(name == "vpdpbusd" for _, name, _ in loop) else {"vpaddd"}
    if not any(name in ("vpdpbusd", "vpmaddubsw") for _, name, _ in loop):
        return set()
    return {VECTOR.findall(operands)[-1] for _, name, operands in loop if name in adds}


def test_sums_stay_in_registers():
    checked = 0
    for title, code in functions(KERNEL):
        for loop in inner_loops(code):
            sums = sums_of(loop)
            checked += bool(sums)
            assert_in_registers(title, loop, sums)
    skip_if_stripped(checked)
    # AVX2, AVX-VNNI in both encodings; AVX512-VNNI with a loop of its own for what is no block, and
    # for one row by one or two panels.
    assert checked >= 3 * HEIGHTS + 2 * (HEIGHTS - 1) + 2
