"""ops.gemm_int8 of real numbers: what quantize and the product of its codes give, bit for bit."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .cases.gemm_int8 import EDGES
from .compare import assert_same_bits
from .reference.gemm_int8 import gemm_int8 as reference
from .test_gemm_int8 import both, codes
from .test_gemm_int8_finish import FLOATS, dtype_name


def problem(m, n, k, dtype=torch.float32):
    """Rows of different sizes, codes, and scales that make results of about 1."""
    rows = torch.randn(m, k) * torch.rand(m, 1)
    return rows.to(dtype), codes(n, k), (torch.rand(n) + 0.5) / (75 * max(k, 1) ** 0.5)


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
@pytest.mark.parametrize("case", EDGES, ids=str)
def test_rows_are_quantized_as_the_reference_does(int8_device, case, dtype):
    a, b, scale_b = problem(case.m, case.n, case.k, dtype)
    wanted = reference(a, b, None, scale_b, out_dtype=dtype)
    for operand in both(b):
        assert_same_bits(ops.gemm_int8(a, operand, None, scale_b), wanted, str(case))


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
def test_two_ops_and_one_have_the_same_bits(int8_device, dtype):
    """With all that follows a product."""
    a, b, scale_b = problem(13, 70, 80, dtype)
    row = ops.quantize(a)
    options = {"bias": torch.randn(70), "residual": torch.randn(13, 70).half()}
    codes_out = {"scale_out": torch.tensor(0.02), "zero_point_out": torch.tensor(-7).int()}
    for more in ({"out_dtype": torch.float16}, {"activation": "gelu"}, codes_out):
        for operand in both(b):
            got = ops.gemm_int8(a, operand, None, scale_b, **options, **more)
            more = {"out_dtype": dtype, **more} if more is not codes_out else more
            wanted = ops.gemm_int8(row.codes, operand, row.scale, scale_b, **options, **more)
            assert_same_bits(got, wanted)
    out, wanted = torch.ones(13, 70), torch.ones(13, 70)
    ops.gemm_int8(a, b, None, scale_b, out=out, beta=-0.5)
    ops.gemm_int8(row.codes, b, row.scale, scale_b, out=wanted, beta=-0.5)
    assert_same_bits(out, wanted)


ROWS = {
    "zeros": 0.0,
    "subnormal": 1e-42,  # 1 / scale overflows
    "largest": torch.finfo(torch.float32).max,
    "NaN": torch.nan,
    "inf": -torch.inf,
}


@pytest.mark.parametrize("row", ROWS)
def test_a_special_row_changes_no_other(int8_device, row):
    a, b, scale_b = problem(14, 70, 80)
    for m in (0, 8):
        a[m] = torch.where(torch.arange(80) == 77, ROWS[row], 0.0)
    wanted = reference(a, b, None, scale_b)
    got = ops.gemm_int8(a, b, None, scale_b)
    assert_same_bits(got, wanted, row)
    spoiled = got.isnan().any(1)
    assert spoiled.tolist() == [row in ("NaN", "inf") and m in (0, 8) for m in range(14)]
    assert got[spoiled].isnan().all()


def test_a_row_of_nan_has_the_code_of_zero(int8_device):
    a, b, _ = problem(3, 70, 80)
    a[1, 5] = torch.nan
    got = ops.gemm_int8(
        a, b, scale_out=torch.tensor(1.0), zero_point_out=torch.tensor(9, dtype=torch.int32)
    )
    assert (got[1] == 9).all()


def test_any_strides_of_rows_are_read(int8_device):
    a, b, scale_b = problem(20, 40, 30, torch.bfloat16)
    wanted = reference(a, b, None, scale_b, out_dtype=torch.bfloat16)
    views = {
        "rows apart": torch.randn(20, 77).bfloat16()[:, 13 : 13 + 30].copy_(a),
        "columns apart": a.repeat_interleave(2, 1)[:, ::2],
        "transposed": a.t().contiguous().t(),
        "three dimensions": a.view(4, 5, 30),
    }
    for name, view in views.items():
        got = ops.gemm_int8(view, b, None, scale_b)
        assert_same_bits(got, wanted.view(*view.shape[:-1], 40), name)
    got = ops.gemm_int8(a[:1].expand(20, 30), b, None, scale_b)
    assert_same_bits(got, wanted[:1].expand(20, 40))
    assert_same_bits(ops.gemm_int8(a[0], b, None, scale_b), wanted[0])


@pytest.mark.parametrize("m", [2, 30])
def test_a_long_row_is_one_row(isa, m):
    """Of several chunks, and of several exact sums."""
    for k in (9000, 70_000):
        a, b, scale_b = problem(m, 18, k)
        for operand in both(b):
            got = ops.gemm_int8(a, operand, None, scale_b)
            assert_same_bits(got, reference(a, b, None, scale_b), str(k))


def test_neither_threads_nor_other_rows_change_a_row(isa):
    a, b, scale_b = problem(300, 200, 512, torch.bfloat16)
    packed, before = ops.pack_int8(b), torch.get_num_threads()
    wanted = reference(a, b, None, scale_b, out_dtype=torch.bfloat16)
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            for m in (1, 5, 300):
                got = ops.gemm_int8(a[-m:], packed, None, scale_b)
                assert_same_bits(got, wanted[-m:])
    finally:
        torch.set_num_threads(before)


def test_more_rows_than_are_packed_at_a_time_are_quantized():
    """16 MB of codes are: the last two rows come after that."""
    a, b, scale_b = problem(1, 3, 8192, torch.float16)
    a = a.repeat(2050, 1)
    a[2049] *= 0.5
    got = ops.gemm_int8(a, b, None, scale_b)
    wanted = reference(a[-2:], b, None, scale_b, out_dtype=torch.float16)
    assert_same_bits(got, wanted[[0] * 2049 + [1]])


def test_the_result_is_of_the_dtype_of_the_rows():
    for dtype in FLOATS:
        a, b, scale_b = problem(2, 3, 4, dtype)
        assert ops.gemm_int8(a, b).dtype == dtype
        assert ops.gemm_int8(a, b, None, scale_b, bias=torch.ones(3)).dtype == dtype
        assert ops.gemm_int8(a, b, scale_out=torch.tensor(1.0)).dtype == torch.int8
        assert ops.gemm_int8(a, b, out=torch.empty(2, 3).half()).dtype == torch.float16
        assert ops.gemm_int8(a, b, out_dtype=torch.float32).dtype == torch.float32


def test_there_is_no_gradient():
    a, b, scale_b = problem(2, 3, 4)
    assert not ops.gemm_int8(a.requires_grad_(), b, None, scale_b).requires_grad


def test_opcheck_passes():
    a, b, scale_b = problem(13, 20, 80)
    out = torch.empty(13, 20)
    opcheck(
        torch.ops.halfword.gemm_int8.default,
        (a, b, 0, None, None, scale_b, None, None, None, 0, 0.0, None, None, out),
        test_utils=("test_schema", "test_faketensor"),  # the others do not look at dtypes
    )


def test_compile_keeps_the_graph_whole():
    a, b, scale_b = problem(13, 20, 80, torch.bfloat16)
    packed = ops.pack_int8(b)

    def layer(a, out):
        ops.gemm_int8(a, packed, None, scale_b, out=out, beta=1.0)
        return ops.gemm_int8(a, packed, None, scale_b, activation="relu") * 2

    out, wanted = torch.ones(13, 20), torch.ones(13, 20)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert_same_bits(compiled(a, out), layer(a, wanted))
    assert_same_bits(out, wanted)
