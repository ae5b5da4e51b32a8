"""Models with exchanged linear layers: ties, state dicts, hooks."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from halfword.nn import Int8DynamicLinear, Int8Linear, int8_linear
from halfword.ops import gemm_int8, quantize
from halfword.quant import (
    Int4WeightOnly,
    Int8Dynamic,
    Int8Static,
    Int8Training,
    Spec,
    calibrate,
    quantize_,
)

from .compare import assert_same_bits

FROZEN = [
    Int8Dynamic(),
    Int8Dynamic(grad_input=False),
    Int8Static(),
    Int8Static(symmetric=False),
    Int8Static(method="mse"),
]


def make_model():
    return nn.Sequential(nn.Linear(20, 28), nn.GELU(), nn.Linear(28, 12))


def make_frozen(recipe, model=None):
    """A model with frozen weights, calibrated if it needs to be, and an input."""
    model, x = quantize_(model or make_model(), recipe), torch.randn(6, 20)
    if isinstance(recipe, Int8Static):
        with calibrate(model):
            model(x)
    return model, x


def error(got, expected):
    return ((got - expected).norm() / expected.norm()).item()


# Which layers are exchanged.


def test_linear_layers_are_exchanged_in_place_and_keep_their_parameters():
    model = make_model()
    parameters = list(model.parameters())
    assert quantize_(model, Int8Training()) is model
    assert [type(each) for each in model] == [Int8Linear, nn.GELU, Int8Linear]
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    x = torch.randn(3, 20)
    assert_same_bits(model[0](x), int8_linear(x, parameters[0], parameters[1]))


def test_a_filter_chooses_by_layer_and_name():
    model = nn.ModuleDict({"body": make_model(), "head": nn.Linear(12, 5)})
    names = []

    def all_but_head(layer, name):
        assert type(layer) is nn.Linear
        names.append(name)
        return name != "head"

    quantize_(model, Int8Training(), all_but_head)
    assert sorted(names) == ["body.0", "body.2", "head"]
    assert type(model["head"]) is nn.Linear
    assert type(model["body"][2]) is Int8Linear


def test_a_single_layer_is_a_model():
    layer = nn.Linear(4, 3)
    new = quantize_(layer, Int8Training(hadamard=4))
    assert type(new) is Int8Linear
    assert new.weight is layer.weight
    assert new.recipe.hadamard == 4


def test_subclasses_are_left_alone():
    class Mine(nn.Linear):
        pass

    model = nn.Sequential(Mine(4, 4), nn.Linear(4, 4))
    quantize_(model, Int8Dynamic())
    assert [type(each) for each in model] == [Mine, Int8DynamicLinear]


def test_a_shared_layer_is_exchanged_once_and_everywhere():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.Sequential(shared), shared)
    calls = []
    quantize_(model, Int8Dynamic(), lambda layer, name: calls.append(name) or True)
    assert type(model[0]) is Int8DynamicLinear
    assert model[0] is model[1][0] is model[2]
    assert calls == ["0"]


def test_tied_parameters_stay_tied_and_add_up_their_gradients():
    model = nn.ModuleDict({"embed": nn.Embedding(10, 8), "head": nn.Linear(8, 10, bias=False)})
    model["head"].weight = model["embed"].weight
    quantize_(model, Int8Training())
    assert model["head"].weight is model["embed"].weight
    copied = copy.deepcopy(model)
    assert copied["head"].weight is copied["embed"].weight
    hidden = model["embed"](torch.tensor([1, 2]))
    model["head"](hidden).sum().backward()
    both = model["embed"].weight.grad
    (head,) = torch.autograd.grad(
        int8_linear(hidden.detach(), model["head"].weight).sum(), model["head"].weight
    )
    assert (both[[0, 3]] == head[[0, 3]]).all()
    assert (both[[1, 2]] != head[[1, 2]]).any()


@pytest.mark.parametrize("recipe", [Int8Dynamic(), Int4WeightOnly(32), Int8Training()], ids=str)
def test_an_encoder_of_torch_calls_its_new_layers_in_evaluation(recipe):
    layer = nn.TransformerEncoderLayer(64, 4, 96, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    quantize_(model, recipe)
    calls = []
    for each in model.layers:
        each.linear1.register_forward_hook(lambda *_: calls.append(1))
    x = torch.randn(2, 5, 64)
    with torch.no_grad():
        y = model.eval()(x)
    assert len(calls) == 2
    with torch.inference_mode():
        assert_same_bits(model(x).clone(), y)


@pytest.mark.parametrize("recipe", [*FROZEN, Int4WeightOnly(32)], ids=str)
def test_a_model_that_is_quantized_in_inference_mode_trains_after_it(recipe):
    with torch.inference_mode():
        model, x = make_frozen(recipe)
    x = x.clone().requires_grad_()
    model(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_training_mode_and_hooks_are_carried_over():
    model = make_model().eval()
    seen = []
    handle = model[0].register_forward_hook(lambda *_: seen.append(1))
    quantize_(model, Int8Training())
    assert not model[0].training
    model(torch.randn(2, 20))
    handle.remove()
    model(torch.randn(2, 20))
    assert seen == [1]


@pytest.mark.parametrize(
    ("model", "arguments", "kind", "message"),
    [
        (
            nn.ReLU(),
            (Int8Training(),),
            ValueError,
            "model must have a torch.nn.Linear; it has none",
        ),
        (
            nn.Sequential(nn.Linear(2, 2)),
            (Int8Training(), lambda *_: False),
            ValueError,
            "model must have a torch.nn.Linear that filter_fn accepts",
        ),
        (nn.Linear(2, 2), (Spec(),), TypeError, "recipe must be one of Int4WeightOnly"),
    ],
    ids=["no linear", "filter", "recipe"],
)
def test_what_cannot_be_done_is_an_error(model, arguments, kind, message):
    with pytest.raises(kind, match=f"^quantize_: {message}"):
        quantize_(model, *arguments)


@pytest.mark.parametrize(
    "options",
    [{"output": 1}, {"hadamard": 3}, {"hadamard": 8192}, {"outliers": -1}, {"outliers": True}],
    ids=str,
)
def test_recipes_check_their_fields(options):
    (field,) = options
    with pytest.raises(ValueError, match=f"^Int8Training: {field} must .*; got"):
        Int8Training(**options)
    with pytest.raises(ValueError, match=r"^Int8Static: method must .*; got 'entropy'"):
        Int8Static(method="entropy")


# A training layer is a linear layer.


def test_state_dicts_go_both_ways_and_the_recipe_is_printed():
    plain, model = make_model(), quantize_(make_model(), Int8Training(grad_weight=False))
    model.load_state_dict(plain.state_dict())
    again = make_model()
    again.load_state_dict(model.state_dict())
    for a, b in zip(plain.parameters(), again.parameters(), strict=True):
        assert_same_bits(a, b)
    assert isinstance(model[0], nn.Linear)
    assert "bias=True, recipe=Int8Training(grad_weight=False)" in repr(model)
    assert Int8Linear(3, 2, dtype=torch.bfloat16).weight.dtype == torch.bfloat16


def test_a_model_learns(one_thread):
    x = torch.randn(256, 20)
    target = torch.stack((x[:, 0] * x[:, 1], x[:, 2].abs()), 1)
    model = quantize_(nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2)), Int8Training())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(100):
        loss = F.mse_loss(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


# Frozen weights.


@pytest.mark.parametrize("recipe", FROZEN, ids=str)
def test_frozen_layers_are_close_and_gradients_reach_inputs_and_biases(recipe):
    plain = make_model()
    model, x = make_frozen(recipe, copy.deepcopy(plain))
    assert model[0].weight_codes.dtype == torch.int8
    assert [name for name, _ in model.named_parameters()] == ["0.bias", "2.bias"]
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = model(mine), plain(other)
    with torch.no_grad():
        assert_same_bits(model(x.view(2, 3, 20)).view(6, 12), y.detach())
    dy = torch.randn_like(y)
    y.backward(dy)
    expected.backward(dy)
    assert error(y, expected) < 0.02  # two layers of 8 bits, 0.006 each
    assert error(mine.grad, other.grad) < 0.03
    for a, b in zip((model[0].bias, model[2].bias), (plain[0].bias, plain[2].bias), strict=True):
        assert error(a.grad, b.grad) < 0.03


@pytest.mark.parametrize("recipe", [*FROZEN, Int4WeightOnly()], ids=str)
def test_there_is_no_copy_of_a_frozen_weight_that_could_be_changed_in_vain(recipe):
    layer = quantize_(nn.Linear(20, 12), recipe)
    assert getattr(layer, "weight", None) is None
    assert layer.dequantized_weight().shape == (12, 20)


def test_a_frozen_layer_is_one_quantization_and_one_product(kind_of_device):
    layer = nn.Linear(20, 12)
    x, weight = torch.randn(6, 20), quantize(layer.weight.detach())
    dynamic, rows = quantize_(layer, Int8Dynamic()), quantize(x)
    expected = gemm_int8(rows.codes, weight.codes, rows.scale, weight.scale, bias=layer.bias)
    assert_same_bits(dynamic(x).detach(), expected)

    static = quantize_(layer, Int8Static(symmetric=False))
    with calibrate(static):
        static(x)
    whole = quantize(x, Spec(axis="tensor", symmetric=False))
    assert_same_bits(static.input_scale, whole.scale)
    expected = gemm_int8(
        whole.codes,
        weight.codes,
        whole.scale,
        weight.scale,
        zero_point_a=whole.zero_point,
        bias=layer.bias,
    )
    assert_same_bits(static(x).detach(), expected)


@pytest.mark.parametrize("recipe", FROZEN[::2], ids=str)
def test_nothing_of_the_input_is_kept(recipe):
    model, x = make_frozen(recipe)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        model[0](x.requires_grad_())
    assert [each.data_ptr() for each in saved] == [
        model[0].weight_codes.data_ptr(),
        model[0].weight_scale.data_ptr(),
    ]


@pytest.mark.parametrize("recipe", FROZEN[1:], ids=str)
def test_frozen_models_are_saved_loaded_and_copied(recipe):
    model, x = make_frozen(recipe)
    expected = model(x)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = quantize_(make_model(), recipe)
    if isinstance(recipe, Int8Dynamic):
        other(x)  # what it has packed is of other codes
    other.load_state_dict(torch.load(file, weights_only=True))
    assert_same_bits(other(x), expected)
    assert_same_bits(copy.deepcopy(model)(x), expected)
    assert not any("packed" in key for key in model.state_dict())
    with torch.no_grad():
        model[0].weight_codes.neg_()
    assert error(model[0](x), -other[0](x) + 2 * model[0].bias) < 1e-6


def test_packed_codes_are_no_part_of_a_pickled_layer():
    layer = quantize_(nn.Linear(64, 64), Int8Dynamic())
    size = len(pickle.dumps(layer))
    layer(torch.randn(1, 64))
    assert len(pickle.dumps(layer)) == size


@pytest.mark.parametrize("recipe", FROZEN[1:], ids=str)
def test_a_change_of_dtype_leaves_scales_alone(recipe):
    model, x = make_frozen(recipe)
    scales = {key: value.clone() for key, value in model.state_dict().items() if "scale" in key}
    model.bfloat16()
    assert model[0].bias.dtype == torch.bfloat16
    for key, scale in scales.items():
        assert_same_bits(model.state_dict()[key], scale)
    assert model(x.bfloat16()).dtype == torch.bfloat16
    model.to("meta")
    assert all(each.is_meta for each in model.state_dict().values())


@pytest.mark.parametrize("recipe", [FROZEN[0], FROZEN[3]], ids=str)
def test_frozen_models_compile_as_one_graph(recipe):
    model, x = make_frozen(recipe)
    x.requires_grad_()
    expected = model(x)
    (d_x,) = torch.autograd.grad(expected.sum(), x)
    y = torch.compile(model, fullgraph=True, backend="aot_eager")(x)
    assert_same_bits(y, expected)
    assert_same_bits(torch.autograd.grad(y.sum(), x)[0], d_x)


def test_low_rank_adapters_train_over_frozen_weights():
    model, x = make_frozen(Int8Dynamic())
    down, up = nn.Linear(20, 2, bias=False), nn.Linear(2, 20, bias=False)
    nn.init.zeros_(up.weight)
    before = model(x)
    loss = F.mse_loss(model(x + up(down(x))), before + 1)
    loss.backward()
    assert up.weight.grad.abs().max() > 0


def test_frozen_layers_check_their_input():
    layer = quantize_(nn.Linear(3, 2), Int8Dynamic())
    with pytest.raises(TypeError, match=r"^Int8DynamicLinear: x must be float32"):
        layer(torch.zeros(1, 3).double())
    with pytest.raises(ValueError, match=r"^Int8DynamicLinear: x must have 3 columns; got"):
        layer(torch.zeros(3, 2))
