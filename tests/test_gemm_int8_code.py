"""The machine code of the INT8 GEMM kernels: sums stay in registers, and so does b for all rows.

gcc can keep an array of sums on the stack, at half the speed, or read b again for each row, and no
result tells.
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

KERNEL = re.compile(r"\b(?:tile|dots)(?:_of<\d, \d>|_of<\d>)?\(halfword::Gemm(?:Tile|Dots) const&")

pytestmark = needs_objdump


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
    for title, code in functions(KERNEL):
        for loop in inner_loops(code):
            sums = sums_of(loop)
            checked += bool(sums)
            assert_in_registers(title, loop, sums)
    skip_if_stripped(checked)
    # AVX512-VNNI: 6 heights by 4 widths, and 6 dots. Each of the three others: 6 heights, 2 dots.
    assert checked >= 24 + 6 + 3 * (6 + 2)


def test_b_is_read_once_for_three_rows_and_more():
    checked = 0
    for title, code in functions(re.compile(r"tile_of<\d, \d>\(halfword::GemmTile const&")):
        rows = int(re.search(r"<(\d), ", title)[1])
        for loop in inner_loops(code):
            vectors = [operands.split(",")[0] for _, name, operands in loop if "vmovdq" in name]
            products = sum(name == "vpdpbusd" for _, name, _ in loop)
            reads = sum("(" in source for source in vectors)
            if products and rows >= 3:
                assert reads * rows == products, title
                checked += 1
    skip_if_stripped(checked)
    assert checked >= 4 * 4
