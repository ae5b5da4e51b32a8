"""Scalar instructions give what exact arithmetic gives."""

import ctypes
from fractions import Fraction
from itertools import chain

import numpy
import pytest

from .conformance import scalar_reference as exact
from .conformance.scalar_case import bits_of, element_of, is_pair
from .conformance.scalar_generate import CASES
from .conformance.scalar_operands import operands
from .library import check, load

WORDS = {16: numpy.uint16, 32: numpy.uint32, 64: numpy.uint64}


def run(number, case, inputs):
    """What the kernel gives: one list of bits for each result."""
    results = [numpy.zeros(len(inputs), WORDS[bits_of(t)]) for t in case.results]
    columns = zip(*inputs, strict=True)
    arrays = results + [
        numpy.array(column, WORDS[bits_of(t)])
        for t, column in zip(case.operands, columns, strict=True)
    ]
    pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    sizes = (ctypes.c_int * len(arrays))(*(a.itemsize for a in arrays))
    check(load("softgpu_scalar").run(number, pointers, sizes, len(arrays), len(inputs)))
    return [[int(x) for x in result] for result in results]


def is_nan(type_, bits):
    return type_ in exact.FORMATS and exact.decode(exact.FORMATS[type_], bits) is exact.NAN


def agrees(case, type_, bits, wanted):
    if is_pair(type_):
        half = bits_of(type_) // 2
        parts = (bits & (1 << half) - 1, bits >> half)
        both = zip(parts, wanted, strict=True)
        return all(agrees(case, element_of(type_), part, want) for part, want in both)
    if type_ == "tf32":  # in the upper bits of a word
        return is_nan("f32", bits) if wanted is None else bits == wanted << 13
    if wanted is None:
        return is_nan(type_, bits)
    return bits == wanted or (case.bound is not None and is_near(case, type_, bits, wanted))


def is_near(case, type_, bits, wanted):
    form = exact.FORMATS[type_]
    got, want = exact.decode(form, bits), exact.decode(form, wanted)
    if got is exact.NAN or exact.INFINITY in (got[1], want[1]):
        return False
    kind, bound = case.bound
    scale = want[1] if kind == "relative" else 1
    least = exact.power(form.smallest_exponent - form.mantissa_bits)  # one subnormal step
    return abs(got[0] * got[1] - want[0] * want[1]) <= Fraction(bound) * scale + least


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: CASES[n].name)
def test_instruction_is_exact_or_within_its_bound(number):
    case = CASES[number]
    inputs = operands(case)
    found = zip(*run(number, case, inputs), strict=True)
    wrong = []
    for values, got, wanted in zip(inputs, found, expected(case, inputs), strict=True):
        if not all(map(agrees, [case] * len(got), case.results, got, wanted)):
            wrong.append(f"{list(map(hex, values))}: {list(map(hex, got))}, not {shown(wanted)}")
    assert not wrong, f"{case.name}: {len(wrong)} of {len(inputs)} differ:\n" + "\n".join(wrong[:8])


def expected(case, inputs):
    if not case.warp:
        return map(case.expected, inputs)
    warps = (inputs[i : i + 32] for i in range(0, len(inputs), 32))
    return chain.from_iterable(map(case.expected_of_warp, warps))


def shown(wanted):
    if wanted is None:
        return "NaN"
    return hex(wanted) if isinstance(wanted, int) else list(map(shown, wanted))
