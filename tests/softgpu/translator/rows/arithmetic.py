"""Integer arithmetic, and arithmetic with a carry (engine/integer.h)."""

from ..table import Row
from .types import INTEGERS, PAIRS, SHORT, SIGNED

FULL = INTEGERS + PAIRS
CARRIED = ("u32", "s32", "u64", "s64")

ROWS = [
    Row("add.type", "d, a, b", "add(a, b)", type=FULL),
    Row("add.sat.s32", "d, a, b", "add_saturating(a, b)"),
    Row("sub.type", "d, a, b", "subtract(a, b)", type=INTEGERS),
    Row("sub.sat.s32", "d, a, b", "subtract_saturating(a, b)"),
    Row("mul.lo.type", "d, a, b", "multiply(a, b)", type=INTEGERS),
    Row("mul.hi.type", "d, a, b", "multiply_high(a, b)", type=INTEGERS),
    Row("mul.wide.type", "d, a, b", "multiply_wide(a, b)", type=INTEGERS[:4]),
    Row("mad.lo.type", "d, a, b, c", "add(multiply(a, b), c)", type=INTEGERS),
    Row("mad.hi.type", "d, a, b, c", "add(multiply_high(a, b), c)", type=INTEGERS),
    Row("mad.hi.sat.s32", "d, a, b, c", "add_saturating(multiply_high(a, b), c)"),
    Row("mad.wide.type", "d, a, b, c:type.wide", "add(multiply_wide(a, b), c)", type=SHORT),
    Row("mul24.lo.type", "d, a, b", "multiply24(a, b)", type=("u32", "s32")),
    Row("mul24.hi.type", "d, a, b", "multiply24_high(a, b)", type=("u32", "s32")),
    Row("mad24.lo.type", "d, a, b, c", "add(multiply24(a, b), c)", type=("u32", "s32")),
    Row("mad24.hi.type", "d, a, b, c", "add(multiply24_high(a, b), c)", type=("u32", "s32")),
    Row("mad24.hi.sat.s32", "d, a, b, c", "add_saturating(multiply24_high(a, b), c)"),
    Row("sad.type", "d, a, b, c", "add_distance(a, b, c)", type=INTEGERS),
    Row("div.type", "d, a, b", "divide(a, b)", type=INTEGERS),
    Row("rem.type", "d, a, b", "remainder(a, b)", type=INTEGERS),
    Row("abs.type", "d, a", "absolute(a)", type=SIGNED),
    Row("neg.type", "d, a", "negate(a)", type=SIGNED),
    Row("min.type", "d, a, b", "minimum(a, b)", type=FULL),
    Row("max.type", "d, a, b", "maximum(a, b)", type=FULL),
    Row("min.relu.type", "d, a, b", "relu(minimum(a, b))", type=("s32", "s16x2")),
    Row("max.relu.type", "d, a, b", "relu(maximum(a, b))", type=("s32", "s16x2")),
    Row("dp4a.atype.btype", "d, a:atype, b:btype, c:s32", "dot4<atype, btype>(a, b, c)",
        atype=("u32", "s32"), btype=("u32", "s32")),
    Row("dp2a.half.atype.btype", "d, a:atype, b:btype, c:s32", "dot2<atype, btype, half>(a, b, c)",
        half=("lo", "hi"), atype=("u32", "s32"), btype=("u32", "s32")),
    # Arithmetic with a carry.
    Row("add.cc.type", "d, a, b", "add_with_carry<true>(a, b, false, carry)", type=CARRIED),
    Row("addc.type", "d, a, b", "add_with_carry<false>(a, b, carry, carry)", type=CARRIED),
    Row("addc.cc.type", "d, a, b", "add_with_carry<true>(a, b, carry, carry)", type=CARRIED),
    Row("sub.cc.type", "d, a, b", "subtract_with_borrow<true>(a, b, false, carry)", type=CARRIED),
    Row("subc.type", "d, a, b", "subtract_with_borrow<false>(a, b, carry, carry)", type=CARRIED),
    Row("subc.cc.type", "d, a, b", "subtract_with_borrow<true>(a, b, carry, carry)", type=CARRIED),
    Row("mad.lo.cc.type", "d, a, b, c", "add_with_carry<true>(multiply(a, b), c, false, carry)",
        type=CARRIED),
    Row("mad.hi.cc.type", "d, a, b, c",
        "add_with_carry<true>(multiply_high(a, b), c, false, carry)", type=CARRIED),
    Row("madc.lo.type", "d, a, b, c", "add_with_carry<false>(multiply(a, b), c, carry, carry)",
        type=CARRIED),
    Row("madc.hi.type", "d, a, b, c", "add_with_carry<false>(multiply_high(a, b), c, carry, carry)",
        type=CARRIED),
    Row("madc.lo.cc.type", "d, a, b, c", "add_with_carry<true>(multiply(a, b), c, carry, carry)",
        type=CARRIED),
    Row("madc.hi.cc.type", "d, a, b, c",
        "add_with_carry<true>(multiply_high(a, b), c, carry, carry)", type=CARRIED),
]  # fmt: skip
