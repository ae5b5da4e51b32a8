"""quant.int4_weight: how a weight becomes 4-bit codes, and how much is lost."""

import pytest
import torch

from halfword import ops
from halfword.quant import Int4WeightOnly, Spec, int4_weight

from .compare import assert_same_bits

GROUPS = [32, 64, 128, None]
RECIPES = [
    Int4WeightOnly(32),
    Int4WeightOnly(32, symmetric=True),
    Int4WeightOnly(32, symmetric=True, scales="signed_max"),
    Int4WeightOnly(32, scales="mse"),
    Int4WeightOnly(32, symmetric=True, scales="mse"),
]
# The relative error of x W^T where both are Gaussian and a row has 4096 weights, by group size:
# measured on other 256 x 4096 and 512 x 4096 draws.
MEASURED = {
    Int4WeightOnly(symmetric=True): (0.0969, 0.1071, 0.1169, 0.157),
    Int4WeightOnly(symmetric=True, scales="signed_max"): (0.0857, 0.0950, 0.1031, 0.138),
    Int4WeightOnly(): (0.0808, 0.0913, 0.1009, 0.140),
}


def squared_errors(weight, recipe):
    """Of each group of 32."""
    found = int4_weight(weight, recipe)
    difference = found.dequantize().double() - weight.double()
    return difference.square().view(len(weight), -1, 32).sum(-1)


@pytest.mark.parametrize("recipe", MEASURED, ids=str)
def test_errors_are_those_that_were_measured(recipe):
    """To 3 %: half a percent for these draws, and what a draw of 4096 weights a row leaves open."""
    x, weight = torch.randn(64, 4096), torch.randn(96, 4096)
    y = x @ weight.t()
    for group, measured in zip(GROUPS, MEASURED[recipe], strict=True):
        found = int4_weight(weight, Int4WeightOnly(group, recipe.symmetric, scales=recipe.scales))
        error = ((x @ found.dequantize().t() - y).norm() / y.norm()).item()
        assert abs(error / measured - 1) < 0.03, group


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_affine_and_symmetric_codes_are_those_of_quantize(group):
    weight = torch.randn(5, 200)
    for symmetric in (False, True):
        found = int4_weight(weight, Int4WeightOnly(group, symmetric))
        wanted = ops.quantize(weight, Spec(bits=4, group_size=group or 200, symmetric=symmetric))
        assert_same_bits(found.codes, wanted.codes)
        assert_same_bits(found.scale, wanted.scale)
        assert (found.zero_point is None) == symmetric
        if not symmetric:
            assert_same_bits(found.zero_point, wanted.zero_point)
        assert (found.offset, found.group_size) == (None, group or 200)


def test_the_largest_magnitude_gets_code_minus_8_with_its_sign():
    weight = torch.randn(4, 64).clamp(-3, 3)
    weight[0, 5], weight[1, 7], weight[2, 40] = 4.0, -4.0, 8.0
    found = int4_weight(weight, Int4WeightOnly(64, symmetric=True, scales="signed_max"))
    assert found.scale[:3, 0].tolist() == [-0.5, 0.5, -1.0]
    assert [found.codes[row, at].item() for row, at in ((0, 5), (1, 7), (2, 40))] == [-8] * 3
    assert (found.codes.amin(1) == -8).all()
    assert_same_bits(found.dequantize()[0, 5], weight[0, 5])


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_search_is_never_worse_than_plain_rounding(symmetric):
    """For no group, but for what FP32 sums of 32 squares cannot tell apart."""
    weight = torch.randn(40, 256) * torch.rand(40, 1)
    weight[:10] = weight[:10].pow(3)
    weight[10:20].clamp_(min=0)
    weight[20, :32] = 0
    weight[21] = 3.0
    searched = squared_errors(weight, Int4WeightOnly(32, symmetric, scales="mse"))
    for plain in ("minmax", "signed_max") if symmetric else ("minmax",):
        errors = squared_errors(weight, Int4WeightOnly(32, symmetric, scales=plain))
        assert (searched <= errors * (1 + 32 * 2**-22)).all()
        assert searched.sum() < 0.97 * errors.sum()


def test_a_search_does_not_depend_on_what_else_is_searched():
    weight = torch.randn(3, 4096)
    for recipe in RECIPES[3:]:
        whole = int4_weight(weight.repeat(25, 1), recipe)  # in several chunks, cut elsewhere
        part = int4_weight(weight, recipe)
        assert_same_bits(whole.scale, part.scale.repeat(25, 1))
        assert_same_bits(whole.codes, part.codes.repeat(25, 1))


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_every_shape_packs_and_short_rows_are_a_group(recipe):
    for n, k in ((0, 5), (5, 0), (1, 1), (3, 31), (3, 33), (2, 100)):
        weight = torch.randn(n, k)
        found = int4_weight(weight, recipe)
        assert found.group_size == max(min(32, k), 1)
        again = ops.pack_int4(found).unpack()
        assert_same_bits(again.codes, found.codes)
        assert_same_bits(again.dequantize(), found.dequantize())
        worst = weight.abs().amax().item() * 2 / 15 if weight.numel() else 0.0
        assert ((found.dequantize() - weight).abs() <= worst + 1e-6).all() or recipe.scales == "mse"


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_zeros_and_what_is_too_small_are_zero(recipe):
    weight = torch.zeros(3, 64)
    weight[1] = 2.0**-126  # and a scale whose inverse overflows
    weight[2, 0] = 1.0
    found = int4_weight(weight, recipe)
    assert not found.dequantize()[:2].any()
    assert not found.scale[:2].any()
    assert found.scale.isfinite().all()
    assert found.dequantize()[2, 1:].abs().max() == 0


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_16_bit_weights_are_quantized_as_their_values(recipe):
    for dtype in (torch.bfloat16, torch.float16):
        weight = torch.randn(3, 64).to(dtype)
        assert_same_bits(
            int4_weight(weight, recipe).codes, int4_weight(weight.float(), recipe).codes
        )


def test_codes_may_be_found_by_the_caller():
    weight, seen = torch.randn(4, 64), []

    def down(weight, scale, zero_point, group_size):
        points = 0 if zero_point is None else zero_point.repeat_interleave(group_size, 1)
        exact = weight / scale.repeat_interleave(group_size, 1) + points
        seen.append((zero_point is None, exact.floor().clamp(-8, 7).char()))
        return seen[-1][1]

    for recipe in RECIPES[:2]:
        found, nearest = int4_weight(weight, recipe, rounding=down), int4_weight(weight, recipe)
        assert seen[-1][0] == recipe.symmetric
        assert_same_bits(found.codes, seen[-1][1])
        assert (found.codes < nearest.codes).any()
        assert_same_bits(found.scale, nearest.scale)


BAD_CODES = [
    (lambda w, *_: w, TypeError, "codes must be int8; got float32"),
    (lambda w, *_: w.char() * 0 + 8, ValueError, "codes must lie in -8..7; got 8"),
    (lambda w, *_: w.char()[1:] * 0, ValueError, r"rounding must return codes of shape \[4, 64\]"),
]


@pytest.mark.parametrize(
    ("rounding", "error", "message"), BAD_CODES, ids=["type", "range", "shape"]
)
def test_codes_that_are_none_are_named(rounding, error, message):
    with pytest.raises(error, match="int4_weight: " + message):
        int4_weight(torch.randn(4, 64), Int4WeightOnly(32), rounding=rounding)


def test_a_weight_that_is_none_is_named():
    for bad, error, message in (
        (torch.zeros(2, 3).double(), TypeError, "weight must be float32, .*; got float64"),
        (torch.zeros(2), ValueError, r"weight must be a matrix; got shape \[2\]"),
        (torch.tensor([[1.0, float("nan")]]), ValueError, "weight must be finite; got NaN or inf"),
        (torch.tensor([[1.0, float("-inf")]]), ValueError, "weight must be finite"),
    ):
        with pytest.raises(error, match="int4_weight: " + message):
            int4_weight(bad)


@pytest.mark.parametrize(
    "options",
    [
        {"group_size": 48},
        {"group_size": 0},
        {"group_size": 32.0},
        {"act_bits": 4},
        {"act_bits": True},
        {"scales": "max"},
        {"scales": "signed_max"},
        {"symmetric": 1},
    ],
    ids=str,
)
def test_recipes_check_their_fields(options):
    (field,) = options
    with pytest.raises(ValueError, match=f"^Int4WeightOnly: {field} must .*; got"):
        Int4WeightOnly(**options)
