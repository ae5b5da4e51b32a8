"""Conversion between types (engine/convert.h)."""

from ..table import Row
from .types import FLOATS

INTEGERS = ("u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64")
SMALL = ("f16", "bf16")
ALL = (*INTEGERS, *FLOATS, *SMALL)
TO_INTEGER = ("rni", "rzi", "rmi", "rpi")
FP8 = ("e4m3x2", "e5m2x2")

ROWS = [
    Row("cvt{.sat}.dtype.type", "d, a", "convert_integer<dtype, sat>(a)",
        dtype=INTEGERS, type=INTEGERS),
    Row("cvt.rnd{.ftz}{.sat}.dtype.type", "d, a", "float_to_integer<dtype, rnd, ftz>(a)",
        dtype=INTEGERS, type=(*FLOATS, *SMALL), rnd=TO_INTEGER),
    Row("cvt.rnd{.sat}.dtype.type", "d, a", "integer_to_float<dtype, rnd, sat>(a)",
        dtype=(*FLOATS, *SMALL), type=INTEGERS),
    Row("cvt.rnd{.ftz}{.sat}.type.type2", "d, a", "round_to_integral<type, rnd, ftz, sat>(a)",
        type=FLOATS, type2=FLOATS, rnd=TO_INTEGER),
    Row("cvt.rnd{.ftz}{.sat}.type.type2", "d, a", "round_to_integral<type, rnd, ftz, sat>(a)",
        type=SMALL, type2=SMALL, rnd=TO_INTEGER),
    Row("cvt{.rnd}{.ftz}{.sat}.dtype.type", "d, a",
        "convert_float<dtype, rnd, ftz, sat, false>(a)",
        dtype=(*FLOATS, *SMALL), type=(*FLOATS, *SMALL)),
    Row("cvt.rnd{.relu}{.satfinite}.dtype.f32", "d, a",
        "convert_float<dtype, rnd, false, false, relu, satfinite>(a)", dtype=SMALL),
    Row("cvt.rnd{.relu}{.satfinite}.dtype.f32", "d, a, b",
        "convert_pair<dtype, rnd, relu, satfinite>(a, b)", dtype=("f16x2", "bf16x2")),
    Row("cvt.rnd{.relu}{.satfinite}.tf32.f32", "d, a", "convert_tf32<rnd, relu, satfinite>(a)",
        rnd=("rn", "rna", "rz")),
    Row("cvt.rn.satfinite{.relu}.dtype.f32", "d, a, b", "convert_pair<dtype, Rounding::kNearest, "
        "relu, true>(a, b)", dtype=FP8),
    Row("cvt.rn.satfinite{.relu}.dtype.f16x2", "d, a", "narrow_pair<dtype, relu>(a)", dtype=FP8),
    Row("cvt.rn{.relu}.f16x2.type", "d, a", "widen_pair<relu>(a)", type=FP8),
    Row("cvt.pack.sat.packed.s32", "d, a, b", "pack_saturated<packed>(a, b)",
        packed=("u16", "s16")),
    Row("cvt.pack.sat.packed.s32.b32", "d, a:s32, b:s32, c:b32", "pack_saturated<packed>(a, b, c)",
        packed=("u8", "s8", "u4", "s4", "u2", "s2")),
]  # fmt: skip
