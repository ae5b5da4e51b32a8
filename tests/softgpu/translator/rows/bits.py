"""Bits: counting, fields, logic, shifts and permutations (engine/integer.h)."""

from ..table import Row
from .types import BITS, INTEGERS, WORDS

FIELDS = ("u32", "s32", "u64", "s64")
WRAP = ("wrap", "clamp")  # what a width or a shift past 32 does

ROWS = [
    Row("popc.type", "d, a", "uint32_t(std::popcount(a))", type=WORDS),
    Row("clz.type", "d, a", "uint32_t(std::countl_zero(a))", type=WORDS),
    Row("brev.type", "d, a", "reverse_bits(a)", type=WORDS),
    Row("bfind.type", "d, a", "find_leading_bit(a)", type=FIELDS),
    Row("bfind.shiftamt.type", "d, a", "leading_bit_shift(a)", type=FIELDS),
    Row("fns.b32", "d, mask, base:u32, offset:s32", "find_nth_set(mask, base, offset)"),
    Row("bfe.type", "d, a, b:u32, c:u32", "extract_field(a, b, c)", type=FIELDS),
    Row("bfi.type", "d, a, b, c:u32, e:u32", "insert_field(a, b, c, e)", type=WORDS),
    Row("szext.mode.type", "d, a, b:u32", "extend_sign<mode>(a, b)",
        type=("u32", "s32"), mode=WRAP),
    Row("bmsk.mode.b32", "d, a:u32, b:u32", "bit_mask<mode>(a, b)", mode=WRAP),
    # Logic and shifts. A shift by more than the width gives 0, or copies of the sign.
    Row("and.type", "d, a, b", "type(a & b)", type=BITS),
    Row("or.type", "d, a, b", "type(a | b)", type=BITS),
    Row("xor.type", "d, a, b", "type(a ^ b)", type=BITS),
    Row("not.type", "d, a", "type(~a)", type=BITS),
    Row("and.pred", "d, a, b", "(a && b)"),
    Row("or.pred", "d, a, b", "(a || b)"),
    Row("xor.pred", "d, a, b", "(a != b)"),
    Row("not.pred", "d, a", "(!a)"),
    Row("cnot.type", "d, a", "type(a == 0)", type=BITS),
    Row("lop3.b32", "d, a, b, c, #table", "look_up<table>(a, b, c)", {"table": range(256)}),
    Row("lop3.op.b32", "d|d2, a, b, c, #table, q:pred",
        "d2 = look_up_predicate<op>(look_up<table>(a, b, c), q); d = look_up<table>(a, b, c)",
        {"table": range(256)}, op=("and", "or")),
    Row("shl.type", "d, a, b:u32", "shift_left(a, b)", type=BITS),
    Row("shr.type", "d, a, b:u32", "shift_right(a, b)", type=BITS + INTEGERS),
    Row("shf.l.mode.b32", "d, a, b, c:u32", "funnel_left<mode>(a, b, c)", mode=WRAP),
    Row("shf.r.mode.b32", "d, a, b, c:u32", "funnel_right<mode>(a, b, c)", mode=WRAP),
    Row("prmt.b32", "d, a, b, c", "permute_bytes(a, b, c)"),
    Row("prmt.b32.special", "d, a, b, c", "permute_bytes<special>(a, b, c)",
        special=("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")),
]  # fmt: skip
