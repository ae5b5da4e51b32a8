"""Integer instructions, in the order of the manual."""

from .scalar_case import cases

INTEGERS = ("u16", "s16", "u32", "s32", "u64", "s64")
SHORT = ("u16", "s16", "u32", "s32")
WORDS = ("u32", "s32")
SIGNED = ("s16", "s32", "s64")
CARRIED = ("u32", "u64")
WIDE = {"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}


def clamp(x, least, most):
    return max(least, min(most, x))


def saturate32(x):
    return clamp(x, -(2**31), 2**31 - 1)


def truncated(a, b):
    """The quotient rounded towards zero. x / 0 is all ones on NVIDIA hardware."""
    if b == 0:
        return -1
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def high(case, a, b):
    return a * b >> case.width


def low24(x, signed):
    x &= 0xFFFFFF
    return x - 0x1000000 if signed and x >> 23 else x


def multiply24(case, a, b):
    signed = case.operands[0] == "s32"
    return low24(a, signed) * low24(b, signed)


def parts(x, count, width, signed):
    found = [x >> width * i & (1 << width) - 1 for i in range(count)]
    return [p - (1 << width) if signed and p >> (width - 1) else p for p in found]


def dot4(case, a, b, c):
    first = parts(a, 4, 8, case.values["t"] == "s32")
    second = parts(b, 4, 8, case.values["u"] == "s32")
    return c + sum(x * y for x, y in zip(first, second, strict=True))


def dot2(case, a, b, c):
    first = parts(a, 2, 16, case.values["t"] == "s32")
    second = parts(b, 4, 8, case.values["u"] == "s32")
    second = second[2:] if case.values["half"] == "hi" else second[:2]
    return c + sum(x * y for x, y in zip(first, second, strict=True))


def with_carry(first, then, registers="{t}"):
    """Two instructions, the second taking the carry of the first; both results are kept."""
    return f"{{{{ {first}.{registers} %0, %2, %3; {then}.{registers} %1, %4, %5; }}}}"


def carry_case(first, then, low, high_part):
    """`low` and `high_part` give the unreduced results, the second from the first's carry."""

    def reference(case, a, b, c, d):
        low_sum = low(case, a, b)
        carry = (low_sum >> case.width) & 1
        return low_sum, high_part(case, c, d, carry)

    name = f"{first}.{{t}} then {then}"
    return cases(name, "{t} {t}", "{t} {t} {t} {t}", reference, t=CARRIED,
                 text=with_carry(first, then))  # fmt: skip


def mad_carry(part):
    """mad.cc, then madc with the carry; and madc.cc, whose carry addc shows."""
    text = (
        f"{{{{ mad.{part}.cc.{{t}} %0, %3, %4, %5; madc.{part}.cc.{{t}} %1, %3, %4, %5; "
        "addc.{t} %2, 0, 0; }}"
    )

    def reference(case, a, b, c):
        mask = (1 << case.width) - 1
        term = (a * b if part == "lo" else a * b >> case.width) & mask
        first = term + c
        second = term + c + (first >> case.width)
        return first, second, second >> case.width

    return cases(f"mad.{part}.cc.{{t}}, madc", "{t} {t} {t}", "{t} {t} {t}", reference,
                 t=CARRIED, text=text)  # fmt: skip


CASES = [
    *cases("add.{t}", "{t}", "{t} {t}", lambda _, a, b: a + b, t=INTEGERS),
    *cases("add.sat.s32", "s32", "s32 s32", lambda _, a, b: saturate32(a + b)),
    *cases("add.{t}", "{t}", "{t} {t}", lambda _, a, b: a + b, t=("u16x2", "s16x2"), arch=90),
    *cases("sub.{t}", "{t}", "{t} {t}", lambda _, a, b: a - b, t=INTEGERS),
    *cases("sub.sat.s32", "s32", "s32 s32", lambda _, a, b: saturate32(a - b)),
    *cases("mul.lo.{t}", "{t}", "{t} {t}", lambda _, a, b: a * b, t=INTEGERS),
    *cases("mul.hi.{t}", "{t}", "{t} {t}", high, t=INTEGERS),
    *(
        case
        for t, w in WIDE.items()
        for case in (
            *cases(f"mul.wide.{t}", w, f"{t} {t}", lambda _, a, b: a * b),
            *cases(f"mad.wide.{t}", w, f"{t} {t} {w}", lambda _, a, b, c: a * b + c),
        )
    ),
    *cases("mad.lo.{t}", "{t}", "{t} {t} {t}", lambda _, a, b, c: a * b + c, t=INTEGERS),
    *cases("mad.hi.{t}", "{t}", "{t} {t} {t}", lambda k, a, b, c: high(k, a, b) + c, t=INTEGERS),
    *cases("mad.hi.sat.s32", "s32", "s32 s32 s32",
           lambda k, a, b, c: saturate32(high(k, a, b) + c)),
    *cases("mul24.lo.{t}", "{t}", "{t} {t}", multiply24, t=WORDS),
    *cases("mul24.hi.{t}", "{t}", "{t} {t}", lambda k, a, b: multiply24(k, a, b) >> 16, t=WORDS),
    *cases("mad24.lo.{t}", "{t}", "{t} {t} {t}", lambda k, a, b, c: multiply24(k, a, b) + c,
           t=WORDS),
    *cases("mad24.hi.{t}", "{t}", "{t} {t} {t}",
           lambda k, a, b, c: (multiply24(k, a, b) >> 16) + c, t=WORDS),
    *cases("mad24.hi.sat.s32", "s32", "s32 s32 s32",
           lambda k, a, b, c: saturate32((multiply24(k, a, b) >> 16) + c)),
    *cases("sad.{t}", "{t}", "{t} {t} {t}", lambda _, a, b, c: c + abs(a - b), t=INTEGERS),
    *cases("div.{t}", "{t}", "{t} {t}", lambda _, a, b: truncated(a, b), t=INTEGERS),
    *cases("rem.{t}", "{t}", "{t} {t}", lambda _, a, b: a - b * truncated(a, b) if b else a,
           t=INTEGERS),
    *cases("abs.{t}", "{t}", "{t}", lambda _, a: abs(a), t=SIGNED),
    *cases("neg.{t}", "{t}", "{t}", lambda _, a: -a, t=SIGNED),
    *cases("min.{t}", "{t}", "{t} {t}", lambda _, a, b: min(a, b), t=INTEGERS),
    *cases("max.{t}", "{t}", "{t} {t}", lambda _, a, b: max(a, b), t=INTEGERS),
    *cases("min.{t}", "{t}", "{t} {t}", lambda _, a, b: min(a, b), t=("u16x2", "s16x2"), arch=90),
    *cases("max.{t}", "{t}", "{t} {t}", lambda _, a, b: max(a, b), t=("u16x2", "s16x2"), arch=90),
    *cases("min.relu.{t}", "{t}", "{t} {t}", lambda _, a, b: max(min(a, b), 0),
           t=("s16x2", "s32"), arch=90),
    *cases("max.relu.{t}", "{t}", "{t} {t}", lambda _, a, b: max(a, b, 0),
           t=("s16x2", "s32"), arch=90),
    *cases("dp4a.{t}.{u}", "u32", "u32 u32 u32", dot4, t=WORDS, u=WORDS),
    *cases("dp2a.{half}.{t}.{u}", "u32", "u32 u32 u32", dot2, half=("lo", "hi"), t=WORDS, u=WORDS),
    # Carries and borrows.
    *carry_case("add.cc", "addc", lambda _, a, b: a + b, lambda _, c, d, carry: c + d + carry),
    *carry_case("sub.cc", "subc", lambda _, a, b: a - b, lambda _, c, d, carry: c - d - carry),
    *cases("addc.cc.{t}", "{t} {t}", "{t} {t} {t} {t}",
           lambda k, a, b, c, d: (((a + b >> k.width) + c + d),
                                  ((a + b >> k.width) + c + d) >> k.width),
           t=CARRIED,
           text="{{ .reg .{t} x; add.cc.{t} x, %2, %3; addc.cc.{t} %0, %4, %5; "
                "addc.{t} %1, 0, 0; }}"),
    *cases("subc.cc.{t}", "{t} {t}", "{t} {t} {t} {t}",
           lambda k, a, b, c, d: (c - d - (a < b), -(c - d - (a < b) < 0)),
           t=CARRIED,
           text="{{ .reg .{t} x; sub.cc.{t} x, %2, %3; subc.cc.{t} %0, %4, %5; "
                "subc.{t} %1, 0, 0; }}"),
    *cases("madc.{part}.{t}", "{t}", "{t} {t} {t}",
           lambda k, a, b, c: (a * b >> (k.width if k.values["part"] == "hi" else 0)) + c
           + (a + b >> k.width), part=("lo", "hi"), t=CARRIED,
           text="{{ .reg .{t} x; add.cc.{t} x, %1, %2; madc.{part}.{t} %0, %1, %2, %3; }}"),
    *mad_carry("lo"),
    *mad_carry("hi"),
]  # fmt: skip
