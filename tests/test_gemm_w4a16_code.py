"""The machine code of the W4A16 kernels: sums stay in registers.

gcc can keep an array of sums on the stack, at half the speed, and no result tells.
"""

import re

from .machine_code import functions, inner_loops, needs_objdump, skip_if_stripped

KERNEL = re.compile(r"\b(tile|row)_of<.*\(halfword::W4A16Tile const&")
HEIGHTS = 6  # of tiles
STORE = re.compile(r"%[xyz]mm\d+,-?\w*\(%r[sb]p\)$")  # of a vector to the stack
SHIFT = "vpsrld"  # of nibbles: in the loop over columns, and not in what follows a group

pytestmark = needs_objdump


def test_sums_stay_in_registers():
    checked = 0
    for title, code in functions(KERNEL):
        for loop in inner_loops(code):
            if all(name != SHIFT for _, name, _ in loop):
                continue
            checked += 1
            for _, name, operands in loop:
                assert not STORE.search(operands), f"{title} {name} {operands}"
    skip_if_stripped(checked)
    # AVX2 once, AVX-512 and AVX512-BF16 with and without zero points; the latter's one row too.
    assert checked >= HEIGHTS * (1 + 2 + 2) + 2
