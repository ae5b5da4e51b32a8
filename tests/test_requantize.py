"""ops.requantize: INT32 sums as codes by integers alone."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from halfword import ops
from halfword.quant import quantize_multiplier

from .compare import assert_same_bits
from .reference.requantize import requantize as reference

LEAST, MOST = -(2**31), 2**31 - 1


def ints(*values):
    return torch.tensor(values, dtype=torch.int32)


def check(acc, multiplier, shift, zero_point=None, **limits):
    got = ops.requantize(acc, multiplier, shift, zero_point, **limits)
    cols = acc.shape[-1] if acc.dim() else 1
    m, n = (t.expand(cols).tolist() for t in (multiplier, shift))
    z = 0 if zero_point is None else int(zero_point)
    wanted = [
        reference(a, m[i % cols], n[i % cols], z, **limits)
        for i, a in enumerate(acc.flatten().tolist())
    ]
    assert_same_bits(got, torch.tensor(wanted, dtype=torch.int8).view(acc.shape))
    return got


words = st.integers(LEAST, MOST) | st.sampled_from([LEAST, MOST, -1, 0, 1, 2**30, -(2**30)])


@given(
    rows=st.integers(1, 5),
    factors=st.lists(st.tuples(words, st.integers(-31, 31)), min_size=1, max_size=21),
    each=st.tuples(st.booleans(), st.booleans()),
    pool=st.lists(words, min_size=1, max_size=40),
    zero_point=st.none() | st.integers(-128, 127),
    limits=st.sampled_from([{}, {"lowest": 3}, {"lowest": -8, "highest": 7}]),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_integers_match_the_reference(device, rows, factors, each, pool, zero_point, limits):
    cols = len(factors)
    acc = ints(*(pool[i % len(pool)] for i in range(rows * cols))).view(rows, cols)
    multiplier, shift = (ints(*values) for values in zip(*factors, strict=True))
    check(
        acc,
        multiplier if each[0] else multiplier[0],
        shift if each[1] else shift[0],
        None if zero_point is None else ints(zero_point),
        **limits,
    )


def test_large_and_odd_shapes_match_the_reference(device):
    for shape in [(), (1,), (7,), (3, 0), (0, 3), (40, 33), (2, 3, 70), (1, 9001)]:
        acc = torch.randint(-(2**20), 2**20, shape, dtype=torch.int32)
        cols = shape[-1] if shape else 1
        scales = torch.rand(cols) * 2e-4
        check(acc, *quantize_multiplier(scales), ints(5))
        check(acc.t().contiguous().t() if len(shape) == 2 else acc, *quantize_multiplier(1e-4))


def test_sums_at_an_odd_place_match_the_reference(device):
    acc = torch.randint(LEAST, MOST, (1001,), dtype=torch.int32)
    for skip in range(1, 5):
        check(acc[skip:], *quantize_multiplier(3e-8))


def test_no_more_than_one_code_from_the_product_with_the_real_factor(device):
    """It differs where rounding the factor to 31 bits or halves matter."""
    acc = torch.randint(-(2**24), 2**24, (300, 40), dtype=torch.int32)
    real = torch.rand(40, dtype=torch.float64) * 2e-5
    got = ops.requantize(acc, *quantize_multiplier(real), ints(-7))
    wanted = ((acc.float() * real.float()).round() - 7).clamp(-128, 127)
    assert (got.float() - wanted).abs().max() <= 1
    assert (got.float() == wanted).double().mean() > 0.999


@given(st.floats(0, 2.0**31, exclude_max=True, allow_subnormal=False) | st.floats(2.0**-70, 1.0))
def test_the_multiplier_is_the_nearest_one(real):
    """Of 31 bits, or, below 2^-32, of a step of 2^-62."""
    if real >= 2.0**31 - 2.0**-1:
        return
    (multiplier,), (shift,) = (t.view(-1).tolist() for t in quantize_multiplier(real))
    assert 0 <= multiplier < 2**31
    assert real == 0 or shift == 31 or multiplier >= 2**30
    error = abs(multiplier * 2.0 ** (-31 - shift) - real)
    assert error <= 2.0 ** (-32 - shift)


def test_multipliers_keep_shape_and_name_what_has_none():
    multiplier, shift = quantize_multiplier(torch.tensor([[1.0, 0.5], [0.0, 2.0**-62]]))
    assert multiplier.tolist() == [[2**30, 2**30], [0, 1]]
    assert shift.tolist() == [[-1, 0], [0, 31]]
    assert [t.shape for t in quantize_multiplier(torch.ones(0, 3))] == [(0, 3), (0, 3)]
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"real_scale must be finite and >= 0; got {bad}"):
            quantize_multiplier(bad)
    with pytest.raises(ValueError, match="real_scale must be below 2"):
        quantize_multiplier(2.0**31)


def test_opcheck_and_compile_pass():
    acc, one = ints(300, -5, 7).view(1, 3), ints(2**30)[0]
    codes = torch.empty(1, 3, dtype=torch.int8)
    opcheck(
        torch.ops.halfword.requantize.default, (acc, one, ints(0, 1, 2), None, -128, 127, codes)
    )

    def codes_of(acc):
        return ops.requantize(acc + 1, one, one * 0) * 2

    assert torch.compile(codes_of, fullgraph=True)(acc).tolist() == codes_of(acc).tolist()


ACC, M, N = ints(1, 2).view(1, 2), ints(2**30)[0], ints(0)[0]
BAD = [
    ((ACC.long(), M, N), {}, TypeError, "acc must be int32; got int64"),
    ((ACC, M.float(), N), {}, TypeError, "multiplier must be int32; got float32"),
    ((ACC, ints(1, 2, 3), N), {}, ValueError, r"multiplier must have shape \[\] or \[2\]; got \[3"),
    ((ACC, M, N.long()), {}, TypeError, "shift must be int32; got int64"),
    ((ACC, M, ints(1)), {}, ValueError, r"shift must have shape \[\] or \[2\]; got \[1\]"),
    ((ACC, M, ints(0, 32)), {}, ValueError, r"shift must lie in \[-31, 31\]; got 32"),
    ((ACC, M, ints(-32, 0)), {}, ValueError, r"shift must lie in \[-31, 31\]; got -32"),
    ((ACC, M, N, M.float()), {}, TypeError, "zero_point must be int32; got float32"),
    ((ACC, M, N, ints(1, 2)), {}, ValueError, "zero_point must have one element; got 2"),
    ((ACC, M, N), {"lowest": -129}, ValueError, r"lowest must lie in \[-128, 127\]; got -129"),
    ((ACC, M, N), {"lowest": 5, "highest": 4}, ValueError, r"highest must lie in .* got 4"),
    ((ACC, M, N), {"highest": 128}, ValueError, r"highest must lie in \[lowest, 127\]; got 128"),
]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[b[3][:40] for b in BAD]
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match="requantize: " + message):
        ops.requantize(*arguments, **options)
