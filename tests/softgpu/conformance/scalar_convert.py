"""Comparison, selection, conversion and moves."""

from . import scalar_reference as exact
from .scalar_case import cases

INTEGERS = ("u16", "s16", "u32", "s32", "u64", "s64")
BITS = ("b16", "b32", "b64")
FLOATS = ("f32", "f64")
SMALL = ("f16", "bf16")
ANY_INTEGER = ("u8", "s8", *INTEGERS)
MODES = ("rn", "rz", "rm", "rp")
TO_INTEGER = ("rni", "rzi", "rmi", "rpi")
ORDERED = ("eq", "ne", "lt", "le", "gt", "ge")
UNORDERED = ("equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")
UNSIGNED = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
LOGIC = ("and", "or", "xor")
FTZ = ("", ".ftz")
# Half way between two numbers of the narrower type, and one step to either side.
INTEGER_TIES = tuple(
    (kept << 1 | 1) * 2**shift + step
    for kept, shift in ((0x80, 53), (0x81, 53), (0x800000, 38), (0x800001, 38))
    for step in (-1, 0, 1)
)
FLOAT_TIES = tuple(
    (0x3F800000 | kept << 13 | 1 << 12) + step for kept in range(4) for step in (-1, 0, 1)
)


def holds(case, a, b):
    name = case.values["c"]
    if case.operands[0] in ANY_INTEGER + BITS:
        return exact.COMPARISONS[UNSIGNED.get(name, name)](a, b)
    return exact.compare(name, a, b)


def combined(case, a, b):
    return {"and": a and b, "or": a or b, "xor": a != b}[case.values["o"]]


def holds_both(case, a, b):
    return tuple(exact.compare(case.values["c"], x, y) for x, y in zip(a, b, strict=True))


def ones(case, a, b):
    return -int(holds(case, a, b))


def limits(type_):
    width, signed = int(type_[1:]), type_[0] == "s"
    return (-(2 ** (width - 1)) if signed else 0), 2 ** (width - signed) - 1


def clamped(case, a):
    least, most = limits(case.values["d"])
    return max(least, min(most, a))


def integer_of(case, a):
    """NaN gives 0, or the highest bit alone in 64 bits from FP32 and FP64."""
    least, most = limits(case.values["d"])
    wide = case.values["d"] in ("u64", "s64") and case.operands[0] in FLOATS
    return exact.to_integer(a, case.mode, least, most, 2**63 if wide else 0)


def as_exact(_, a):
    return exact.from_rational(a)


def same(_, a):
    return a


def packed(case, a, b, c=0):
    type_ = case.values["d"]
    least, most = limits(type_)
    width = int(type_[1:])
    first, second = ((max(least, min(most, x))) & (1 << width) - 1 for x in (a, b))
    return c << 2 * width | first << width | second


def parts(a, count, width):
    return tuple(a >> width * i & (1 << width) - 1 for i in range(count))


COMPARED = [
    *cases("setp.{c}.{t}", "pred pred", "{t} {t}", lambda k, a, b: (holds(k, a, b),
           not holds(k, a, b)), c=ORDERED, t=(*INTEGERS, *FLOATS)),
    *cases("setp.{c}.{t}", "pred", "{t} {t}", holds, c=("eq", "ne"), t=BITS),
    *cases("setp.{c}.f16", "pred", "f16 f16", holds, c=ORDERED + UNORDERED),
    *cases("setp.{c}.bf16", "pred", "bf16 bf16", holds, c=("eq", "lt", "geu", "nan"), arch=90),
    *cases("setp.{c}.{t}", "pred", "{t} {t}", holds, c=tuple(UNSIGNED), t=("u16", "u32", "u64")),
    *cases("setp.{c}.{t}", "pred", "{t} {t}", holds, c=UNORDERED, t=FLOATS),
    *cases("setp.{c}.ftz.f32", "pred", "f32 f32", holds, c=("lt", "equ")),
    *cases("setp.{c}.{o}.{t}", "pred pred", "{t} {t} pred",
           lambda k, a, b, q: (combined(k, holds(k, a, b), q), combined(k, not holds(k, a, b), q)),
           c=("lt", "ne"), o=LOGIC, t=("s32", "f32")),
    *cases("setp.{c}.{o}.f16", "pred", "f16 f16 pred",
           lambda k, a, b, q: combined(k, holds(k, a, b), q), c=("lt",), o=LOGIC),
    *cases("setp.{c}.{t}", "pred pred", "{t} {t}", holds_both,
           c=("eq", "lt", "geu", "nan"), t=("f16x2", "bf16x2"), arch=90),
    *cases("setp.{c}.{o}.f16x2", "pred pred", "f16x2 f16x2 pred",
           lambda k, a, b, q: tuple(combined(k, h, q) for h in holds_both(k, a, b)),
           c=("lt",), o=LOGIC),
    *cases("set.{c}.{d}.{t}", "{d}", "{t} {t}", ones, c=("lt", "eq"), d=("u32", "s32"),
           t=("s16", "u32", "s64", "f32", "f64")),
    *cases("set.{c}.f32.{t}", "f32", "{t} {t}", lambda k, a, b: exact.from_rational(
           int(holds(k, a, b))), c=("lt", "ge"), t=("s32", "f32")),
    *cases("set.{c}.{o}.u32.{t}", "u32", "{t} {t} pred",
           lambda k, a, b, q: -int(combined(k, holds(k, a, b), q)), c=("gt",), o=LOGIC,
           t=("s32", "f32")),
    *cases("set.{c}.f16.f16", "f16", "f16 f16", lambda k, a, b: exact.from_rational(
           int(holds(k, a, b))), c=("lt", "neu")),
    *cases("set.{c}.f16x2.f16x2", "f16x2", "f16x2 f16x2", lambda k, a, b: exact.from_rational(
           int(exact.compare(k.values["c"], a, b))), c=("lt", "neu")),
    *cases("selp.{t}", "{t}", "{t} {t} pred", lambda _, a, b, p: a if p else b,
           t=(*INTEGERS, *BITS, *FLOATS)),
    *cases("slct.{t}.s32", "{t}", "{t} {t} s32", lambda _, a, b, c: a if c >= 0 else b,
           t=("u32", "s64", "f32")),
    *cases("slct{z}.{t}.f32", "{t}", "{t} {t} f32",
           lambda _, a, b, c: a if c is not exact.NAN and c[0] * c[1] >= 0 else b,
           z=FTZ, t=("u32", "b64")),
]  # fmt: skip

CONVERTED = [
    *cases("cvt.{d}.{t}", "{d}", "{t}", same, d=ANY_INTEGER, t=ANY_INTEGER),
    *cases("cvt.sat.{d}.{t}", "{d}", "{t}", clamped, d=("u8", "s8", "s16", "u32"),
           t=("s32", "u64", "s64")),
    *cases("cvt.{m}.{d}.{t}", "{d}", "{t}", integer_of, m=TO_INTEGER, t=(*FLOATS, "f16"),
           d=("s32", "u32", "s64", "u64", "u16")),
    *cases("cvt.{m}.{d}.bf16", "{d}", "bf16", integer_of, m=TO_INTEGER, d=("s32", "u64"), arch=90),
    *cases("cvt.rzi.{d}.{t}", "{d}", "{t}", integer_of, t=("f32", "f16"), d=("s8", "u8", "s16")),
    *cases("cvt.rni.ftz.s32.f32", "s32", "f32", lambda _, a: exact.to_integer(
           a, "rn", -(2**31), 2**31 - 1, 0)),
    *cases("cvt.{m}.{d}.{t}", "{d}", "{t}", as_exact, m=MODES, d=("f32", "f64", "f16"),
           t=("s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64")),
    *cases("cvt.rn.bf16.{t}", "bf16", "{t}", as_exact, t=("s16", "u16", "s32", "u32", "s64", "u64"),
           arch=90),
    *cases("cvt.rn.{d}.{t} near ties", "{d}", "{t}", as_exact, d=("f32", "bf16"), t=("s64", "u64"),
           arch=90, operand_values=(INTEGER_TIES,), text="cvt.rn.{d}.{t} %0, %1;"),
    *cases("cvt.rn.sat.f32.s32", "f32", "s32", as_exact),
    *cases("cvt.{m}{z}.f32.f32", "f32", "f32", lambda k, a: exact.integral(a, k.mode),
           m=TO_INTEGER, z=FTZ),
    *cases("cvt.{m}.{t}.{t}", "{t}", "{t}", lambda k, a: exact.integral(a, k.mode),
           m=TO_INTEGER, t=("f64", "f16")),
    *cases("cvt.{m}{z}.f32.f64", "f32", "f64", same, m=MODES, z=FTZ),
    *cases("cvt{s}.f64.f32", "f64", "f32", same, s=("", ".ftz")),
    *cases("cvt.sat.f32.f32", "f32", "f32", same),
    *cases("cvt.f32.f16", "f32", "f16", same),
    *cases("cvt.f64.f16", "f64", "f16", same),
    *cases("cvt.f32.bf16", "f32", "bf16", same, arch=90),
    *cases("cvt.{m}.f16.{t}", "f16", "{t}", same, m=MODES, t=FLOATS),
    *cases("cvt.rn.sat.f16.f32", "f16", "f32", same),
    *cases("cvt.{m}{r}.bf16.f32", "bf16", "f32", same, m=("rn", "rz"), r=("", ".relu")),
    *cases("cvt.rn.relu.f16.f32", "f16", "f32", same),
    *cases("cvt.{m}{r}.{t}.f32", "{t}", "f32 f32", lambda _, a, b: (b, a), m=("rn", "rz"),
           r=("", ".relu"), t=("f16x2", "bf16x2")),
    *cases("cvt.rna.tf32.f32", "tf32", "f32", same),
    *cases("cvt.{m}.tf32.f32 near ties", "tf32", "f32", same, m=("rna", "rn"), arch=90,
           operand_values=(FLOAT_TIES,), text="cvt.{m}.tf32.f32 %0, %1;"),
    *cases("cvt.{m}{r}.tf32.f32", "tf32", "f32", same, m=("rn", "rz"), r=("", ".relu"), arch=90),
    *cases("cvt.rn.satfinite{r}.{t}.f32", "{t}", "f32 f32", lambda _, a, b: (b, a),
           r=("", ".relu"), t=("e4m3x2", "e5m2x2"), arch=90),
    *cases("cvt.rn.satfinite{r}.{t}.f16x2", "{t}", "f16x2", same, r=("", ".relu"),
           t=("e4m3x2", "e5m2x2"), arch=90),
    *cases("cvt.rn{r}.f16x2.{t}", "f16x2", "{t}", same, r=("", ".relu"), t=("e4m3x2", "e5m2x2"),
           arch=90),
    *cases("cvt.pack.sat.{d}.s32", "b32", "s32 s32", packed, d=("u16", "s16"), arch=80),
    *cases("cvt.pack.sat.{d}.s32.b32", "b32", "s32 s32 b32", packed, d=("u8", "s8", "u4", "s2")),
]  # fmt: skip

MOVED = [
    *cases("mov.{t}", "{t}", "{t}", same, t=(*BITS, *INTEGERS, *FLOATS)),
    *cases(
        "mov.b32 unpacked",
        "b16 b16",
        "b32",
        lambda _, a: parts(a, 2, 16),
        text="mov.b32 {{%0, %1}}, %2;",
    ),
    *cases(
        "mov.b64 unpacked",
        "b32 b32",
        "b64",
        lambda _, a: parts(a, 2, 32),
        text="mov.b64 {{%0, %1}}, %2;",
    ),
    *cases(
        "mov.b64 unpacked in four",
        "b16 b16 b16 b16",
        "b64",
        lambda _, a: parts(a, 4, 16),
        text="mov.b64 {{%0, %1, %2, %3}}, %4;",
    ),
    *cases(
        "mov.b32 packed",
        "b32",
        "b16 b16",
        lambda _, a, b: b << 16 | a,
        text="mov.b32 %0, {{%1, %2}};",
    ),
    *cases(
        "mov.b64 packed",
        "b64",
        "b32 b32",
        lambda _, a, b: b << 32 | a,
        text="mov.b64 %0, {{%1, %2}};",
    ),
    *cases(
        "mov.b128 packed and unpacked",
        "b64 b64",
        "b64 b64",
        lambda _, a, b: (b, a),
        arch=90,
        text="{{ .reg .b128 x; mov.b128 x, {{%3, %2}}; mov.b128 {{%0, %1}}, x; }}",
    ),
    *cases(
        "mov.b64 of one half", "b32", "b64", lambda _, a: a >> 32, text="mov.b64 {{_, %0}}, %1;"
    ),
]

CASES = [*COMPARED, *CONVERTED, *MOVED]
