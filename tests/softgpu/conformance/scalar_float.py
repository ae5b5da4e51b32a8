"""FP32, FP64, FP16 and BF16 arithmetic, exactly; approximations within the manual's bounds."""

import math
from fractions import Fraction

from . import scalar_reference as exact
from .scalar_case import cases

MODES = ("rn", "rz", "rm", "rp")
FTZ = ("", ".ftz")
SAT = ("", ".sat")
NAN = ("", ".NaN")
F16 = ("f16", "f16x2")
BF16 = ("bf16", "bf16x2")
HALVES = F16 + BF16
ONE = (1, Fraction(1))


def add(case, a, b):
    return exact.add(a, b, case.mode)


def subtract(case, a, b):
    return exact.add(a, exact.negate(b), case.mode)


def multiply(_, a, b):
    return exact.multiply(a, b)


def fused(case, a, b, c):
    return exact.fused(a, b, c, case.mode)


def pick(case, a, b, choose):
    nan = "NaN" in case.modifiers
    if "xorsign" not in case.modifiers:
        return choose(a, b, nan)
    magnitude = choose(exact.absolute(a), exact.absolute(b), nan)
    return magnitude if magnitude is exact.NAN else (a_sign(a) * a_sign(b), magnitude[1])


def a_sign(a):
    return 1 if a is exact.NAN else a[0]


def least(case, a, b):
    return pick(case, a, b, exact.minimum)


def greatest(case, a, b):
    return pick(case, a, b, exact.maximum)


def in_float(function):
    """A function of the host's library, near enough to exact for a bound."""

    def reference(_, a):
        if a is exact.NAN:
            return exact.NAN
        x = float(a[0] * a[1]) if a[1] else math.copysign(0.0, a[0])
        try:
            y = function(x)
        except (ValueError, OverflowError):
            return exact.NAN if math.isinf(x) or function in (math.log2,) else None
        if math.isnan(y):
            return exact.NAN
        magnitude = exact.INFINITY if math.isinf(y) else abs(Fraction(y))
        return (-1 if math.copysign(1, y) < 0 else 1), magnitude

    return reference


def exp2(x):
    return math.inf if x > 1100 else 0.0 if x < -1100 else 2.0**x


def log2(x):
    if x == 0:
        return -math.inf
    return math.nan if x < 0 else math.log2(x)


def reciprocal_root(_, a):
    root = exact.square_root(a)
    return exact.divide(ONE, root if root is exact.NAN or root[1] else a)


def sine(function):
    return in_float(lambda x: math.nan if math.isinf(x) else function(x))


def of_class(name, form, bits_value):
    if bits_value is exact.NAN:
        return name == "notanumber"
    magnitude = bits_value[1]
    subnormal = 0 < magnitude < exact.power(form.smallest_exponent)
    return {
        "finite": magnitude != exact.INFINITY,
        "infinite": magnitude == exact.INFINITY,
        "number": True,
        "notanumber": False,
        "normal": not subnormal and magnitude not in (0, exact.INFINITY),
        "subnormal": subnormal,
    }[name]


SMALL_ANGLES = tuple(range(0x3A000000, 0x40490FDB, 0x00123457))  # up to pi

ARITHMETIC = [
    *(
        case
        for op, reference in (("add", add), ("sub", subtract), ("mul", multiply))
        for case in (
            *cases(f"{op}.{{m}}{{z}}{{s}}.f32", "f32", "f32 f32", reference, m=MODES, z=FTZ, s=SAT),
            *cases(f"{op}.f32", "f32", "f32 f32", reference),
            *cases(f"{op}.{{m}}.f64", "f64", "f64 f64", reference, m=MODES),
            *cases(f"{op}{{z}}{{s}}.{{t}}", "{t}", "{t} {t}", reference, z=FTZ, s=SAT, t=F16),
            *cases(f"{op}.rn.{{t}}", "{t}", "{t} {t}", reference, t=BF16, arch=90),
        )
    ),
    *cases("fma.{m}{z}{s}.f32", "f32", "f32 f32 f32", fused, m=MODES, z=FTZ, s=SAT),
    *cases("fma.{m}.f64", "f64", "f64 f64 f64", fused, m=MODES),
    *cases("mad.{m}.f32", "f32", "f32 f32 f32", fused, m=MODES),
    *cases("mad.{m}.f64", "f64", "f64 f64 f64", fused, m=MODES),
    *cases("fma.rn{z}{s}.{t}", "{t}", "{t} {t} {t}", fused, z=FTZ, s=(*SAT, ".relu"), t=F16),
    *cases("fma.rn{s}.{t}", "{t}", "{t} {t} {t}", fused, s=("", ".relu"), t=BF16),
    *cases("div.{m}{z}.f32", "f32", "f32 f32", lambda _, a, b: exact.divide(a, b), m=MODES, z=FTZ),
    *cases("div.{m}.f64", "f64", "f64 f64", lambda _, a, b: exact.divide(a, b), m=MODES),
    *cases("rcp.{m}{z}.f32", "f32", "f32", lambda _, a: exact.divide(ONE, a), m=MODES, z=FTZ),
    *cases("rcp.{m}.f64", "f64", "f64", lambda _, a: exact.divide(ONE, a), m=MODES),
    *cases("sqrt.{m}{z}.f32", "f32", "f32", lambda _, a: exact.square_root(a), m=MODES, z=FTZ),
    *cases("sqrt.{m}.f64", "f64", "f64", lambda _, a: exact.square_root(a), m=MODES),
]

# Signs, order and classes.
SELECTION = [
    *cases("abs{z}.f32", "f32", "f32", lambda _, a: exact.absolute(a), z=FTZ),
    *cases("neg{z}.f32", "f32", "f32", lambda _, a: exact.negate(a), z=FTZ),
    *cases("abs.{t}", "{t}", "{t}", lambda _, a: exact.absolute(a), t=("f64", *HALVES)),
    *cases("neg.{t}", "{t}", "{t}", lambda _, a: exact.negate(a), t=("f64", *HALVES)),
    *cases("abs.ftz.{t}", "{t}", "{t}", lambda _, a: exact.absolute(a), t=F16),
    *cases("neg.ftz.{t}", "{t}", "{t}", lambda _, a: exact.negate(a), t=F16),
    *cases("copysign.{t}", "{t}", "{t} {t}",
           lambda _, a, b: exact.NAN if b is exact.NAN else (a_sign(a), b[1]), t=("f32", "f64")),
    *(
        case
        for op, reference in (("min", least), ("max", greatest))
        for case in (
            *cases(f"{op}{{z}}{{n}}.f32", "f32", "f32 f32", reference, z=FTZ, n=NAN),
            *cases(f"{op}{{z}}{{n}}.xorsign.abs.f32", "f32", "f32 f32", reference, z=FTZ, n=NAN,
                   arch=90),
            *cases(f"{op}.f64", "f64", "f64 f64", reference),
            *cases(f"{op}{{z}}{{n}}.{{t}}", "{t}", "{t} {t}", reference, z=FTZ, n=NAN, t=F16),
            *cases(f"{op}{{n}}.{{t}}", "{t}", "{t} {t}", reference, n=NAN, t=BF16),
            *cases(f"{op}{{n}}.xorsign.abs.{{t}}", "{t}", "{t} {t}", reference, n=NAN, t=HALVES,
                   arch=90),
        )
    ),
    *cases("testp.{c}.{t}", "pred", "{t}", lambda k, a: of_class(k.values["c"], k.form, a),
           c=("finite", "infinite", "number", "notanumber", "normal", "subnormal"),
           t=("f32", "f64")),
]  # fmt: skip

APPROXIMATE = [
    *cases("div.{a}{z}.f32", "f32", "f32 f32", lambda _, a, b: exact.divide(a, b),
           a=("approx", "full"), z=FTZ, bound=("relative", 2.0**-22)),  # 2 ulp
    *cases("rcp.approx{z}.f32", "f32", "f32", lambda _, a: exact.divide(ONE, a), z=FTZ,
           bound=("relative", 2.0**-23)),  # 1 ulp
    *cases("rcp.approx.ftz.f64", "f64", "f64", lambda _, a: exact.divide(ONE, a),
           bound=("relative", 2.0**-19)),  # of the high words: 20 bits of mantissa
    *cases("sqrt.approx{z}.f32", "f32", "f32", lambda _, a: exact.square_root(a), z=FTZ,
           bound=("relative", 2.0**-23)),
    *cases("rsqrt.approx{z}.f32", "f32", "f32", reciprocal_root, z=FTZ,
           bound=("relative", 2.0**-22.9)),
    *cases("rsqrt.approx.f64", "f64", "f64", reciprocal_root, bound=("relative", 2.0**-22.9)),
    *cases("ex2.approx{z}.f32", "f32", "f32", in_float(exp2), z=FTZ,
           bound=("relative", 2.0**-22)),
    *cases("lg2.approx{z}.f32", "f32", "f32", in_float(log2), z=FTZ,
           bound=("relative", 2.0**-22)),  # and absolute between 0.5 and 2: no operand is there
    *cases("sin.approx{z}.f32", "f32", "f32", sine(math.sin), z=FTZ,
           bound=("absolute", 2.0**-20.5), operand_values=(SMALL_ANGLES,)),
    *cases("cos.approx{z}.f32", "f32", "f32", sine(math.cos), z=FTZ,
           bound=("absolute", 2.0**-20.5), operand_values=(SMALL_ANGLES,)),
    *cases("tanh.approx.f32", "f32", "f32", in_float(math.tanh), bound=("relative", 2.0**-11)),
    *cases("tanh.approx.{t}", "{t}", "{t}", in_float(math.tanh), t=F16,
           bound=("absolute", 2.0**-10.987)),
    *cases("tanh.approx.{t}", "{t}", "{t}", in_float(math.tanh), t=BF16, arch=90,
           bound=("relative", 2.0**-8)),
    *cases("ex2.approx.{t}", "{t}", "{t}", in_float(exp2), t=F16, bound=("relative", 2.0**-9.9)),
    *cases("ex2.approx.ftz.{t}", "{t}", "{t}", in_float(exp2), t=BF16, arch=90,
           bound=("relative", 2.0**-7)),
]  # fmt: skip

CASES = [*ARITHMETIC, *SELECTION, *APPROXIMATE]
