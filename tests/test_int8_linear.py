"""halfword.nn.int8_linear: exact where codes are, close where not, and it keeps codes only."""

import math
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from halfword.nn import int8_linear
from halfword.quant import Int8Training

from .compare import assert_same_bits
from .reference.int8_linear import int8_linear as reference
from .reference.int8_linear import int8_linear_backward as reference_backward
from .reference.int8_linear import quantize_rows

FP32, BF16, FP16 = torch.float32, torch.bfloat16, torch.float16
RECIPES = [
    *(Int8Training(*switches) for switches in product((True, False), repeat=3)),
    Int8Training(hadamard=16),
    Int8Training(outliers=2),
    Int8Training(outliers=3, hadamard=8, grad_input=False),
]


def make(tokens=37, inputs=50, outputs=30, x_dtype=FP32, dtype=FP32, bias=True):
    x = torch.randn(tokens, inputs).to(x_dtype).requires_grad_()
    weight = nn.Parameter((torch.randn(outputs, inputs) / inputs**0.5).to(dtype))
    bias = nn.Parameter(torch.randn(outputs).to(dtype)) if bias else None
    return x, weight, bias, torch.randn(tokens, outputs).to(x_dtype)


def decibels(exact, got):
    """Signal to quantization noise."""
    noise = (got.double() - exact).square().sum()
    return 10 * math.log10(exact.square().sum() / noise)


def run(x, weight, bias, dy, recipe=Int8Training()):  # noqa: B008
    """Output and gradients."""
    y = int8_linear(x, weight, bias, recipe)
    inputs = [each for each in (x, weight, bias) if each is not None]
    return y.detach(), *torch.autograd.grad(y, inputs, dy)


# Values.


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_output_and_gradients_are_bit_for_bit_those_of_plain_torch(recipe):
    x, weight, bias, dy = make()
    y, dx, dw, db = run(x, weight, bias, dy, recipe)
    with torch.no_grad():
        assert_same_bits(y, reference(x, weight, bias, recipe), "y")
        expected_dx, expected_dw = reference_backward(dy, x, weight, recipe)
        assert_same_bits(dx, expected_dx, "dx")
        assert_same_bits(dw, expected_dw, "dw")
        assert_same_bits(db, dy.sum(0), "db")


@pytest.mark.parametrize("recipe", [Int8Training(), Int8Training(hadamard=16)], ids=str)
@pytest.mark.parametrize(
    ("x_dtype", "dtype"),
    [(BF16, BF16), (FP16, FP16), (BF16, FP32), (FP32, BF16)],
    ids=["bf16", "fp16", "x-bf16", "weight-bf16"],
)
def test_16_bit_tensors_too_and_gradients_have_the_dtype_of_what_they_are_of(
    x_dtype, dtype, recipe, kind_of_device
):
    x, weight, bias, dy = make(x_dtype=x_dtype, dtype=dtype)
    y, dx, dw, db = run(x, weight, bias, dy, recipe)
    assert_same_bits(db, dy.float().sum(0).to(dtype), "db")
    with torch.no_grad():
        assert_same_bits(y, reference(x, weight, bias, recipe), "y")
        expected_dx, expected_dw = reference_backward(dy, x, weight, recipe)
        assert_same_bits(dx, expected_dx, "dx")
        assert_same_bits(dw, expected_dw, "dw")


def test_integers_are_multiplied_exactly_whatever_axis_a_scale_lies_on():
    """Where each row and column reaches 127 or -127, every scale is 1."""

    def integers(rows, cols):
        m = torch.randint(-127, 128, (rows, cols)).float()
        for i in range(max(rows, cols)):
            m[i % rows, i % cols] = 127 if i % 2 else -127
        return m

    x, weight = integers(24, 16).requires_grad_(), nn.Parameter(integers(20, 16))
    bias, dy = nn.Parameter(integers(1, 20)[0]), integers(24, 20)
    results = run(x, weight, bias, dy)
    y = F.linear(x, weight, bias)
    exact = (y, *torch.autograd.grad(y, (x, weight, bias), dy))
    for got, expected in zip(results, exact, strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("recipe", [RECIPES[0], *RECIPES[8:]], ids=str)
def test_all_three_products_are_20_decibels_above_their_noise(recipe, size):
    """The bar that others set; codes of 8 bits leave about 40."""
    x, weight, bias, dy = make(size, size, size)
    y, dx, dw, _ = run(x, weight, bias, dy, recipe)
    x, weight, bias, dy = (each.detach().double() for each in (x, weight, bias, dy))
    assert decibels(F.linear(x, weight, bias), y) > 20
    assert decibels(dy @ weight, dx) > 20
    assert decibels(dy.T @ x, dw) > 20


def test_outlier_columns_and_rotations_each_keep_large_columns_from_drowning_the_rest():
    x, weight, _, dy = make(64, 64, 64)
    with torch.no_grad():
        x[:, 3] *= 300
        weight[:, 3] /= 300  # so that the others matter as much
    exact = x.detach().double() @ weight.detach().double().T
    noisy, split, rotated = (
        decibels(exact, run(x, weight, None, dy, recipe)[0])
        for recipe in (Int8Training(), Int8Training(outliers=1), Int8Training(hadamard=64))
    )
    assert split > noisy + 20
    assert rotated > noisy + 3  # x has most of the noise, and its largest element is 8 times less


def test_a_nan_is_seen_in_what_it_has_a_part_in():
    x, weight, bias, dy = make(5, 8, 6)
    with torch.no_grad():
        x[2, 3] = math.nan
        dy[1, 4] = math.inf
    y, dx, dw, _ = run(x, weight, bias, dy)
    assert y.isnan().all(1).tolist() == [False, False, True, False, False]
    assert dx.isnan().all(1).tolist() == [False, True, False, False, False]
    assert dw.isnan()[4].all()
    assert dw.isnan()[:, 3].all()
    assert dw.isnan().sum() == 8 + 6 - 1


# Shapes.


@pytest.mark.parametrize("shape", [(8,), (1, 8), (0, 8), (3, 0, 8), (2, 3, 5, 8)], ids=str)
def test_leading_dimensions_are_tokens(shape):
    weight, bias = nn.Parameter(torch.randn(6, 8)), nn.Parameter(torch.randn(6))
    x, dy = torch.randn(shape, requires_grad=True), torch.randn(*shape[:-1], 6)
    y, dx, dw, db = run(x, weight, bias, dy)
    flat = run(x.detach().reshape(-1, 8).requires_grad_(), weight, bias, dy.reshape(-1, 6))
    assert y.shape == (*shape[:-1], 6)
    assert dx.shape == shape
    for got, expected in zip((y, dx, dw, db), flat, strict=True):
        assert_same_bits(got.reshape(expected.shape), expected)
    if 0 in shape:
        assert not dw.any()


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 3), (3, 0), (1, 1)])
def test_layers_without_inputs_or_outputs_are_legal(inputs, outputs):
    x, weight, bias, dy = make(4, inputs, outputs)
    y, dx, dw, _ = run(x, weight, bias, dy)
    assert y.shape == (4, outputs)
    assert dx.shape == x.shape
    assert dw.shape == weight.shape
    if inputs == 0:
        assert_same_bits(y, bias.detach().expand(4, -1))


def test_any_strides_give_the_same_bits():
    x, weight, bias, dy = make()
    expected = run(x, weight, bias, dy)
    strided = [torch.stack((each, each), -1)[..., 0] for each in (x.detach(), weight.detach(), dy)]
    assert not any(each.is_contiguous() for each in strided)
    got = run(strided[0].requires_grad_(), strided[1].requires_grad_(), bias, strided[2])
    for a, b in zip(got, expected, strict=True):
        assert_same_bits(a, b)
    y = int8_linear(x, weight, bias)
    y.sum().backward()  # the gradient is one number, expanded
    assert_same_bits(x.grad, run(x, weight, bias, torch.ones_like(dy))[1])


# What is kept, and where gradients go.


def kept_bytes(function, parameters):
    """Bytes that a call saves for its backward, beside parameters."""
    own = {each.data_ptr() for each in parameters if each is not None}
    saved = {}

    def pack(tensor):
        if tensor.data_ptr() not in own:
            saved[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = function()
    return sum(saved.values()), y


def test_eight_bits_of_each_input_element_are_kept_and_a_scale_a_column():
    x, weight, bias, _ = make(64, 32, 48, BF16, BF16)
    parameters = (weight, bias)
    assert kept_bytes(lambda: int8_linear(x, weight, bias), parameters)[0] == 64 * 32 + 4 * 32
    plain = Int8Training(grad_weight=False)
    assert kept_bytes(lambda: int8_linear(x, weight, bias, plain), parameters)[0] == 2 * 64 * 32
    with torch.no_grad():
        assert kept_bytes(lambda: int8_linear(x, weight, bias), parameters)[0] == 0
    weight.requires_grad_(False)
    assert kept_bytes(lambda: int8_linear(x, weight, bias), parameters)[0] == 0


def test_only_wanted_gradients_are_computed():
    x, weight, bias, dy = make()
    full = run(x, weight, bias, dy)
    for i, each in enumerate((x, weight, bias), 1):
        (alone,) = torch.autograd.grad(int8_linear(x, weight, bias), each, dy)
        assert_same_bits(alone, full[i])
    y = int8_linear(x, weight.detach(), None)
    assert_same_bits(torch.autograd.grad(y, x, dy)[0], full[1])


@pytest.mark.parametrize("grad_weight", [True, False], ids=["int8", "plain"])
def test_main_grad_takes_the_gradient_and_grad_stays_none(grad_weight):
    recipe = Int8Training(grad_weight=grad_weight)
    x, weight, bias, dy = make(dtype=BF16, x_dtype=BF16)
    first = run(x, weight, bias, dy, recipe)[2]
    weight.main_grad = torch.full_like(weight, 1000.0, dtype=FP32)
    int8_linear(x, weight, bias, recipe).backward(dy)
    int8_linear(x, weight, bias, recipe).backward(dy)
    assert weight.grad is None
    assert bias.grad is not None
    added = weight.main_grad - 1000
    # Twice the gradient before its rounding to bfloat16; adding to 1000 rounds to 2^-14 at most.
    assert ((added / 2 - first.float()).abs() <= 2.0**-8 * first.float().abs() + 2.0**-13).all()


def test_main_grad_counts_past_256_where_bfloat16_would_not():
    x, weight = torch.ones(1, 1, dtype=BF16), nn.Parameter(torch.ones(1, 1, dtype=BF16))
    weight.main_grad = torch.zeros(1, 1)
    for dy in (256.0, 1.0):
        int8_linear(x, weight).backward(torch.full((1, 1), dy, dtype=BF16))
    assert weight.main_grad.item() == 257


def test_grad_dtype_is_the_dtype_of_the_gradient():
    x, weight, bias, dy = make(dtype=BF16, x_dtype=BF16)
    weight.grad_dtype = FP32
    int8_linear(x, weight, bias).backward(dy)
    assert weight.grad.dtype == FP32
    assert_same_bits(weight.grad.to(BF16), reference_backward(dy, x, weight, Int8Training())[1])
    assert (weight.grad.to(BF16).float() != weight.grad).any()


# How it gets along with torch.


def test_stochastic_gradients_repeat_under_a_seed_and_are_right_on_average():
    x, weight, bias, dy = make(8, 16, 12)
    recipe = Int8Training(stochastic_grad=True)

    def gradients(seed):
        torch.manual_seed(seed)
        return run(x, weight, bias, dy, recipe)

    first, again, other = gradients(1), gradients(1), gradients(2)
    for a, b in zip(first, again, strict=True):
        assert_same_bits(a, b)
    assert_same_bits(first[0], other[0])  # the output is not rounded so
    assert not torch.equal(first[1], other[1])
    assert not torch.equal(first[2], other[2])

    draws = 300
    samples = [gradients(seed) for seed in range(draws)]
    with torch.no_grad():
        means = dy.double() @ through_codes(weight.T).T, dy.T.double() @ through_codes(x.T).T
    for place, mean in enumerate(means, 1):
        values = torch.stack([sample[place] for sample in samples]).double()
        error = (values.mean(0) - mean).abs()
        assert (error <= 5 * values.std(0) / draws**0.5 + 1e-6).all()  # five standard errors


def through_codes(rows):
    """A matrix after its rows were codes."""
    codes, scale = quantize_rows(rows)
    return codes * scale.double()[:, None]


def test_autocast_gives_the_input_its_dtype():
    x, weight, bias, dy = make()
    expected = run(x.detach().bfloat16().requires_grad_(), weight, bias, dy.bfloat16())
    with torch.autocast("cpu", BF16):
        y = int8_linear(x, weight, bias)
    assert y.dtype == BF16
    got = (y.detach(), *torch.autograd.grad(y, (x, weight, bias), dy.bfloat16()))
    assert got[1].dtype == FP32
    for a, b in zip(got, expected, strict=True):
        assert_same_bits(a, b.to(a.dtype))


@pytest.mark.parametrize("recipe", [RECIPES[0], RECIPES[-1]], ids=str)
def test_compiles_as_one_graph_with_the_same_bits(recipe):
    x, weight, bias, dy = make()
    expected = run(x, weight, bias, dy, recipe)
    compiled = torch.compile(int8_linear, fullgraph=True, backend="aot_eager", dynamic=False)
    y = compiled(x, weight, bias, recipe)
    got = (y.detach(), *torch.autograd.grad(y, (x, weight, bias), dy))
    for a, b in zip(got, expected, strict=True):
        assert_same_bits(a, b)


def test_a_compiled_step_adds_to_main_grad():
    x, weight, _, dy = make()
    expected = run(x, weight, None, dy)[2]
    weight.main_grad = torch.zeros_like(weight)
    compiled = torch.compile(int8_linear, fullgraph=True, backend="aot_eager", dynamic=False)
    compiled(x, weight).backward(dy)
    assert_same_bits(weight.main_grad, expected)
    assert weight.grad is None


def test_activation_checkpointing_gives_the_same_bits():
    x, weight, bias, dy = make()
    expected = run(x, weight, bias, dy)
    y = checkpoint(int8_linear, x, weight, bias, use_reentrant=False)
    for a, b in zip(
        (y.detach(), *torch.autograd.grad(y, (x, weight, bias), dy)), expected, strict=True
    ):
        assert_same_bits(a, b)


def test_differentiating_twice_is_an_error():
    x, weight, bias, _ = make()
    y = int8_linear(x, weight, bias)
    (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        dx.sum().backward()


# Errors.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": torch.zeros(2, 8).double()}, TypeError, "x must be float32, bfloat16 or float16"),
        ({"weight": torch.zeros(4, 8).int()}, TypeError, "weight must be float32"),
        ({"bias": torch.zeros(4).double()}, TypeError, "bias must be float32"),
        ({"weight": torch.zeros(8)}, ValueError, r"weight must be a matrix; got shape \[8\]"),
        ({"x": torch.zeros(2, 7)}, ValueError, r"x must have 8 columns; got shape \[2, 7\]"),
        ({"x": torch.zeros(())}, ValueError, r"x must have 8 columns; got shape \[\]"),
        ({"bias": torch.zeros(1)}, ValueError, r"bias must have shape \[4\]; got \[1\]"),
        (
            {"recipe": Int8Training(outliers=9)},
            ValueError,
            "recipe must have at most 8 outliers.*; got 9",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_does_not_fit_is_named(change, error, message):
    arguments = {"x": torch.zeros(2, 8), "weight": torch.zeros(4, 8), "bias": torch.zeros(4)}
    with pytest.raises(error, match=f"^int8_linear: {message}"):
        int8_linear(**{**arguments, **change})


@pytest.mark.parametrize(
    ("main_grad", "error", "message"),
    [
        (torch.zeros(4, 8).bfloat16(), TypeError, "must be float32; got torch.bfloat16"),
        (torch.zeros(8, 4), ValueError, r"must have shape \[4, 8\]; got \[8, 4\]"),
    ],
)
def test_a_main_grad_that_does_not_fit_is_named(main_grad, error, message):
    weight = nn.Parameter(torch.zeros(4, 8))
    weight.main_grad = main_grad
    with pytest.raises(error, match=f"^int8_linear: weight.main_grad {message}"):
        int8_linear(torch.zeros(2, 8), weight)
