"""What calibration finds, and what it leaves alone."""

import pytest
import torch
from torch import nn

from halfword.ops import fake_quantize, quantize
from halfword.quant import Int8Static, Spec, calibrate, quantize_
from halfword.quant.calibrate import BestRange

from .compare import assert_same_bits


def test_calibration_sees_all_batches_and_forgets_earlier_ones():
    layer = quantize_(nn.Linear(3, 2), Int8Static())
    with calibrate(layer):
        layer(torch.tensor([[1.0, -8.0, 2.0]]))
        layer(torch.tensor([[[4.0, 1.0, 0.0]]]))
        layer(torch.zeros(0, 3))
    assert layer.input_scale.item() == torch.tensor(8.0).div(127).item()
    with calibrate(layer):
        layer(torch.ones(1, 3))
    assert layer.input_scale.item() == torch.tensor(1.0).div(127).item()


def squared_error(x, scale, zero_point):
    spec = Spec(axis="tensor", symmetric=zero_point is None)
    codes = fake_quantize(x, spec, scale=scale, zero_point=zero_point)
    return (codes - x).double().square().sum().item()


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_range_of_least_squared_error_lets_outliers_saturate(kind_of_device, symmetric):
    x = torch.randn(256, 64, generator=torch.Generator().manual_seed(0))
    x[3, 5], x[7, 9] = 40.0, -3.0 if symmetric else -30.0
    layer = quantize_(nn.Linear(64, 2), Int8Static(symmetric=symmetric, method="mse"))
    with calibrate(layer):
        layer(x)
    found = squared_error(x, layer.input_scale, layer.input_zero_point)
    low, high = x.min(), x.max()
    ends = torch.arange(1, 33) / 32
    if symmetric:
        tried = [torch.stack((-each * high, each * high)) for each in ends]
    else:
        tried = [torch.stack((a * low, b * high)) for a in ends for b in ends]
    spec = Spec(axis="tensor", symmetric=symmetric)
    quantized = [quantize(each, spec) for each in tried]
    errors = [squared_error(x, each.scale, each.zero_point) for each in quantized]
    assert found <= 1.01 * min(errors)  # a bin is 1 / 64 of the step between two codes
    assert found < errors[-1]  # of the range from the smallest to the largest


def test_counts_of_a_growing_range_are_those_of_all_batches_at_once():
    x = (
        torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
        * torch.logspace(-4, 3, 64)[:, None]
    )
    at_once, grown = BestRange(symmetric=True), BestRange(symmetric=True)
    at_once.add(x)
    for row in x:
        grown.add(row)
    assert grown.limit == at_once.limit
    assert int(grown.counts.sum()) == x.numel()
    assert_same_bits(grown.best(), at_once.best())
    # An element is where it was, or one bin beside: bins become wider around zero.
    assert (grown.counts.cumsum(0) - at_once.counts.cumsum(0)).abs().max() <= len(x)


def test_inputs_of_zeros_have_the_scale_zero():
    layer = quantize_(nn.Linear(3, 2), Int8Static(method="mse"))
    with calibrate(layer):
        layer(torch.zeros(2, 3))
    assert layer.input_scale.item() == 0
    assert_same_bits(layer(torch.zeros(2, 3)).detach(), layer.bias.detach().expand(2, 2))


def test_a_call_before_calibration_is_an_error_and_a_loaded_scale_will_do():
    layer, x = quantize_(nn.Linear(3, 2), Int8Static()), torch.randn(2, 3)
    with pytest.raises(RuntimeError, match=r"^Int8StaticLinear: input_scale must be known"):
        layer(x)
    with torch.no_grad():
        layer.input_scale.fill_(0.5)
    layer(x)
    layer.load_state_dict({**layer.state_dict(), "input_scale": torch.tensor(float("nan"))})
    with pytest.raises(RuntimeError, match="input_scale must be known"):
        layer(x)


def test_a_failed_calibration_changes_nothing():
    model = quantize_(nn.Sequential(nn.Linear(20, 28), nn.GELU(), nn.Linear(28, 12)), Int8Static())
    x = torch.randn(6, 20)
    with calibrate(model):
        model(x)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(IndexError), calibrate(model):
        model[3 * len(model(10 * x))]
    x[0, 0] = float("inf")
    with (
        pytest.raises(ValueError, match=r"^calibrate: inputs of 0 must be finite; got"),
        calibrate(model),
    ):
        model(x)
    for key, value in model.state_dict().items():
        assert_same_bits(value, before[key])
    with (
        pytest.raises(ValueError, match=r"^calibrate: model must have a layer"),
        calibrate(nn.ReLU()),
    ):
        pass
