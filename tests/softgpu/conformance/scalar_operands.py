"""Operands to try an instruction with: special values, and random ones. A NaN has no sign, since
no instruction promises anything about one.
"""

from itertools import islice, product
from random import Random

from . import scalar_reference as exact
from .scalar_case import bits_of, element_of, is_pair

COUNT = 160  # of tuples an instruction is tried with, at most


def special_floats(form):
    sign = 1 << (form.width - 1)
    one = form.bias << form.mantissa_bits
    infinity = (2**form.exponent_bits - 1) << form.mantissa_bits
    positive = [
        0,
        1,  # the least subnormal
        (1 << form.mantissa_bits) - 1,  # the largest
        1 << form.mantissa_bits,  # the least normal
        one,
        one + 1,
        one | 1 << (form.mantissa_bits - 1),  # 1.5
        infinity - 1,  # the largest number, or nearly
        infinity,
    ]
    nan = (sign - 1) if not form.infinite else infinity | 1 << (form.mantissa_bits - 1)
    return [nan, *(bits | s for bits in positive for s in (0, sign))]


def special_integers(width):
    most = (1 << width) - 1
    return [0, 1, 2, 7, most, most - 1, most >> 1, (most >> 1) + 1, 1 << (width // 2)]


def specials(type_):
    if type_ == "pred":
        return [0, 1]
    if is_pair(type_):
        half = bits_of(type_) // 2
        one = specials(element_of(type_))
        return [low | high << half for low, high in zip(one, one[1:] + one[:1], strict=True)]
    if type_ in exact.FORMATS:
        return special_floats(exact.FORMATS[type_])
    return special_integers(int(type_[1:]))


def near_tie(bits, width, random):
    """Ends in a one and zeros, or next to that: what rounding to fewer bits has to tell apart."""
    length = random.randint(2, width)
    tie = (1 << (length - 1)) + random.choice((-1, 0, 1))
    return bits >> length << length | tie


def draw(type_, random):
    """Random bits; of floats most with exponents near one another, so that results are numbers."""
    bits = random.getrandbits(bits_of(type_))
    if type_ == "pred":
        return bits & 1
    if is_pair(type_):
        half = bits_of(type_) // 2
        return draw(element_of(type_), random) & (1 << half) - 1 | (
            (draw(element_of(type_), random) & (1 << half) - 1) << half
        )
    if type_ in exact.FORMATS and random.random() < 0.75:
        form = exact.FORMATS[type_]
        mantissa = bits & (1 << form.mantissa_bits) - 1
        if random.random() < 0.5:
            mantissa = near_tie(mantissa, form.mantissa_bits, random)
        exponent = form.bias + random.randint(-3, 6)
        sign = (bits >> (form.width - 1) & 1) << (form.width - 1)
        return sign | exponent << form.mantissa_bits | mantissa
    if type_ in exact.FORMATS and exact.decode(exact.FORMATS[type_], bits) is exact.NAN:
        return bits & ~(1 << (bits_of(type_) - 1))
    if type_ not in exact.FORMATS:
        width = bits_of(type_)
        choice = random.randrange(4)
        if choice == 0:
            return bits & 0xFF
        if choice == 1:
            return near_tie(bits, width - 2, random)
    return bits


def operands(case, count=COUNT):
    """Tuples of bits."""
    random = Random(case.name)
    allowed = case.operand_values or (None,) * len(case.operands)
    choices = [
        list(values) if values else specials(type_)
        for type_, values in zip(case.operands, allowed, strict=True)
    ]
    total = 1
    for one in choices:
        total *= len(one)
    if total <= count // 2:
        picked = list(islice(product(*choices), count))
    else:
        picked = [tuple(map(random.choice, choices)) for _ in range(count // 2)]
    while len(picked) < count:
        picked.append(
            tuple(
                random.choice(values) if values else draw(type_, random)
                for type_, values in zip(case.operands, allowed, strict=True)
            )
        )
    return picked
