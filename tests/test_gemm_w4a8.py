"""ops.gemm_w4a8: the bits of the reference for every shape, group, layout and number of threads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from halfword import ops

from .cases.gemm_w4a8 import EDGES
from .compare import assert_same_bits
from .reference.gemm_w4a8 import gemm_w4a8 as reference

FLOATS = [torch.float32, torch.bfloat16, torch.float16]
KINDS = ["plain", "zero points", "offsets"]


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.")


def activations(*shape):
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def weight_of(n, k, group, kind="plain", dtype=torch.float32):
    """Random codes of every value, and scales of both signs."""
    groups = -(-k // group)
    scale = (torch.randn(n, groups) / 100).to(dtype)
    zero_point = torch.randint(-8, 9, (n, groups), dtype=torch.int32)
    offset = torch.randn(n, groups).to(dtype)
    return ops.Int4Weight(
        torch.randint(-8, 8, (n, k), dtype=torch.int8),
        scale,
        zero_point if kind == "zero points" else None,
        offset if kind == "offsets" else None,
        group,
    )


def packed(weight):
    return ops.pack_int4(weight, activation_bits=8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", EDGES, ids=str)
def test_results_match_the_reference_bit_for_bit(int8_device, case, kind):
    a, scale_a = activations(case.m, case.k), torch.rand(case.m)
    for dtype in FLOATS:
        weight = weight_of(case.n, case.k, case.group, kind, dtype)
        got = ops.gemm_w4a8(a, packed(weight), scale_a)
        assert_same_bits(got, reference(a, weight, scale_a), str(case))


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_of_rows_is_right(isa, one_thread, kind):
    weight = weight_of(70, 200, 64, kind)
    a, b = activations(200, 200), packed(weight)
    wanted = reference(a, weight)
    for m in (*range(1, 34), 191, 192, 193, 200):
        assert_same_bits(ops.gemm_w4a8(a[:m], b), wanted[:m], f"{m} rows")


@pytest.mark.parametrize("kind", KINDS)
def test_every_tail_of_k_is_right(isa, one_thread, kind):
    for k in (*range(1, 12), 31, 32, 33, 40, 41, 63, 64, 65, 95, 96, 97):
        for group in (32, 64, k):
            weight = weight_of(65, k, group, kind)
            a, b = activations(9, k), packed(weight)
            wanted = reference(a, weight)
            for m in (1, 9):
                assert_same_bits(ops.gemm_w4a8(a[:m], b), wanted[:m], f"k {k} group {group}")


@given(
    st.integers(0, 40), st.integers(0, 140), st.integers(0, 700), st.integers(1, 12),
    st.sampled_from(KINDS), st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_any_size_at_any_address_is_right(m, n, k, groups_of_32, kind, pad):
    weight = weight_of(n, k, 32 * groups_of_32, kind)
    a = activations(m, k + pad)[:, pad:]
    assert_same_bits(ops.gemm_w4a8(a, packed(weight)), reference(a, weight))


@pytest.mark.parametrize("m", [1, 7])
@pytest.mark.parametrize("group", [65_536, 65_568, 98_304, 200_000])
def test_long_groups_are_cut_and_their_parts_rounded(isa, m, group):
    """The largest products there are: sums of 2^27, which FP32 does not hold all of."""
    k = 200_000
    codes = torch.randint(-8, 8, (3, k), dtype=torch.int8)
    codes[0], codes[1] = -8, 7
    groups = -(-k // group)
    zero_point = torch.tensor([8, -8, 3], dtype=torch.int32)[:, None].repeat(1, groups)
    weight = ops.Int4Weight(codes, torch.randn(3, groups), zero_point, None, group)
    a = torch.full((m, k), -128, dtype=torch.int8)
    a[:, ::3] = -127
    assert_same_bits(ops.gemm_w4a8(a, packed(weight)), reference(a, weight))


def test_a_row_does_not_depend_on_how_many_there_are(int8_device):
    a, scale_a = activations(64, 100), torch.rand(64)
    b = packed(weight_of(70, 100, 32, "zero points"))
    whole = ops.gemm_w4a8(a, b, scale_a)
    for m in (1, 2, 5, 6, 13):
        assert torch.equal(ops.gemm_w4a8(a[-m:], b, scale_a[-m:]), whole[-m:])


def test_the_number_of_threads_changes_nothing(isa):
    weight = weight_of(1000, 512, 128)
    a, b, before = activations(300, 512), packed(weight), torch.get_num_threads()
    wanted = reference(a, weight)
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            for m in (1, 300):
                assert_same_bits(ops.gemm_w4a8(a[:m], b), wanted[:m], f"{threads} threads")
    finally:
        torch.set_num_threads(before)


SPECIAL = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e38, -1e-40])


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
def test_special_scales_are_applied(int8_device, dtype):
    weight = weight_of(len(SPECIAL), 64, 32)
    scale = SPECIAL[:, None].repeat(1, 2).to(dtype)
    weight = weight._replace(scale=scale)
    a = activations(7, 64)
    assert_same_bits(ops.gemm_w4a8(a, packed(weight)), reference(a, weight))


def test_sums_begin_at_plus_zero(int8_device):
    """0 times a negative scale is -0, and what it is added to is +0."""
    weight = weight_of(3, 32, 32)._replace(scale=torch.full((3, 1), -1.0))
    got = ops.gemm_w4a8(torch.zeros(2, 32, dtype=torch.int8), packed(weight))
    assert not got.signbit().any()


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
@pytest.mark.parametrize("shape", [(1, 200), (9, 200), (200, 40), (3, 0)], ids=str)
def test_real_rows_are_quantized_first(int8_device, shape, dtype):
    weight = weight_of(70, shape[1], 64, "zero points")
    a = torch.randn(shape).to(dtype)
    got = ops.gemm_w4a8(a, packed(weight))
    assert_same_bits(got, reference(a, weight))
    codes, scale = ops.quantize(a)[:2]
    assert_same_bits(got, ops.gemm_w4a8(codes, packed(weight), scale, out_dtype=dtype))


def test_a_row_that_is_not_finite_is_nan_and_alone_so(int8_device):
    weight = weight_of(70, 64, 64)
    a = torch.randn(9, 64)
    a[2, 3], a[4, 5] = torch.inf, torch.nan
    got = ops.gemm_w4a8(a, packed(weight))
    assert got[[2, 4]].isnan().all()
    assert_same_bits(got, reference(a, weight))


def test_any_strides_are_read_and_written(int8_device):
    weight = weight_of(40, 30, 30)
    a, b = activations(20, 30), packed(weight)
    wanted = reference(a, weight)
    views = {
        "rows apart": lambda x: activations(len(x), 77)[:, 13 : 13 + 30].copy_(x),
        "columns apart": lambda x: x.repeat_interleave(2, 1)[:, ::2],
        "transposed": lambda x: x.t().contiguous().t(),
    }
    for name, view in views.items():
        out = torch.full((20, 50), 7.0)
        ops.gemm_w4a8(view(a), b, out=out[:, 3:43])
        assert_same_bits(out[:, 3:43], wanted, name)
        assert (out[:, :3] == 7).all(), name
        assert (out[:, 43:] == 7).all(), name
    same = a[:1].expand(20, 30)
    assert_same_bits(ops.gemm_w4a8(same, b), reference(same, weight))


def test_a_of_any_number_of_dimensions_has_that_of_out(int8_device):
    weight = weight_of(10, 32, 32)
    a, b, scale = activations(2, 3, 32), packed(weight), torch.rand(2, 3)
    wanted = reference(a.view(6, 32), weight, scale, residual=torch.ones(6, 10))
    got = ops.gemm_w4a8(a, b, scale, residual=torch.ones(2, 3, 10))
    assert_same_bits(got, wanted.view(2, 3, 10))
    assert_same_bits(ops.gemm_w4a8(a[0, 0], b), reference(a[0, :1], weight)[0])
    assert ops.gemm_w4a8(a[:, :0], b).shape == (2, 0, 10)
