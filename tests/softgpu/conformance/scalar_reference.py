"""What scalar instructions give, in exact rational arithmetic: nothing here is shared with the
engine. A float is NAN, or its sign (1 or -1) and its magnitude, a Fraction or infinity.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

NAN = None
INFINITY = math.inf
ZERO = Fraction(0)


@dataclass(frozen=True)
class Format:
    exponent_bits: int
    mantissa_bits: int
    infinite: bool = True

    @property
    def width(self):
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self):
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def smallest_exponent(self):
        return 1 - self.bias

    @property
    def largest(self):
        top = 2**self.exponent_bits - (2 if self.infinite else 1) - self.bias
        ones = 2 ** (self.mantissa_bits + 1) - (1 if self.infinite else 2)
        return Fraction(ones) * Fraction(2) ** (top - self.mantissa_bits)


FORMATS = {
    "f16": Format(5, 10),
    "bf16": Format(8, 7),
    "tf32": Format(8, 10),
    "f32": Format(8, 23),
    "f64": Format(11, 52),
    "e4m3": Format(4, 3, infinite=False),
    "e5m2": Format(5, 2),
}


def power(exponent):
    return Fraction(2) ** exponent


def floor_log2(magnitude):
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    return exponent if power(exponent) <= magnitude else exponent - 1


def decode(form, bits):
    sign = -1 if bits >> (form.width - 1) & 1 else 1
    exponent = bits >> form.mantissa_bits & (2**form.exponent_bits - 1)
    mantissa = bits & (2**form.mantissa_bits - 1)
    last = exponent == 2**form.exponent_bits - 1
    if form.infinite and last:
        return NAN if mantissa else (sign, INFINITY)
    if last and mantissa == 2**form.mantissa_bits - 1:
        return NAN
    unit = power(max(exponent, 1) - form.bias - form.mantissa_bits)
    return sign, (mantissa + (2**form.mantissa_bits if exponent else 0)) * unit


def round_integer(sign, magnitude, mode):
    """A magnitude as an integer, rounded in the direction of a mode: rn, rna, rz, rm, rp."""
    whole = math.floor(magnitude)
    rest = magnitude - whole
    half = Fraction(1, 2)
    up = {
        "rn": rest > half or (rest == half and whole % 2 == 1),
        "rna": rest >= half,
        "rz": False,
        "rm": rest > 0 and sign < 0,
        "rp": rest > 0 and sign > 0,
    }[mode]
    return whole + up


def encode(form, value, mode="rn", finite=False):
    """The bits nearest to an exact value; NAN stays NAN."""
    if value is NAN:
        return NAN
    sign, magnitude = value
    sign_bit = (sign < 0) << (form.width - 1)
    infinity = (2**form.exponent_bits - 1) << form.mantissa_bits
    if magnitude != INFINITY and magnitude:
        exponent = max(floor_log2(magnitude), form.smallest_exponent)
        unit = power(exponent - form.mantissa_bits)
        magnitude = round_integer(sign, magnitude / unit, mode) * unit
        if magnitude > form.largest:
            toward = {"rz": True, "rm": sign > 0, "rp": sign < 0}.get(mode, False)
            magnitude = form.largest if toward or finite else INFINITY
    if magnitude == INFINITY and finite:
        magnitude = form.largest
    if magnitude == INFINITY:
        return sign_bit | infinity
    if not magnitude:
        return sign_bit
    exponent = max(floor_log2(magnitude), form.smallest_exponent)
    units = int(magnitude / power(exponent - form.mantissa_bits))
    base = (exponent + form.bias - 1) << form.mantissa_bits
    return sign_bit | (base + units)


def flush(form, value):
    """Subnormals to zeros of their sign: .ftz."""
    if value is not NAN and 0 < value[1] < power(form.smallest_exponent):
        return value[0], ZERO
    return value


def rounded(form, value, mode):
    bits = encode(form, value, mode)
    return NAN if bits is NAN else decode(form, bits)


def saturate(value):
    if value is NAN or value[0] < 0 or value[1] == 0:
        return 1, ZERO
    return 1, min(value[1], Fraction(1))


def relu(value):
    return (1, ZERO) if value is not NAN and (value[0] < 0 or value[1] == 0) else value


def negate(a):
    return NAN if a is NAN else (-a[0], a[1])


def absolute(a):
    return NAN if a is NAN else (1, a[1])


def signed(a):
    return a[0] * a[1]


def from_rational(x, zero_sign=1):
    return (zero_sign, ZERO) if x == 0 else (1 if x > 0 else -1, abs(x))


def add(a, b, mode="rn"):
    if a is NAN or b is NAN:
        return NAN
    if a[1] == INFINITY or b[1] == INFINITY:
        if a[1] == b[1] and a[0] != b[0]:
            return NAN
        return a if a[1] == INFINITY else b
    if a[1] == 0 and b[1] == 0 and a[0] == b[0]:
        return a
    return from_rational(signed(a) + signed(b), -1 if mode == "rm" else 1)


def multiply(a, b):
    if a is NAN or b is NAN or {a[1], b[1]} == {ZERO, INFINITY}:
        return NAN
    return a[0] * b[0], INFINITY if INFINITY in (a[1], b[1]) else a[1] * b[1]


def fused(a, b, c, mode="rn"):
    return add(multiply(a, b), c, mode)


def divide(a, b):
    if a is NAN or b is NAN or a[1] == b[1] == INFINITY or a[1] == b[1] == 0:
        return NAN
    if a[1] == INFINITY or b[1] == 0:
        return a[0] * b[0], INFINITY
    return a[0] * b[0], ZERO if b[1] == INFINITY else a[1] / b[1]


def square_root(a):
    """Correct to far more bits than any format has, and exact if the root is."""
    if a is NAN or (a[0] < 0 and a[1] != 0):
        return NAN
    if a[1] in (0, INFINITY):
        return a
    scale = 4**1200  # past the square of the least FP64 number, with room for 100 bits
    scaled = a[1] * scale
    root = math.isqrt(math.floor(scaled))
    sticky = 0 if root * root == scaled else Fraction(1, 2)
    return 1, (root + sticky) / Fraction(2**1200)


def less(a, b):
    """Of numbers, with -0 before +0."""
    return (signed(a), a[0]) < (signed(b), b[0])


def minimum(a, b, nan=False):
    if a is NAN or b is NAN:
        return NAN if nan or a is b else a if b is NAN else b
    return a if less(a, b) else b


def maximum(a, b, nan=False):
    return negate(minimum(negate(a), negate(b), nan))


def to_integer(value, mode, least, most, of_nan):
    if value is NAN:
        return of_nan
    sign, magnitude = value
    if magnitude == INFINITY:
        return most if sign > 0 else least
    return min(max(sign * round_integer(sign, magnitude, mode), least), most)


def integral(value, mode):
    if value is NAN or value[1] == INFINITY:
        return value
    return value[0], Fraction(round_integer(*value, mode))


COMPARISONS = {
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
}


def compare(name, a, b):
    """With floats: false with a NaN, or true if the name ends with u; num and nan."""
    unordered = a is NAN or b is NAN
    if name in ("num", "nan"):
        return unordered == (name == "nan")
    if unordered:
        return name.endswith("u")
    return COMPARISONS[name[:2]](signed(a), signed(b))
