"""ops.gemm_int8: the sums are exact for every shape, layout and number of threads."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from halfword import ops

from .cases.gemm_int8 import EDGES
from .reference.gemm_int8 import gemm_int8 as reference
from .reference.gemm_int8 import product

SMALL = range(10)
TAILS = [1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129]


def codes(*shape):
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def both(b):
    """b as it is, and packed."""
    return b, ops.pack_int8(b)


@pytest.mark.parametrize("case", EDGES, ids=str)
def test_sums_are_exact(int8_device, case):
    a, b = codes(case.m, case.k), codes(case.n, case.k)
    zero_point = torch.randint(-128, 128, (case.m,), dtype=torch.int32)
    for operand in both(b):
        assert torch.equal(ops.gemm_int8(a, operand), product(a, b).int())
        shifted = ops.gemm_int8(a, operand, zero_point_a=zero_point)
        assert torch.equal(shifted, product(a, b, zero_point).int())


def assert_all_parts_are_exact(rows, columns, k):
    """Every part of a product is the product of parts: one reference serves them all."""
    a, b = codes(max(rows), k), codes(max(columns), k)
    wanted = product(a, b).int()
    for n in columns:
        for operand in both(b[:n]):
            for m in rows:
                got = ops.gemm_int8(a[:m], operand)
                assert torch.equal(got, wanted[:m, :n]), (m, n, k)


def test_every_small_size_is_exact(isa, one_thread):
    for k in SMALL:
        assert_all_parts_are_exact(SMALL, SMALL, k)


def test_every_tail_is_exact(isa, one_thread):
    for k in TAILS:
        assert_all_parts_are_exact([1, 6, 7, 16, 50], TAILS, k)


def test_parts_of_k_and_what_is_left_of_it_are_exact(isa, one_thread):
    """Few rows read b in up to four places at once, each a multiple of 64 columns."""
    for k in [127, 128, 130, 192, 255, 256, 257, 321, 511, 512]:
        assert_all_parts_are_exact([1, 2, 3, 4], [1, 17, 65], k)


def test_every_split_of_rows_is_exact(isa, one_thread):
    assert_all_parts_are_exact([*range(1, 34), 127, 128, 129, 193], [65], 68)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 300), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_any_size_at_any_address_is_exact(m, n, k, pad):
    a, b = codes(m, k + pad)[:, pad:], codes(n, k + 2 * pad)[:, pad : k + pad]
    for operand in both(b):
        assert torch.equal(ops.gemm_int8(a, operand), product(a, b).int())


LONG = [65_536, 65_537, 131_071, 131_072, 200_000]


@pytest.mark.parametrize("k", LONG)
def test_sums_that_are_as_large_as_can_be_are_exact(isa, k):
    """-128 and 127 in every combination: FP32 results are the exact sums, rounded once."""
    a = torch.stack([torch.full((k,), x, dtype=torch.int8) for x in (-128, 127, -128)])
    b = torch.stack([torch.full((k,), x, dtype=torch.int8) for x in (127, -128)])
    zero_point = torch.tensor([127, -128, 0], dtype=torch.int32)
    for operand in both(b):
        for zero in (None, zero_point):
            got = ops.gemm_int8(a, operand, zero_point_a=zero, out_dtype=torch.float32)
            assert torch.equal(got, product(a, b, zero).float())
        if k <= 131_071:
            assert torch.equal(ops.gemm_int8(a, operand), product(a, b).int())
        if k <= 65_536:
            got = ops.gemm_int8(a, operand, zero_point_a=zero_point)
            assert torch.equal(got, product(a, b, zero_point).int())


@pytest.mark.parametrize("m", [2, 60])
def test_long_sums_of_any_codes_are_exact(isa, m):
    a, b = codes(m, 70_000), codes(18, 70_000)
    zero_point = torch.tensor(-100, dtype=torch.int32)
    wanted = product(a, b, zero_point).float()
    for operand in both(b):
        got = ops.gemm_int8(a, operand, zero_point_a=zero_point, out_dtype=torch.float32)
        assert torch.equal(got, wanted)


def test_a_row_does_not_depend_on_how_many_there_are(int8_device):
    a, b = codes(64, 100), codes(70, 100)
    scale_a, scale_b = torch.rand(64), torch.rand(70)
    for operand in both(b):
        whole = ops.gemm_int8(a, operand, scale_a, scale_b)
        for m in (1, 2, 5, 6, 13):
            part = ops.gemm_int8(a[-m:], operand, scale_a[-m:], scale_b)
            assert torch.equal(part, whole[-m:])


def test_the_number_of_threads_changes_nothing(isa):
    a, b = codes(300, 512), codes(1000, 512)
    wanted, before = product(a, b).int(), torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            for operand in both(b):
                for m in (1, 300):
                    assert torch.equal(ops.gemm_int8(a[:m], operand), wanted[:m])
    finally:
        torch.set_num_threads(before)


def test_chunks_of_k_and_groups_of_rows_are_exact(isa):
    """Of 400 rows, 200 are multiplied by all panels before the others, in two blocks."""
    a, b = codes(400, 9000), codes(70, 9000)
    wanted = product(a, b).int()
    for operand in both(b):
        for m in (3, 60, 400):
            out = torch.zeros_like(wanted[:m])  # no memory that holds the last result still
            assert torch.equal(ops.gemm_int8(a[:m], operand, out=out), wanted[:m])


def test_any_strides_are_read_and_written(int8_device):
    a, b = codes(20, 30), codes(40, 30)
    wanted = reference(a, b)
    views = {
        "rows apart": lambda x: codes(len(x), 77)[:, 13 : 13 + 30].copy_(x),
        "columns apart": lambda x: x.repeat_interleave(2, 1)[:, ::2],
        "transposed": lambda x: x.t().contiguous().t(),
    }
    for name, view in views.items():
        out = torch.full((20, 50), 7.0)
        ops.gemm_int8(view(a), view(b), out=out[:, 3:43])
        assert torch.equal(out[:, 3:43], wanted), name
        assert (out[:, :3] == 7).all(), name
        assert (out[:, 43:] == 7).all(), name
    assert torch.equal(
        ops.gemm_int8(a[:1].expand(20, 30), b), reference(a[:1].expand(20, 30), b).int()
    )


def test_rows_far_apart_are_found(isa):
    """Offsets past 2^31: only what is touched takes memory."""
    far = torch.empty(3 << 30, dtype=torch.int8)
    a, b = far.as_strided((3, 20), (1 << 30, 1)), codes(5, 20)
    a.copy_(codes(3, 20))
    assert torch.equal(ops.gemm_int8(a, b), product(a, b).int())
    assert torch.equal(ops.gemm_int8(b, ops.pack_int8(a)), product(b, a).int())
    assert torch.equal(ops.gemm_int8(b, a), product(b, a).int())


def test_a_of_any_number_of_dimensions_has_that_of_out(int8_device):
    a, b = codes(2, 3, 16), codes(10, 16)
    wanted = reference(a.view(6, 16), b, scale := torch.rand(6), residual=torch.ones(6, 10))
    got = ops.gemm_int8(a, b, scale.view(2, 3), residual=torch.ones(2, 3, 10))
    assert torch.equal(got, wanted.view(2, 3, 10))
    assert torch.equal(ops.gemm_int8(a[0, 0], b), product(a[0, 0], b).view(10).int())
    assert ops.gemm_int8(a[:, :0], b).shape == (2, 0, 10)
