"""ops.gemm_w4a8: what is done to the sums is what every product does."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .compare import assert_same_bits
from .reference.gemm_w4a8 import gemm_w4a8 as reference
from .test_gemm_w4a8 import FLOATS, activations, dtype_name, packed, weight_of


def problem(m, n, kind="zero points"):
    weight = weight_of(n, 80, 32, kind)
    return activations(m, 80), weight, torch.rand(m) / 50


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
@pytest.mark.parametrize("m", [2, 9])
@pytest.mark.parametrize("n", [64, 70])
def test_options_are_applied_in_order(int8_device, n, m, dtype):
    a, weight, scale_a = problem(m, n)
    options = {
        "bias": torch.randn(n).to(dtype),
        "residual": torch.randn(m, n + 5)[:, :n].to(dtype),
        "activation": "relu",
    }
    for out_dtype in FLOATS:
        wanted = reference(a, weight, scale_a, **options, out_dtype=out_dtype)
        got = ops.gemm_w4a8(a, packed(weight), scale_a, **options, out_dtype=out_dtype)
        assert_same_bits(got, wanted)


def test_beta_adds_to_what_is_there(int8_device):
    a, weight, scale_a = problem(9, 70)
    start = torch.randn(9, 70)
    out = start.clone()
    assert ops.gemm_w4a8(a, packed(weight), scale_a, out=out, beta=-0.7) is out
    assert_same_bits(out, reference(a, weight, scale_a, out=start, beta=-0.7))


@pytest.mark.parametrize("zero_point", [None, -128, 5])
def test_int8_results_are_codes_of_their_scale(int8_device, zero_point):
    a, weight, scale_a = problem(40, 70)
    options = {
        "scale_out": torch.tensor(0.01),
        "zero_point_out": None if zero_point is None else torch.tensor([zero_point]).int(),
    }
    got = ops.gemm_w4a8(a, packed(weight), scale_a, **options)
    wanted = reference(a, weight, scale_a, out_dtype=torch.int8, **options)
    assert_same_bits(got, wanted)
    assert len(wanted.unique()) > 100


def test_default_dtypes():
    a, weight, _ = problem(2, 3)
    b = packed(weight)
    assert ops.gemm_w4a8(a, b).dtype == torch.float32
    assert ops.gemm_w4a8(a.half(), b).dtype == torch.float16
    assert ops.gemm_w4a8(a.half(), b, out_dtype=torch.float32).dtype == torch.float32
    assert ops.gemm_w4a8(a, b, out=torch.empty(2, 3).half()).dtype == torch.float16
    assert ops.gemm_w4a8(a.half(), b, scale_out=torch.tensor(1.0)).dtype == torch.int8


def test_opcheck_passes():
    a, weight, scale_a = problem(13, 20)
    b = packed(weight)
    opcheck(
        torch.ops.halfword.gemm_w4a8.default,
        (a, b.data, b.layout, b.scale, b.zero_point, b.offset, b.group_size, scale_a,
         torch.randn(20), torch.randn(13, 20), 1, 0.0, None, None, torch.empty(13, 20)),
    )  # fmt: skip


def test_compile_keeps_the_graph_whole():
    a, weight, scale_a = problem(13, 20)
    b = packed(weight)

    def layer(x, a, scale_a, out):
        ops.gemm_w4a8(a, b, scale_a, out=out, beta=1.0)
        return ops.gemm_w4a8(x, b, activation="relu") * 2

    x, out, wanted = torch.randn(13, 80), torch.ones(13, 20), torch.ones(13, 20)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert_same_bits(compiled(x, a, scale_a, out), layer(x, a, scale_a, wanted))
    assert_same_bits(out, wanted)
