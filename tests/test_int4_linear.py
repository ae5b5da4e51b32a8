"""nn.Int4Linear: a linear layer whose weights are 4-bit codes."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from halfword import ops
from halfword.nn import Int4Linear
from halfword.ops import Int4Weight
from halfword.quant import Int4WeightOnly, int4_weight, quantize_

from .compare import assert_same_bits

RECIPES = [
    Int4WeightOnly(32),
    Int4WeightOnly(None, symmetric=True),
    Int4WeightOnly(64, act_bits=8),
    Int4WeightOnly(32, symmetric=True, act_bits=8, scales="signed_max"),
]
PRODUCTS = {8: ops.gemm_w4a8, 16: ops.gemm_w4a16}
# What a row of 96 Gaussian weights loses in groups of up to that many; 8-bit activations add less
# than a hundredth of it.
WORST = 0.13


def imported(outputs=12, inputs=96, group=32, dtype=torch.float16, kind="zero_point"):
    """A weight as a checkpoint has it."""
    shape = (outputs, -(-inputs // group))
    codes = torch.randint(-8, 8, (outputs, inputs), dtype=torch.int8)
    zero_point = torch.randint(-8, 9, shape, dtype=torch.int32) if kind == "zero_point" else None
    offset = torch.randn(shape).to(dtype) if kind == "offset" else None
    return Int4Weight(codes, torch.randn(shape).div(8).to(dtype), zero_point, offset, group)


def error(got, expected):
    return ((got - expected).norm() / expected.norm()).item()


def state_of(layer):
    return {key: value.clone() for key, value in layer.state_dict().items()}


def assert_same_state(got, wanted):
    assert list(got) == list(wanted)
    for key, value in wanted.items():
        assert_same_bits(got[key], value, key)


# The layer is its product.


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_it_is_one_product_with_the_packed_weight(kind_of_device, recipe):
    linear, x = nn.Linear(96, 12), torch.randn(2, 3, 96)
    packed = ops.pack_int4(int4_weight(linear.weight, recipe), activation_bits=recipe.act_bits)
    expected = PRODUCTS[recipe.act_bits](x, packed, bias=linear.bias)
    layer = quantize_(linear, recipe)
    assert type(layer) is Int4Linear
    assert layer.bias is linear.bias
    for _ in range(2):  # packed, and found packed
        assert_same_bits(layer(x).detach(), expected.detach())


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_results_and_gradients_are_close_to_those_of_the_layer_it_stands_for(recipe):
    linear = nn.Linear(96, 12)
    layer = quantize_(copy.deepcopy(linear), recipe)
    assert [name for name, _ in layer.named_parameters()] == ["bias"]
    mine, other = (torch.randn(6, 96).requires_grad_() for _ in range(2))
    other.data.copy_(mine.data)
    y, expected = layer(mine), linear(other)
    dy = torch.randn_like(y)
    y.backward(dy)
    expected.backward(dy)
    assert error(y, expected) < WORST
    assert error(mine.grad, other.grad) < WORST
    assert_same_bits(layer.bias.grad, dy.sum(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("kind", ["symmetric", "zero_point", "offset"])
def test_the_gradient_is_that_of_the_dequantized_weight(kind_of_device, dtype, kind):
    layer = Int4Linear.from_int4(imported(kind=kind), torch.randn(12).to(dtype))
    x, dy = torch.randn(5, 96, dtype=dtype).requires_grad_(), torch.randn(5, 12, dtype=dtype)
    y = layer(x)
    assert y.dtype == dtype
    y.backward(dy)
    assert_same_bits(x.grad, dy @ layer.dequantized_weight().to(dtype))
    assert_same_bits(layer.bias.grad, dy.float().sum(0).to(dtype))


def test_the_gradient_is_of_the_weight_that_was_multiplied():
    layer, x = Int4Linear.from_int4(imported()), torch.randn(3, 96).requires_grad_()
    before, y = layer.dequantized_weight(), layer(x)
    layer.weight_scale.neg_()
    y.sum().backward()
    assert_same_bits(x.grad, torch.ones(3, 12) @ before)
    assert error(layer(x), -y) < 1e-6


def test_nothing_of_the_input_is_kept():
    layer, x, saved = Int4Linear.from_int4(imported()), torch.randn(64, 96), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        layer(x.requires_grad_())
    assert sum(each.nbytes for each in saved) < x.nbytes / 4


@pytest.mark.parametrize("bits", [8, 16])
def test_columns_of_the_input_are_taken_in_the_order_of_the_weight(kind_of_device, bits):
    weight, order = imported(), torch.randperm(96)
    plain, ordered = (
        Int4Linear.from_int4(weight, order=each, act_bits=bits) for each in (None, order)
    )
    x = torch.randn(4, 96)
    mine, other = x.clone().requires_grad_(), x[:, order].clone().requires_grad_()
    y, expected = ordered(mine), plain(other)
    assert_same_bits(y, expected)
    y.sum().backward()
    expected.sum().backward()
    assert_same_bits(mine.grad[:, order], other.grad)
    assert_same_bits(ordered.dequantized_weight()[:, order], plain.dequantized_weight())
    assert ordered.input_order.dtype == torch.int32
    assert "ordered=True" in repr(ordered)


def test_any_shape_of_input_goes_through():
    for inputs, outputs in ((5, 3), (33, 1), (1, 4)):
        layer = quantize_(nn.Linear(inputs, outputs), Int4WeightOnly(32))
        for lead in ((), (0,), (2, 0), (1,), (2, 3)):
            x = torch.randn(*lead, inputs)
            y = layer(x)
            assert y.shape == (*lead, outputs)
            expected = x.double() @ layer.dequantized_weight().double().t() + layer.bias.double()
            assert ((y - expected).abs() <= 1e-5).all()
    for inputs, outputs in ((0, 3), (4, 0)):
        empty = Int4Linear(inputs, outputs)
        assert_same_bits(empty(torch.ones(2, inputs)).detach(), torch.zeros(2, outputs))
    with pytest.raises(ValueError, match=r"^Int4Linear: x must have 33 columns; got shape \[32\]"):
        quantize_(nn.Linear(33, 2), Int4WeightOnly(32))(torch.ones(32))
    with pytest.raises(TypeError, match=r"^Int4Linear: x must be float32"):
        Int4Linear(33, 2)(torch.ones(33).double())


def test_autocast_decides_about_the_dtype():
    layer, x = quantize_(nn.Linear(96, 12), RECIPES[0]), torch.randn(4, 96).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert_same_bits(y, layer(x.bfloat16()))
    y.float().sum().backward()
    assert x.grad.dtype == torch.float32


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_it_compiles_as_one_graph(recipe):
    layer, x = quantize_(nn.Linear(96, 12), recipe), torch.randn(4, 96).requires_grad_()
    fresh = copy.deepcopy(layer)
    expected = layer(x)
    (d_x,) = torch.autograd.grad(expected.sum(), x)
    for each in (layer, fresh):  # packed before, and in the graph
        y = torch.compile(each, fullgraph=True, backend="aot_eager")(x)
        assert_same_bits(y, expected)
        assert_same_bits(torch.autograd.grad(y.sum(), x)[0], d_x)


# State.


def layers():
    """One of each form."""
    for kind in ("symmetric", "zero_point", "offset"):
        yield Int4Linear.from_int4(imported(kind=kind), torch.randn(12))
    yield Int4Linear.from_int4(imported(dtype=torch.bfloat16), None, torch.randperm(96), act_bits=8)
    yield quantize_(nn.Linear(33, 5), RECIPES[0])


def fresh_like(layer, **options):
    """With zeros, as quantize_ of a new model has it; the form comes with the state."""
    recipe = Int4WeightOnly(layer.recipe.group_size, act_bits=layer.recipe.act_bits)
    size = layer.in_features, layer.out_features
    return Int4Linear(*size, layer.bias is not None, recipe=recipe, **options)


def test_a_state_dict_has_what_the_weight_has_and_no_more():
    always = ["weight_nibbles", "weight_scale"]
    wanted = [
        ["bias", *always],
        ["bias", *always, "weight_zero_point"],
        ["bias", *always, "weight_offset"],
        [*always, "weight_zero_point", "input_order"],
        ["bias", *always, "weight_zero_point"],
    ]
    for layer, names in zip(layers(), wanted, strict=True):
        layer(torch.randn(1, layer.in_features))
        assert sorted(layer.state_dict()) == sorted(names)
        assert layer.weight_nibbles.nbytes == layer.out_features * -(-layer.in_features // 2)


@pytest.mark.parametrize("assign", [False, True])
def test_a_new_layer_takes_any_form_from_a_state_dict(assign):
    for layer in layers():
        x, file = torch.randn(2, layer.in_features), io.BytesIO()
        torch.save(layer.state_dict(), file)
        file.seek(0)
        new = fresh_like(layer, device="meta" if assign else None)
        if not assign:
            new(x)  # what it has packed is of other codes
        new.load_state_dict(torch.load(file, weights_only=True), assign=assign)
        assert_same_state(new.state_dict(), layer.state_dict())
        assert_same_bits(new(x), layer(x))


def test_a_state_goes_through_a_safetensors_file(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    for layer in layers():
        model = nn.Sequential(layer, nn.ReLU())
        safetensors.save_model(model, tmp_path / "model.safetensors")
        again = nn.Sequential(fresh_like(layer), nn.ReLU())
        again.load_state_dict(safetensors.load_file(tmp_path / "model.safetensors"))
        x = torch.randn(3, layer.in_features)
        assert_same_bits(again(x), model(x))


def test_a_copy_is_a_layer_of_its_own_without_what_is_packed():
    for layer in layers():
        x = torch.randn(2, layer.in_features)
        size = len(pickle.dumps(layer))
        y = layer(x)
        assert len(pickle.dumps(layer)) == size
        copied = copy.deepcopy(layer)
        assert_same_bits(copied(x), y)
        copied.weight_scale.zero_()
        assert_same_bits(layer(x), y)
        assert_same_bits(pickle.loads(pickle.dumps(layer))(x), y)


def test_every_change_of_the_weight_is_seen():
    layer, x = Int4Linear.from_int4(imported()), torch.randn(2, 96)
    for change in (
        lambda: layer.weight_nibbles.bitwise_xor_(0x11),
        lambda: layer.weight_scale.mul_(2),
        lambda: layer.weight_zero_point.clamp_(4, 5),
        lambda: setattr(layer, "weight_scale", layer.weight_scale * 3),
    ):
        before = layer(x)
        change()
        assert (layer(x) != before).any()
        assert error(layer(x), x @ layer.dequantized_weight().t()) < 1e-5


@pytest.mark.parametrize("bits", [8, 16])
def test_it_may_train_after_a_first_call_in_inference_mode(bits):
    layer = Int4Linear.from_int4(imported(), act_bits=bits)
    x = torch.randn(5, 96)
    with torch.inference_mode():
        layer(x)
    x.requires_grad_()
    layer(x).sum().backward()
    expected = torch.ones(5, 12) @ layer.dequantized_weight()
    assert error(x.grad, expected) < 1e-5


def test_a_change_of_dtype_leaves_scales_alone():
    layer = Int4Linear.from_int4(imported(), torch.randn(12))
    before = state_of(layer)
    layer.bfloat16()
    assert layer.bias.dtype == torch.bfloat16
    assert_same_state({**layer.state_dict(), "bias": before["bias"]}, before)
    assert layer(torch.randn(1, 96).bfloat16()).dtype == torch.bfloat16
    assert all(each.is_meta for each in layer.to("meta").state_dict().values())


BAD = [
    ("weight_nibbles", lambda t: t.char(), "be uint8; got int8"),
    ("weight_nibbles", lambda t: t[:, 1:], r"have shape \[12, 48\]; got \[12, 47\]"),
    ("weight_scale", lambda t: t.double(), "be float32 or bfloat16 or float16; got float64"),
    ("weight_scale", lambda t: t[:, :1], r"have shape \[12, 3\]; got \[12, 1\]"),
    ("weight_scale", lambda t: t * float("nan"), "be finite; got NaN or inf"),
    ("weight_scale", lambda t: t * float("inf"), "be finite; got NaN or inf"),
    ("weight_zero_point", lambda t: t.int(), "be uint8; got int32"),
    ("weight_zero_point", lambda t: t[0], r"have shape \[12, 3\]; got \[3\]"),
    ("weight_zero_point", lambda t: t * 0 + 17, "be 0 to 16; got 17"),
    ("weight_offset", lambda t: torch.zeros(12, 3), "be absent where there are zero points"),
    ("input_order", lambda t: torch.arange(96), "be int32; got int64"),
    ("input_order", lambda t: torch.arange(95).int(), r"have shape \[96\]; got \[95\]"),
    (
        "input_order",
        lambda t: torch.arange(96).int().clamp(max=94),
        "have each column of the input",
    ),
    ("input_order", lambda t: torch.arange(96).int() - 1, "have each column of the input once"),
    ("bias", lambda t: t[1:], r"have shape \[12\]; got \[11\]"),
    ("bias", lambda t: t.int(), "be float32 or bfloat16 or float16; got int32"),
]


@pytest.mark.parametrize(("name", "change", "rule"), BAD, ids=[f"{b[0]}: {b[2][:20]}" for b in BAD])
def test_a_state_that_does_not_fit_is_named_and_nothing_is_loaded(name, change, rule):
    model = nn.Sequential(Int4Linear.from_int4(imported(dtype=torch.float32), torch.randn(12)))
    before = state_of(model)
    other = state_of(
        nn.Sequential(Int4Linear.from_int4(imported(dtype=torch.float32), torch.ones(12)))
    )
    other[f"0.{name}"] = change(other.get(f"0.{name}"))
    for strict in (True, False):
        with pytest.raises(RuntimeError, match=rf"Int4Linear: 0\.{name} must {rule}"):
            model.load_state_dict(other, strict=strict)
        assert_same_state(model.state_dict(), before)


def test_a_state_without_all_of_the_weight_is_not_loaded_in_part():
    layer = Int4Linear.from_int4(imported(), torch.randn(12))
    before, other = state_of(layer), state_of(Int4Linear.from_int4(imported(), torch.ones(12)))
    for name in ("weight_nibbles", "weight_scale", "bias"):
        partial = {key: value for key, value in other.items() if key != name}
        with pytest.raises(RuntimeError, match=f'Missing key.*"{name}"'):
            layer.load_state_dict(partial)
        assert_same_state(layer.state_dict(), before)
    layer.load_state_dict({"bias": other["bias"]}, strict=False)
    assert_same_bits(layer.bias.detach(), other["bias"])
    assert_same_bits(layer.weight_nibbles, before["weight_nibbles"])


def test_what_is_imported_is_checked():
    weight = imported()
    for bad, options, kind, message in (
        (weight._replace(codes=weight.codes + 20), {}, ValueError, "codes must lie in -8..7"),
        (
            weight._replace(scale=weight.scale * torch.nan),
            {},
            ValueError,
            "weight_scale must be fin",
        ),
        (weight, {"bias": torch.ones(3)}, ValueError, r"bias must have shape \[12\]; got \[3\]"),
        (weight, {"order": torch.zeros(96).int()}, ValueError, "input_order must have each column"),
        (weight, {"act_bits": 4}, ValueError, "act_bits must be 8 or 16; got 4"),
    ):
        with pytest.raises(kind, match=message):
            Int4Linear.from_int4(bad, **options)


def test_a_group_longer_than_a_row_is_the_row():
    weight = imported(group=4096)
    layer = Int4Linear.from_int4(weight)
    assert layer.recipe.group_size is None
    assert layer.group_size == 96
    assert_same_bits(layer.dequantized_weight(), weight.dequantize())


def test_a_model_is_exchanged_and_printed():
    model = quantize_(nn.Sequential(nn.Linear(96, 64), nn.Linear(64, 8, bias=False)), RECIPES[2])
    assert "in_features=96, out_features=64, bias=True, recipe=Int4WeightOnly(" in repr(model)
    x = torch.randn(5, 96)
    assert model(x).shape == (5, 8)
    assert [type(each) for each in model] == [Int4Linear, Int4Linear]
