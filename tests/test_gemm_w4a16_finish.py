"""ops.gemm_w4a16: what follows the sums, each operation rounded once; shapes, strides, graphs."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .compare import assert_same_bits
from .reference.gemm_output import gemm_output as finish
from .reference.gemm_w4a16 import gemm_w4a16 as reference
from .test_gemm_w4a16 import FLOATS, dtype_name, sums, weight, whole_numbers


def problem(m, n):
    """Activations, a packed weight, and the FP32 sums."""
    a, packed = torch.randn(m, 100), ops.pack_int4(weight(n, 100, 32))
    return a, packed, sums(a, packed)


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
@pytest.mark.parametrize("n", [64, 70])
def test_bias_then_residual_are_added(bf16_device, n, dtype):
    a, packed, y = problem(9, n)
    bias, residual = torch.randn(n).to(dtype), torch.randn(9, n + 5)[:, :n].to(dtype)
    for out_dtype in FLOATS:
        for options in ({}, {"bias": bias}, {"residual": residual},
                        {"bias": bias, "residual": residual}):  # fmt: skip
            got = ops.gemm_w4a16(a, packed, out_dtype=out_dtype, **options)
            assert_same_bits(got, finish(y, out_dtype=out_dtype, **options), str(options.keys()))


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "silu"])
def test_activation_comes_after_the_bias(bf16_device, activation):
    a, packed, y = problem(20, 130)
    options = {"bias": torch.randn(130), "activation": activation}
    got, wanted = sums(a, packed, **options), finish(y, **options)
    # a few roundings of numbers about as large as the result, or as 1 where the function bends
    bound = 4 * torch.finfo(torch.float32).eps * (wanted.abs() + 1)
    assert ((got - wanted).abs() <= bound).all()
    assert wanted.min() < -0.1 or activation == "relu"
    assert wanted.max() > 3


@pytest.mark.parametrize("beta", [1.0, -0.7])
def test_beta_adds_to_what_is_there(bf16_device, beta):
    a, packed, y = problem(9, 70)
    start = torch.randn(9, 70)
    out = start.clone()
    assert ops.gemm_w4a16(a, packed, out=out, beta=beta) is out
    assert_same_bits(out, finish(y, out=start, beta=beta))


def test_without_beta_nothing_of_out_is_read(bf16_device):
    a, packed, y = problem(9, 70)
    out = torch.full((9, 70), torch.nan)
    assert_same_bits(ops.gemm_w4a16(a, packed, out=out), y)


@pytest.mark.parametrize("zero_point", [None, -128, 5])
def test_int8_results_are_codes_of_their_scale(bf16_device, zero_point):
    a, packed, y = problem(9, 70)
    options = {
        "bias": torch.randn(70),
        "scale_out": torch.tensor(0.03),
        "zero_point_out": None if zero_point is None else torch.tensor([zero_point]).int(),
    }
    wanted = finish(y, out_dtype=torch.int8, **options)
    assert_same_bits(ops.gemm_w4a16(a, packed, **options), wanted)
    assert wanted.max() == 127


def test_any_strides_are_read_and_written(bf16_device):
    a, w = whole_numbers(20, 30), weight(40, 30, 32, exact=True)
    packed, wanted = ops.pack_int4(w), reference(a, w).float()
    views = {
        "rows apart": lambda x: torch.randn(len(x), 77)[:, 13:43].copy_(x),
        "columns apart": lambda x: x.repeat_interleave(2, 1)[:, ::2],
        "transposed": lambda x: x.t().contiguous().t(),
    }
    for name, view in views.items():
        out = torch.full((20, 50), 7.0)
        ops.gemm_w4a16(view(a), packed, out=out[:, 3:43])
        assert torch.equal(out[:, 3:43], wanted), name
        assert (out[:, :3] == 7).all(), name
        assert (out[:, 43:] == 7).all(), name
    one = a[:1].expand(20, 30)
    assert torch.equal(ops.gemm_w4a16(one, packed), reference(one, w).float())


def test_a_of_any_number_of_dimensions_has_that_of_out(bf16_device):
    a, w = whole_numbers(6, 16), weight(10, 16, 0, exact=True)
    packed, wanted = ops.pack_int4(w), reference(a, w).float()
    residual = torch.ones(2, 3, 10)
    got = ops.gemm_w4a16(a.view(2, 3, 16), packed, residual=residual)
    assert torch.equal(got, wanted.view(2, 3, 10) + residual)
    assert torch.equal(ops.gemm_w4a16(a[0], packed), wanted[0])
    assert ops.gemm_w4a16(a.view(2, 3, 16)[:, :0], packed).shape == (2, 0, 10)


def test_default_dtypes():
    packed = ops.pack_int4(weight(3, 4, 0))
    for dtype in FLOATS:
        assert ops.gemm_w4a16(torch.ones(2, 4, dtype=dtype), packed).dtype == dtype
    a = torch.ones(2, 4)
    assert ops.gemm_w4a16(a, packed, scale_out=torch.tensor(1.0)).dtype == torch.int8
    assert ops.gemm_w4a16(a, packed, out=torch.empty(2, 3).half()).dtype == torch.float16


def test_opcheck_passes():
    packed = ops.pack_int4(weight(20, 40, 32, "zero points"))
    opcheck(
        torch.ops.halfword.gemm_w4a16.default,
        (torch.randn(13, 40), packed.data, packed.layout, packed.scale, packed.zero_point, None, 32,
         torch.randn(20), torch.randn(13, 20), 1, 0.0, None, None, torch.empty(13, 20)),
    )  # fmt: skip


def test_compile_keeps_the_graph_whole():
    packed = ops.pack_int4(weight(20, 40, 32, "offsets"))

    def layer(a, out):
        y = ops.gemm_w4a16(a, packed, activation="relu")
        ops.gemm_w4a16(a, packed, out=out, beta=1.0)
        return y * 2

    a, out, wanted = torch.randn(13, 40), torch.ones(13, 20), torch.ones(13, 20)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert_same_bits(compiled(a, out), layer(a, wanted))
    assert_same_bits(out, wanted)
