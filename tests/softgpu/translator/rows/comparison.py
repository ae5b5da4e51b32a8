"""Comparison and selection (engine/comparison.h)."""

from ..table import Row
from .types import BITS, FLOATS, INTEGERS

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs",
               "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")  # fmt: skip
LOGIC = ("and", "or", "xor")
SCALARS = BITS + INTEGERS + FLOATS
WITH_HALVES = (*SCALARS, "f16", "bf16")
RESULTS = ("u32", "s32", "f32")

ROWS = [
    Row("setp.cmp{.ftz}.type", "d|d2, a, b",
        "d = compare<cmp, ftz>(a, b); d2 = !compare<cmp, ftz>(a, b)",
        cmp=COMPARISONS, type=WITH_HALVES),
    Row("setp.cmp.op{.ftz}.type", "d|d2, a, b, c:pred",
        "{ const bool r = compare<cmp, ftz>(a, b), q = c; d = combine<op>(r, q); "
        "d2 = combine<op>(!r, q); }",
        cmp=COMPARISONS, op=LOGIC, type=WITH_HALVES),
    Row("setp.cmp{.ftz}.type", "d|d2, a, b",
        "{ const auto r = compare_both<cmp, ftz>(a, b); d = r.e[0]; d2 = r.e[1]; }",
        cmp=COMPARISONS, type=("f16x2", "bf16x2")),
    Row("setp.cmp.op{.ftz}.type", "d|d2, a, b, c:pred",
        "{ const auto r = compare_both<cmp, ftz>(a, b); const bool q = c; "
        "d = combine<op>(r.e[0], q); d2 = combine<op>(r.e[1], q); }",
        cmp=COMPARISONS, op=LOGIC, type=("f16x2", "bf16x2")),
    Row("set.cmp{.ftz}.dtype.type", "d, a, b", "set_if<dtype>(compare<cmp, ftz>(a, b))",
        cmp=COMPARISONS, dtype=RESULTS, type=SCALARS),
    Row("set.cmp.op{.ftz}.dtype.type", "d, a, b, c:pred",
        "set_if<dtype>(combine<op>(compare<cmp, ftz>(a, b), c))",
        cmp=COMPARISONS, op=LOGIC, dtype=RESULTS, type=SCALARS),
    Row("set.cmp{.ftz}.dtype.type", "d, a, b", "set_if<dtype>(compare<cmp, ftz>(a, b))",
        cmp=COMPARISONS, dtype=("f16", "bf16", "u16", "s16", "u32", "s32"), type=("f16", "bf16")),
    Row("set.cmp{.ftz}.dtype.type", "d, a, b", "set_both<dtype>(compare_both<cmp, ftz>(a, b))",
        cmp=COMPARISONS, dtype=("f16x2", "bf16x2", "u32", "s32"), type=("f16x2", "bf16x2")),
    Row("selp.type", "d, a, b, c:pred", "(c ? a : b)", type=SCALARS),
    Row("slct.type.s32", "d, a, b, c:s32", "(c >= 0 ? a : b)", type=SCALARS),
    Row("slct{.ftz}.type.f32", "d, a, b, c:f32", "(flush<ftz>(c) >= 0 ? a : b)", type=SCALARS),
]  # fmt: skip
