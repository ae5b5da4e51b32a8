"""ops.fake_quantize: what is left of numbers that were quantized."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from halfword import ops
from halfword.quant import Spec

from .cases.quantize import CASES, LARGE, MAPPINGS, with_mapping
from .compare import assert_same_bits
from .reference.fake_quantize import fake_quantize as reference
from .reference.fake_quantize_backward import fake_quantize_backward as backward_reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
INF, NAN = float("inf"), float("nan")


def names(value):
    return str(value).removeprefix("torch.")


def sample(shape, dtype=torch.float32):
    """Numbers of many magnitudes, more above zero than below."""
    return (torch.randn(shape).exp() * (torch.rand(shape) - 0.3)).to(dtype)


def seed_of(spec):
    return 5 if spec.rounding == "stochastic" else None


def check(x, spec, **given_scales):
    got = ops.fake_quantize(x, spec, seed=seed_of(spec), **given_scales)
    assert_same_bits(got, reference(x, spec, seed=5, **given_scales), str(spec))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_the_reference_bit_for_bit(device, case):
    for i, mapping in enumerate(MAPPINGS):
        dtype = DTYPES[(i + len(case.why)) % 3]
        check(sample(case.shape, dtype), with_mapping(case.spec, mapping))


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_blocks_of_any_size_match_the_reference(device, case):
    check(sample(case.shape), with_mapping(case.spec, "affine-stochastic"))


@given(
    shape=st.sampled_from([(), (1,), (33,), (5, 7), (9, 70), (2, 3, 40), (0, 3), (3, 0)]),
    cut=st.sampled_from(
        [{}, {"axis": "column"}, {"axis": "tensor"}, {"group_size": 8}, {"group_size": 33}]
    ),
    mapping=st.sampled_from(list(MAPPINGS)),
    bits=st.integers(2, 8),
    dtype=st.sampled_from(DTYPES),
    given_scale=st.booleans(),
    size=st.sampled_from([1e-30, 1e-3, 1.0, 1e4]),
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_is_dequantize_of_quantize_for_any_spec(
    device, shape, cut, mapping, bits, dtype, given_scale, size
):
    spec = with_mapping(Spec(**cut), mapping, bits)
    x = (sample(shape) * size).to(dtype)
    options = {"seed": seed_of(spec)}
    if given_scale:
        codes = ops.quantize(x, spec, **options)
        options |= {"scale": codes.scale * 0.7, "zero_point": codes.zero_point}
    codes = ops.quantize(x, spec, **options)
    wanted = ops.dequantize(codes.codes, codes.scale, codes.zero_point, spec, dtype=dtype)
    assert_same_bits(ops.fake_quantize(x, spec, **options), wanted)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_special_numbers_and_scales_match_the_reference(device, mapping):
    """As rows and as columns. A zero is +0 whatever rounds to it."""
    scales = torch.tensor([0.1, 0.0, -0.2, NAN, INF, -INF, 1e-40, 3e38])
    x = torch.tensor([NAN, INF, -INF, 1e38, -1e38, 0.0, -0.0, 0.01, -0.01, *torch.randn(33)])
    x = x.repeat(8, 1)
    zero = torch.full((8,), 3, dtype=torch.int32)
    spec = with_mapping(Spec(), mapping)
    columns = with_mapping(Spec(axis="column"), mapping)
    options = {"scale": scales, "zero_point": None if spec.symmetric else zero}
    check(x, spec, **options)
    check(x.t(), columns, **options)
    for bad in (x[:, 1:], x[:, 5:7], x[:, 7:]):  # an inf; zeros; numbers only
        check(bad, spec)
    out = ops.fake_quantize(x, spec, seed=seed_of(spec), **options)[0]
    assert not out[out == 0].signbit().any()


def test_strides_do_not_matter(device):
    x = sample((24, 36))
    for view in (x.t(), x[:, ::2], x[3:, 5:], x[::2], x[:1].expand(7, 36), x.view(4, 6, 36)[:, 1]):
        for axis in ("row", "column"):
            check(view, Spec(axis=axis, symmetric=False))


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_with_computed_scales_the_gradient_passes_as_it_is(kind_of_device, mapping):
    x = sample((6, 40)).requires_grad_()
    spec = with_mapping(Spec(group_size=16), mapping)
    d_out = torch.randn(6, 40)
    ops.fake_quantize(x, spec, seed=seed_of(spec)).backward(d_out)
    assert_same_bits(x.grad, d_out)


@pytest.mark.parametrize("learned", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("mapping", ["affine", "affine-stochastic"])
def test_gradients_of_given_scales_are_those_of_the_backward_op(kind_of_device, mapping, learned):
    spec = with_mapping(Spec(axis="column"), mapping, 4)
    x, d_out = sample((6, 40)).requires_grad_(), torch.randn(6, 40)
    scale = (torch.rand(40) / 8).requires_grad_(learned[0])
    zero_point = (torch.randn(40) * 4).requires_grad_(learned[1])
    codes = zero_point.detach().round().clamp(-8, 7).int()
    out = ops.fake_quantize(
        x, spec, scale=scale, zero_point=zero_point, seed=seed_of(spec), grad_factor=0.25
    )
    assert_same_bits(out.detach(), reference(x.detach(), spec, scale.detach(), codes, 5))
    out.backward(d_out)
    wanted = backward_reference(d_out, x.detach(), scale.detach(), codes, spec, 5)
    assert_same_bits(x.grad, wanted[0])
    for tensor, gradient, has_one in zip((scale, zero_point), wanted[1:], learned, strict=True):
        assert (tensor.grad is not None) == has_one
        if has_one:
            assert_same_bits(tensor.grad, gradient * 0.25)


def test_a_learned_step_size_learns_the_range(kind_of_device):
    """From a step ten times too large, LSQ halves the error of 4-bit codes."""
    x, spec = torch.randn(4, 256), Spec(bits=4)
    scale = (x.abs().amax(-1) * 10 / 7).requires_grad_()
    optimizer = torch.optim.Adam([scale], lr=0.1)

    def error():
        return (ops.fake_quantize(x, spec, scale=scale) - x).square().mean()

    before = error().item()
    for _ in range(60):
        optimizer.zero_grad()
        error().backward()
        optimizer.step()
    assert error().item() < before / 2


def test_opcheck_passes():
    x, out, scale = torch.randn(4, 9), torch.empty(4, 9), torch.empty(4)
    op = torch.ops.halfword.fake_quantize.default
    opcheck(op, (x, 1, 9, 0, 8, None, None, None, scale, None, out))
    opcheck(op, (x, 1, 9, 0, 8, torch.tensor([3]), torch.rand(4), None, None, None, out))


@pytest.mark.parametrize("mapping", ["symmetric", "affine", "affine-stochastic", "log2"])
def test_compile_gives_the_same_values_and_gradients(mapping):
    spec = with_mapping(Spec(), mapping)

    def train(x, scale, zero_point):
        computed = ops.fake_quantize(x, spec, seed=seed_of(spec))
        options = {} if spec.symmetric else {"zero_point": zero_point}
        given_one = ops.fake_quantize(
            x * 2, spec, scale=scale, seed=seed_of(spec), grad_factor=0.5, **options
        )
        return (computed + given_one).square().sum()

    def gradients(function):
        torch.manual_seed(3)
        x = torch.randn(4, 33, requires_grad=True)
        scale = torch.full((4,), 0.02, requires_grad=mapping != "log2")
        zero_point = torch.full((4,), 1.3, requires_grad=True)
        loss = function(x, scale, zero_point)
        loss.backward()
        return [loss.detach(), *(t.grad for t in (x, scale, zero_point) if t.grad is not None)]

    compiled = torch.compile(train, fullgraph=True, backend="aot_eager")
    for got, wanted in zip(gradients(compiled), gradients(train), strict=True):
        assert_same_bits(got, wanted)


X, SCALE = torch.ones(2, 4), torch.ones(2)
ZERO = torch.zeros(2, dtype=torch.int32)
AFFINE = Spec(symmetric=False)
LEARNED = torch.ones(2, requires_grad=True)
BAD = [
    ((X.int(),), {}, TypeError, "x must be float32, bfloat16 or float16; got int32"),
    ((X,), {"scale": torch.ones(3)}, ValueError, r"scale must have shape \[2\]; got \[3\]"),
    ((X,), {"scale": SCALE.double()}, TypeError, "scale must be float32; got float64"),
    ((X,), {"zero_point": ZERO}, ValueError, "zero_point must be None with a mapping that has"),
    ((X, AFFINE), {"zero_point": ZERO}, ValueError, "zero_point must be None without a scale"),
    ((X, AFFINE), {"scale": SCALE}, ValueError, "zero_point must be a tensor with a scale; got N"),
    (
        (X, AFFINE),
        {"scale": SCALE, "zero_point": ZERO.long()},
        TypeError,
        "zero_point must be int32; got int64",
    ),
    ((X,), {"seed": 3}, ValueError, "seed must be None with rounding to nearest; got a seed"),
    (
        (X, Spec(rounding="stochastic")),
        {"seed": torch.ones(2, dtype=torch.int64)},
        ValueError,
        "seed must have one element; got 2",
    ),
    (
        (X, Spec(mapping="log2")),
        {"scale": LEARNED},
        ValueError,
        "scale must not require a gradient with log2",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[b[3][:40] for b in BAD]
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match="fake_quantize: " + message):
        ops.fake_quantize(*arguments, **options)
