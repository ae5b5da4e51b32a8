"""ops.gemm_int8: what is done to the exact sums, each operation rounded once."""

import pytest
import torch
from torch.library import opcheck

from halfword import _core, ops

from .cases.gemm_int8 import EDGES
from .compare import assert_same_bits
from .reference.gemm_int8 import gemm_int8 as reference
from .test_gemm_int8 import both, codes

FLOATS = [torch.float32, torch.bfloat16, torch.float16]


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.")


def problem(m, n, k):
    """Codes, and scales that make results of about 1."""
    size = 1 / (75 * 75 * max(k, 1) ** 0.5)  # a code is about 75 off
    return codes(m, k), codes(n, k), torch.rand(m) + 0.5, (torch.rand(n) + 0.5) * size


@pytest.mark.parametrize("out_dtype", FLOATS, ids=dtype_name)
@pytest.mark.parametrize("case", EDGES, ids=str)
def test_scaled_results_match_the_reference_bit_for_bit(int8_device, case, out_dtype):
    a, b, scale_a, scale_b = problem(case.m, case.n, case.k)
    wanted = reference(a, b, scale_a, scale_b, out_dtype=out_dtype)
    for operand in both(b):
        got = ops.gemm_int8(a, operand, scale_a, scale_b, out_dtype=out_dtype)
        assert_same_bits(got, wanted, str(case))


SCALES = {
    "none": lambda m, n: (None, None),
    "one each": lambda m, n: (torch.rand(()), torch.rand(1)),
    "one and one a column": lambda m, n: (torch.rand(()), torch.rand(n)),
    "one a row and one": lambda m, n: (torch.rand(m), torch.rand(())),
    "expanded": lambda m, n: (torch.rand(1).expand(m), torch.rand(1).expand(n)),
    "every other": lambda m, n: (torch.rand(2 * m)[::2], torch.rand(2 * n)[::2]),
    "special": lambda m, n: (
        torch.tensor([0.0, torch.inf, -1.0] * m)[:m],
        torch.tensor([1.0, torch.nan, 0.0, 1e38] * n)[:n],
    ),
}


@pytest.mark.parametrize("scales", SCALES)
def test_every_pair_of_scales_is_applied(int8_device, scales):
    a, b, _, _ = problem(7, 66, 40)
    scale_a, scale_b = SCALES[scales](7, 66)
    wanted = reference(a, b, scale_a, scale_b)
    got = ops.gemm_int8(a, b, scale_a, scale_b, out_dtype=torch.float32)
    assert_same_bits(got, wanted, scales)


@pytest.mark.parametrize("dtype", FLOATS, ids=dtype_name)
@pytest.mark.parametrize("n", [64, 70])
def test_bias_then_residual_are_added(int8_device, n, dtype):
    a, b, scale_a, scale_b = problem(9, n, 40)
    bias, residual = torch.randn(n).to(dtype), torch.randn(9, n + 5)[:, :n].to(dtype)
    for out_dtype in FLOATS:
        options = {"bias": bias, "residual": residual, "out_dtype": out_dtype}
        wanted = reference(a, b, scale_a, scale_b, **options)
        assert_same_bits(ops.gemm_int8(a, b, scale_a, scale_b, **options), wanted)
    wanted = reference(a, b, bias=bias)
    assert_same_bits(ops.gemm_int8(a, b, bias=bias), wanted, "bias alone")
    wanted = reference(a, b, residual=residual)
    assert_same_bits(ops.gemm_int8(a, b, residual=residual), wanted, "residual alone")


def test_a_sum_of_minus_zero_stays_one(int8_device):
    """An absent bias is not a bias of zero."""
    a = b = torch.zeros(1, 4, dtype=torch.int8)
    got = ops.gemm_int8(a, b, torch.tensor(-1.0))
    assert got.signbit().all()


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "silu"])
def test_activation_comes_after_the_bias(int8_device, activation):
    a, b, scale_a, scale_b = problem(20, 130, 40)
    options = {"bias": torch.randn(130), "activation": activation}
    got = ops.gemm_int8(a, b, 8 * scale_a, scale_b, **options)
    wanted = reference(a, b, 8 * scale_a, scale_b, **options)
    # a few roundings of numbers about as large as the result, or as 1 where the function bends
    bound = 4 * torch.finfo(torch.float32).eps * (wanted.abs() + 1)
    assert ((got - wanted).abs() <= bound).all()
    assert wanted.min() < -0.1 or activation == "relu"
    assert wanted.max() > 5


@pytest.mark.parametrize("n", [64, 70])
@pytest.mark.parametrize("beta", [1.0, -0.7])
def test_beta_adds_to_what_is_there(int8_device, n, beta):
    a, b, scale_a, scale_b = problem(9, n, 40)
    start = torch.randn(9, n)
    options = {"bias": torch.randn(n), "beta": beta}
    wanted = reference(a, b, scale_a, scale_b, out=start, **options)
    for operand in both(b):
        out = start.clone()
        assert ops.gemm_int8(a, operand, scale_a, scale_b, out=out, **options) is out
        assert_same_bits(out, wanted)


def test_without_beta_nothing_of_out_is_read(int8_device):
    a, b, scale_a, scale_b = problem(9, 70, 40)
    out = torch.full((9, 70), torch.nan)
    ops.gemm_int8(a, b, scale_a, scale_b, out=out)
    assert_same_bits(out, reference(a, b, scale_a, scale_b))


@pytest.mark.parametrize("n", [64, 70])
@pytest.mark.parametrize("zero_point", [None, -128, 5, 127])
def test_int8_results_are_codes_of_their_scale(int8_device, n, zero_point):
    a, b, scale_a, scale_b = problem(9, n, 40)
    options = {
        "scale_out": torch.tensor(0.01),
        "zero_point_out": None if zero_point is None else torch.tensor([zero_point]).int(),
    }
    wanted = reference(a, b, scale_a, scale_b, out_dtype=torch.int8, **options)
    got = ops.gemm_int8(a, b, scale_a, scale_b, **options)
    assert_same_bits(got, wanted)
    assert wanted.min() == -128
    assert wanted.max() == 127


def test_int8_results_end_a_chain_of_layers(int8_device):
    """relu and a residual of another dtype before the codes."""
    a, b, scale_a, scale_b = problem(9, 70, 40)
    options = {
        "residual": torch.randn(9, 70).half(),
        "activation": "relu",
        "scale_out": torch.tensor(0.03),
        "zero_point_out": torch.tensor(-128, dtype=torch.int32),
    }
    wanted = reference(a, b, scale_a, scale_b, out_dtype=torch.int8, **options)
    assert_same_bits(ops.gemm_int8(a, b, scale_a, scale_b, **options), wanted)


def test_zero_points_leave_the_sum_before_it_is_rounded(int8_device):
    a, b, scale_a, scale_b = problem(9, 70, 3000)
    for zero_point in (torch.tensor([-128]), torch.randint(-128, 128, (9,))):
        zero = zero_point.int()
        wanted = reference(a, b, scale_a, scale_b, zero_point_a=zero)
        for operand in both(b):
            got = ops.gemm_int8(a, operand, scale_a, scale_b, zero_point_a=zero)
            assert_same_bits(got, wanted)


def everything(n):
    a, b, scale_a, scale_b = problem(13, n, 80)
    options = {
        "zero_point_a": torch.randint(-128, 128, (13,), dtype=torch.int32),
        "bias": torch.randn(n).bfloat16(),
        "residual": torch.randn(13, n).half(),
    }
    return (a, b, scale_a, scale_b), options


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "silu"])
def test_every_instruction_set_has_the_same_bits(int8_device, activation):
    arguments, options = everything(70)
    got = ops.gemm_int8(*arguments, activation=activation, **options)
    in_use = _core.isa()
    from .softgpu.redirect import original

    with original():
        _core.set_isa("portable")
        wanted = ops.gemm_int8(*(x.cpu() for x in arguments), activation=activation,
                               **{k: v.cpu() for k, v in options.items()})  # fmt: skip
        _core.set_isa(in_use)
    assert_same_bits(got.cpu(), wanted)


def test_default_dtypes():
    a, b, scale_a, _ = problem(2, 3, 4)
    assert ops.gemm_int8(a, b).dtype == torch.int32
    assert ops.gemm_int8(a, b, zero_point_a=torch.tensor([1]).int()).dtype == torch.int32
    assert ops.gemm_int8(a, b, scale_a).dtype == torch.float32
    assert ops.gemm_int8(a, b, bias=torch.ones(3).half()).dtype == torch.float32
    assert ops.gemm_int8(a, b, scale_out=torch.tensor(1.0)).dtype == torch.int8
    assert ops.gemm_int8(a, b, out=torch.empty(2, 3).half()).dtype == torch.float16


def test_opcheck_passes():
    (a, b, scale_a, scale_b), options = everything(20)
    out = torch.empty(13, 20)
    opcheck(
        torch.ops.halfword.gemm_int8.default,
        (a, b, 0, None, scale_a, scale_b, *options.values(), 1, 0.0, None, None, out),
    )


def test_compile_keeps_the_graph_whole():
    (a, b, scale_a, scale_b), options = everything(20)
    packed = ops.pack_int8(b)

    def layer(a, scale_a, out):
        y = ops.gemm_int8(a, packed, scale_a, scale_b, activation="relu", **options)
        ops.gemm_int8(a, b, scale_a, scale_b, out=out, beta=1.0)
        return y * 2

    out, wanted = torch.ones(13, 20), torch.ones(13, 20)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert_same_bits(compiled(a, scale_a, out), layer(a, scale_a, wanted))
    assert_same_bits(out, wanted)
