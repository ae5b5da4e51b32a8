"""ops.quantize: codes, scales and zero points."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from halfword import ops
from halfword.quant import Spec

from .cases.quantize import CASES, LARGE, MAPPINGS, with_mapping
from .compare import assert_same_bits
from .reference.quantize import quantize as reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
INF, NAN = float("inf"), float("nan")


def names(value):
    return str(value).removeprefix("torch.")


def sample(shape, dtype=torch.float32):
    """Numbers of many magnitudes, more above zero than below."""
    return (torch.randn(shape).exp() * (torch.rand(shape) - 0.3)).to(dtype)


def run(x, spec, **options):
    stochastic = spec.rounding == "stochastic"
    return ops.quantize(x, spec, seed=5 if stochastic else None, row_sums=True, **options)


def check(x, spec, **given):
    """All that quantize returns is what the reference says; its input is as it was."""
    before = x.clone()
    got = run(x, spec, **given)
    codes, scale, zero_point = reference(x, spec, seed=5, **given)
    assert_same_bits(got.scale, scale, f"{spec} scale")
    assert (got.zero_point is None) == (zero_point is None)
    if zero_point is not None:
        assert_same_bits(got.zero_point, zero_point, f"{spec} zero_point")
    assert_same_bits(got.codes, codes, f"{spec} codes")
    sums = codes.sum(-1, dtype=torch.int32) if codes.dim() else codes.int()
    assert_same_bits(got.row_sums, sums, f"{spec} row_sums")
    assert_same_bits(x, before, "x")
    return got


@pytest.mark.parametrize("dtype", DTYPES, ids=names)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_the_reference_bit_for_bit(device, case, dtype):
    x = sample(case.shape, dtype)
    for mapping in MAPPINGS:
        check(x, with_mapping(case.spec, mapping))


@pytest.mark.parametrize("mapping", ["symmetric", "affine"])
@pytest.mark.parametrize("case", LARGE, ids=str)
def test_blocks_of_any_size_match_the_reference(device, case, mapping):
    check(sample(case.shape), with_mapping(case.spec, mapping))


@pytest.mark.parametrize("bits", range(2, 9))
def test_any_number_of_bits_matches_the_reference(device, bits):
    for mapping in MAPPINGS:
        for granularity in (Spec(), Spec(axis="column"), Spec(group_size=20)):
            spec = with_mapping(granularity, mapping, bits)
            got = check(sample((9, 70)), spec)
            lowest, highest = spec.code_range
            assert got.codes.min() >= lowest
            assert got.codes.max() == highest


def special_rows(dtype):
    largest, tiny = torch.finfo(dtype).max, torch.finfo(dtype).smallest_normal
    rows = {
        "zeros": torch.zeros(40),
        "negative zeros": -torch.zeros(40),
        "one NaN": torch.randn(40).index_fill(0, torch.tensor([39]), NAN),
        "NaN of many bits": torch.randn(40)
        .view(torch.int32)
        .index_fill(0, torch.tensor([5]), 0x7FC12345)
        .view(torch.float32),
        "one inf": torch.randn(40).index_fill(0, torch.tensor([3]), INF),
        "one -inf": torch.randn(40).index_fill(0, torch.tensor([0]), -INF),
        "NaN and inf": torch.randn(40)
        .index_fill(0, torch.tensor([1]), NAN)
        .index_fill_(0, torch.tensor([2]), INF),
        "largest": torch.randn(40).clamp(-1, 1) * largest,
        "both ends": torch.tensor([largest, -largest] * 20),
        "smallest": torch.randn(40) * tiny,
        "subnormal": torch.randn(40) * tiny * 2.0**-4,
        "one above zero": torch.rand(40) + 1,
        "all below zero": -torch.rand(40) - 1,
        "a constant": torch.full((40,), 3.7),
        "ties": (torch.arange(40) - 20) / 2 * (127 / 9.5),
    }
    return torch.stack(list(rows.values())).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=names)
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_special_rows_match_the_reference(device, mapping, dtype):
    """As rows and as columns: a narrow block has a loop of its own."""
    x = special_rows(dtype)
    got = check(x, with_mapping(Spec(), mapping))
    bad = ~x.isfinite().all(-1)
    assert_same_bits(got.scale.isnan(), bad)
    assert (got.codes[bad] == 0).all()
    assert (got.codes[:2] == 0).all()
    assert (got.scale[:2] == 0).all()
    check(x.t().contiguous(), with_mapping(Spec(axis="column"), mapping))


def test_scales_around_the_smallest_whose_inverse_is_finite(device):
    """2^-128 is the first whose inverse is not: its block counts as zeros."""
    for bits in (8, 2):
        q = 2 ** (bits - 1) - 1
        x = torch.tensor([[q * 2.0**-128], [q * 2.0**-127], [q * 1.1 * 2.0**-128]])
        for mapping in ("symmetric", "affine", "log2"):
            got = check(x.expand(3, 33).contiguous(), with_mapping(Spec(), mapping, bits))
            assert mapping != "symmetric" or (got.scale > 0).tolist() == [False, True, True]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_computed_scale_that_is_given_again_gives_the_same_codes(device, mapping):
    x = torch.cat([special_rows(torch.float32), sample((6, 40))])
    for granularity in (Spec(), Spec(axis="column"), Spec(group_size=9), Spec(block=(3, 35))):
        spec = with_mapping(granularity, mapping)
        first = run(x, spec)
        again = check(x, spec, scale=first.scale, zero_point=first.zero_point)
        assert_same_bits(again.codes, first.codes)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_any_given_scale_matches_the_reference(device, mapping):
    """Zero, negative, NaN and infinite scales; NaN, inf and numbers far out of range."""
    scales = torch.tensor([0.1, 0.0, -0.2, NAN, INF, -INF, 1e-40, 3e38])
    x = torch.tensor([NAN, INF, -INF, 1e38, -1e38, 0.0, -0.0, *torch.randn(33)]).repeat(8, 1)
    spec = with_mapping(Spec(), mapping)
    zero_points = [None] if spec.symmetric else [-128, 127, -383, 0, 7]
    for zero in zero_points:
        z = None if zero is None else torch.full((8,), zero, dtype=torch.int32)
        got = check(x, spec, scale=scales, zero_point=z)
        columns = with_mapping(Spec(axis="column"), mapping)
        check(x.t().contiguous(), columns, scale=scales, zero_point=z)
        if spec.symmetric:
            assert got.codes.min() == -127


def test_a_zero_point_far_out_counts_as_the_last_one(device):
    spec, x = Spec(symmetric=False), torch.full((2, 40), -(2.0**30))
    far = torch.tensor([2**31 - 1, -(2**31)], dtype=torch.int32)
    last = torch.tensor([2**20, -(2**20)], dtype=torch.int32)
    ones = torch.ones(2)
    got = [ops.quantize(x, spec, scale=ones, zero_point=z).codes for z in (far, last)]
    assert_same_bits(*got)


def test_codes_of_minus_x_are_minus_the_codes(device):
    x = sample((20, 77))
    for mapping in ("symmetric", "log2"):
        spec = with_mapping(Spec(), mapping)
        assert_same_bits(run(-x, spec).codes, -run(x, spec).codes)


def test_zero_is_exact_in_every_affine_block(device):
    x = torch.rand(30, 50) + torch.linspace(-3, 3, 30)[:, None]
    x[:, 7] = 0
    got = run(x, Spec(symmetric=False))
    assert_same_bits(got.codes[:, 7].int(), got.zero_point)


VIEWS = {
    "an offset": lambda x: torch.full((x.numel() + 3,), NAN, dtype=x.dtype)[3:].view(x.shape),
    "an odd row pitch": lambda x: torch.full((23, 101), NAN, dtype=x.dtype)[:, 1:78],
    "a transposed one": lambda x: torch.full((77, 23), NAN, dtype=x.dtype).t(),
    "every other column": lambda x: torch.full((23, 154), NAN, dtype=x.dtype)[:, ::2],
}


@pytest.mark.parametrize("dtype", DTYPES, ids=names)
@pytest.mark.parametrize("view", VIEWS)
def test_strides_do_not_matter(device, view, dtype):
    """And the NaN beside a view is not seen."""
    plain = sample((23, 77), dtype)
    x = VIEWS[view](plain).copy_(plain)
    for granularity in (Spec(), Spec(axis="column"), Spec(block=(4, 40))):
        for mapping in ("symmetric", "affine-stochastic"):
            spec = with_mapping(granularity, mapping)
            for got, expected in zip(run(x, spec), run(plain, spec), strict=True):
                assert (got is None and expected is None) or assert_same_bits(got, expected) is None


def test_expanded_rows_are_read_as_they_show(device):
    x = sample((1, 70)).expand(9, 70)
    assert_same_bits(run(x, Spec()).codes, run(x.contiguous(), Spec()).codes)


@given(
    rows=st.integers(1, 40),
    cols=st.integers(1, 150),
    block=st.tuples(st.integers(1, 45), st.integers(1, 160)),
    mapping=st.sampled_from(sorted(MAPPINGS)),
    bits=st.integers(2, 8),
    dtype=st.sampled_from(DTYPES),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_matrix_and_blocks_match_the_reference(device, rows, cols, block, mapping, bits, dtype):
    check(sample((rows, cols), dtype), with_mapping(Spec(block=block), mapping, bits))


@pytest.mark.parametrize("cols", [4096, 4099])  # lines of 64 bytes, and nothing aligned
@pytest.mark.parametrize("block", [(1, None), (128, 128)], ids=str)
def test_what_is_more_than_caches_hold_has_the_codes_of_its_parts(isa, block, cols):
    x = sample((2048 + 128, cols))  # 44 MB of x and codes; on the CPU these go past the caches
    rows, width = block
    spec = Spec() if width is None else Spec(block=block)
    whole = ops.quantize(x, spec)
    for first in range(0, len(x), 1024):
        part = ops.quantize(x[first : first + 1024], spec)
        assert_same_bits(whole.codes[first : first + 1024], part.codes)
        assert_same_bits(whole.scale[first // rows : (first + 1024) // rows], part.scale)


@pytest.mark.parametrize("mapping", ["affine", "stochastic"])
@pytest.mark.parametrize(
    "granularity", [Spec(), Spec(axis="column"), Spec(axis="tensor"), Spec(block=(64, 64))], ids=str
)
def test_any_number_of_threads_gives_the_same_bits(device, granularity, mapping):
    spec, x = with_mapping(granularity, mapping), sample((600, 515))
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(run(x, spec))
    torch.set_num_threads(before)
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            if expected is not None:
                assert_same_bits(got, expected)


# What other formulas in use get wrong on these ranges: a code of 128, no zero point that fits, an
# error of the size of the numbers.
@pytest.mark.parametrize("ends", [(-1, 1), (-0.5, 1.5), (0, 6), (1, 2), (3, 3), (-2, -1)], ids=str)
@pytest.mark.parametrize("mapping", ["symmetric", "affine"])
@pytest.mark.parametrize("bits", [8, 4])
def test_every_number_of_a_range_comes_back_to_half_a_step(device, ends, mapping, bits):
    """The code of a number is the nearest one; the zero point is rounded too, so that at the very
    end of an affine range another half step may be cut. Products and 1 / scale are rounded."""
    x = torch.linspace(*ends, 1001)
    spec = with_mapping(Spec(), mapping, bits)
    got = run(x, spec)
    lowest, highest = spec.code_range
    assert got.codes.min() >= lowest
    assert got.codes.max() <= highest
    error = (ops.dequantize(*got[:3], spec) - x).abs()
    steps = 1.0 if mapping == "affine" else 0.5
    assert (error <= got.scale * steps + x.abs() * 4 * 2.0**-24).all()


def test_log2_codes_are_the_nearest_powers_of_two(device):
    """Of the largest: within sqrt(2), down to the smallest of them; sign and zero are kept."""
    x = torch.cat([torch.logspace(-2.0, 0.0, 400), torch.zeros(1)])
    x = torch.cat([x, -x])
    spec = Spec(bits=4, mapping="log2")
    got = run(x, spec)
    assert got.codes.abs().max() == 7
    value = ops.dequantize(*got[:3], spec)
    assert_same_bits(value.sign(), x.sign())
    kept = x.abs() > 2.0**-6
    ratio = (value / x)[kept]
    # The logarithm is that of a product which is rounded, by at most 2^-23 of it.
    assert (ratio.log2().abs() <= 0.5 + 2.0**-22).all()


def test_opcheck_passes_and_compile_gives_the_same():
    x, scale = torch.randn(6, 40), torch.empty(6)
    codes, sums = torch.empty(6, 40, dtype=torch.int8), torch.empty(6, dtype=torch.int32)
    arguments = (x, 1, 40, 0, 8, None, None, None, scale, None, codes, sums)
    opcheck(torch.ops.halfword.quantize.default, arguments)

    for spec in (Spec(symmetric=False), Spec(group_size=9), Spec(axis="column")):

        def quantize(x, spec=spec):
            return ops.quantize(x * 2, spec, row_sums=True)

        compiled = torch.compile(quantize, fullgraph=True)
        for got, expected in zip(compiled(x), quantize(x), strict=True):
            assert (got is None and expected is None) or assert_same_bits(got, expected) is None
