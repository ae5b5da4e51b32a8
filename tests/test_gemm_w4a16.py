"""ops.gemm_w4a16: sums are within the contract's bound of the true ones, exact where FP32 is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from halfword import ops

from .cases.gemm_w4a16 import EDGES, GROUPS
from .compare import assert_same_bits
from .reference.gemm_w4a16 import bound
from .reference.gemm_w4a16 import gemm_w4a16 as reference

FLOATS = [torch.float32, torch.bfloat16, torch.float16]
KINDS = ["symmetric", "zero points", "offsets"]


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.")


def weight(n, k, group, kind="symmetric", scale_dtype=torch.float32, exact=False):
    """Any codes; scales of either sign. Exact: powers of two, and offsets that are multiples."""
    group = group or max(k, 1)
    shape = (n, -(-k // group))
    codes = torch.randint(-8, 8, (n, k), dtype=torch.int8)
    scale = torch.randn(shape) * 0.1
    offset = torch.randn(shape) * 0.3
    if exact:
        scale = 2.0 ** torch.randint(-3, 1, shape) * (1 - 2 * torch.randint(0, 2, shape))
        offset = torch.randint(-4, 5, shape) / 8
    zero_point = torch.randint(-8, 9, shape, dtype=torch.int32) if kind == "zero points" else None
    offset = offset.to(scale_dtype) if kind == "offsets" else None
    return ops.Int4Weight(codes, scale.to(scale_dtype), zero_point, offset, group)


def whole_numbers(m, k, dtype=torch.float32):
    """Activations whose products with exact weights have FP32 sums that need no rounding."""
    return torch.randint(-8, 9, (m, k)).to(dtype)


def of_many_magnitudes(m, k):
    """Activations whose sums tell in which order they were added."""
    return torch.randn(m, k) * 2.0 ** torch.randint(-9, 10, (m, k))


def sums(a, packed, **options):
    return ops.gemm_w4a16(a, packed, out_dtype=torch.float32, **options)


def assert_within(got, a, w):
    error = (got.double() - reference(a, w)).abs()
    assert (error <= bound(a, w)).all(), (error / bound(a, w)).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", EDGES, ids=str)
def test_sums_are_within_the_bound(bf16_device, case, kind):
    w = weight(case.n, case.k, case.group, kind)
    packed = ops.pack_int4(w)
    for dtype in FLOATS:
        a = torch.randn(case.m, case.k).to(dtype)
        assert_within(sums(a, packed), a, w)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", EDGES, ids=str)
def test_sums_that_fp32_holds_are_exact(bf16_device, case, kind):
    w = weight(case.n, case.k, case.group, kind, exact=True)
    packed = ops.pack_int4(w)
    for dtype in FLOATS:
        a = whole_numbers(case.m, case.k, dtype)
        assert torch.equal(sums(a, packed), reference(a, w).float())


@pytest.mark.parametrize("scale_dtype", FLOATS, ids=dtype_name)
@pytest.mark.parametrize("group", GROUPS)
def test_scales_of_every_dtype_and_usual_group(bf16_device, group, scale_dtype):
    for kind in KINDS:
        w = weight(70, 300, group, kind, scale_dtype)
        for a in (torch.randn(3, 300).bfloat16(), torch.randn(9, 300)):
            assert_within(sums(a, ops.pack_int4(w)), a, w)


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
def test_every_code_and_zero_point_is_exact(bf16_device, dtype):
    """One column of a at a time is 1: the result is the weight itself."""
    codes = (torch.arange(17 * 16) % 16 - 8).to(torch.int8).view(17, 16).repeat(1, 2)
    zero_point = torch.arange(-8, 9, dtype=torch.int32).view(17, 1)
    w = ops.Int4Weight(codes, torch.full((17, 1), -0.5), zero_point, None, 32)
    for one in (w, w._replace(zero_point=None)):
        a = torch.eye(32).to(dtype)
        assert torch.equal(sums(a, ops.pack_int4(one)), reference(a, one).float())


SMALL = range(11)
TAILS = [31, 32, 33, 40, 63, 64, 65, 127, 128, 129]


def assert_all_parts_are_exact(rows, columns, k, group):
    """Every part of a product is the product of parts: one reference serves them all."""
    w = weight(max(columns), k, group, "zero points", exact=True)
    a = whole_numbers(max(rows), k)
    wanted = reference(a, w).float()
    for n in columns:
        part = [x if x is None else x[:n] for x in w[:4]]
        packed = ops.pack_int4(ops.Int4Weight(*part, w.group_size))
        for m in rows:
            for dtype in (torch.float32, torch.bfloat16):
                got = sums(a[:m].to(dtype), packed)
                assert torch.equal(got, wanted[:m, :n]), (m, n, k, dtype)


def test_every_small_size_is_exact(isa, one_thread):
    for k in SMALL:
        assert_all_parts_are_exact(SMALL, SMALL, k, 32)


def test_every_tail_is_exact(isa, one_thread):
    for k in TAILS:
        assert_all_parts_are_exact([1, 6, 13], [1, 63, 64, 65, 129], k, 32)


def test_every_split_of_rows_is_exact(isa, one_thread):
    assert_all_parts_are_exact([*range(1, 34), 191, 192, 193, 385], [65], 68, 64)


@given(
    st.integers(0, 60),
    st.integers(0, 150),
    st.integers(0, 300),
    st.integers(0, 5),
    st.integers(0, 3),
    st.sampled_from(KINDS),
    st.sampled_from(FLOATS),
)
@settings(max_examples=30, deadline=None)
def test_any_size_at_any_address_is_exact(m, n, k, steps, pad, kind, dtype):
    w = weight(n, k, 32 * steps, kind, exact=True)
    a = whole_numbers(m, k + pad, dtype)[:, pad:]
    assert torch.equal(sums(a, ops.pack_int4(w)), reference(a, w).float())


def test_long_rows_are_exact(isa):
    """Whole numbers up to 2^24 in one group, and in thousands."""
    for group in (0, 32):
        w = weight(6, 40_000, group, exact=True)
        for dtype in FLOATS:
            a = torch.randint(-1, 2, (7, 40_000)).to(dtype)
            assert torch.equal(sums(a, ops.pack_int4(w)), reference(a, w).float())


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_how_many_there_are(bf16_device, kind):
    packed = ops.pack_int4(weight(70, 200, 64, kind))
    for dtype in FLOATS:
        a = of_many_magnitudes(64, 200).to(dtype)
        whole = sums(a, packed)
        for m in (1, 2, 5, 6, 13):
            assert_same_bits(sums(a[-m:], packed), whole[-m:], f"{m} rows, {dtype}")


def test_the_number_of_threads_changes_nothing(isa):
    packed, before = ops.pack_int4(weight(400, 256, 128, "offsets")), torch.get_num_threads()
    try:
        for dtype in FLOATS:
            a = of_many_magnitudes(300, 256).to(dtype)
            for m in (1, 300):
                torch.set_num_threads(1)
                wanted = sums(a[:m], packed)
                for threads in (2, 3, 8):
                    torch.set_num_threads(threads)
                    assert_same_bits(sums(a[:m], packed), wanted)
    finally:
        torch.set_num_threads(before)


def test_more_rows_than_are_packed_at_a_time():
    """A long row fills the scratch memory for a with the least number of rows."""
    a = torch.randint(-1, 2, (1600, 3000)).bfloat16()
    w = weight(3, 3000, 0, "offsets", exact=True)
    assert torch.equal(sums(a, ops.pack_int4(w)), reference(a, w).float())


def test_what_is_not_finite_stays_in_its_row(bf16_device):
    w = weight(66, 70, 32, exact=True)
    for dtype in FLOATS:
        a = whole_numbers(9, 70, dtype)
        a[1, 69], a[4, 0], a[7, 33] = torch.nan, torch.inf, -torch.inf
        got, wanted = sums(a, ops.pack_int4(w)), reference(a, w).float()
        assert_same_bits(got.isnan(), wanted.isnan())
        finite = wanted.nan_to_num(0.0)
        assert torch.equal(got.nan_to_num(0.0), finite)
        assert finite[[0, 2, 3, 5, 6, 8]].abs().max() > 0
        assert wanted.isinf().any()


def test_a_scale_that_is_nan_stays_in_its_column(bf16_device):
    w = weight(66, 70, 32, exact=True)
    w.scale[3, 1], w.scale[65, 2] = torch.nan, torch.nan
    for dtype in FLOATS:
        a = whole_numbers(9, 70, dtype)
        got, wanted = sums(a, ops.pack_int4(w)), reference(a, w).float()
        assert_same_bits(got.isnan(), wanted.isnan())
        assert torch.equal(got.nan_to_num(0.0), wanted.nan_to_num(0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_and_largest_numbers_are_within_the_bound(bf16_device, kind):
    w = weight(20, 96, 32, kind)
    for dtype in (torch.float32, torch.bfloat16):
        for size in (1e-45, 1e-40, 1e-38, 1e-36, 1e30):
            a = (torch.randn(5, 96) * size).to(dtype)
            assert_within(sums(a, ops.pack_int4(w)), a, w)
    a = (torch.randn(5, 96) * 1e-6).half()  # subnormal
    assert_within(sums(a, ops.pack_int4(w)), a, w)
    w = w._replace(scale=w.scale * 1e-30, offset=None)
    a = torch.randn(5, 96).bfloat16() * 1e-12
    assert_within(sums(a, ops.pack_int4(w)), a, w)
