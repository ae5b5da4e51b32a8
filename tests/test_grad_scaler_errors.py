"""amp.GradScaler: misuse and bad arguments."""

import math

import pytest
import torch

from halfword.amp import GradScaler

from .scaler_problem import (
    INF,
    Problem,
    advanced,
    checking,
    everywhere,
    fused_adamw,
    halfword_adamw,
    plain_sgd,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("new", "error", "message"),
    [
        (0.0, ValueError, "GradScaler: new_scale must be finite and > 0; got 0.0"),
        (-2.0, ValueError, "GradScaler: new_scale must be finite and > 0; got -2.0"),
        (INF, ValueError, "GradScaler: new_scale must be finite and > 0; got inf"),
        (math.nan, ValueError, "GradScaler: new_scale must be finite and > 0; got nan"),
        (1e39, ValueError, "GradScaler: new_scale must be finite and > 0; got 1e+39"),
        (1e-39, ValueError, "GradScaler: new_scale must be in [min_scale, max_scale] = "),
        ("2", TypeError, "GradScaler: new_scale must be a number; got str"),
        (True, TypeError, "GradScaler: new_scale must be a number; got bool"),
        (torch.ones(2), ValueError,
         "GradScaler: new_scale must be a number or a tensor of one element; got 2 elements"),
        (torch.ones(1, requires_grad=True), ValueError,
         "GradScaler: new_scale must be without gradient; got requires_grad=True"),
        (torch.tensor(2), TypeError,
         "GradScaler: new_scale must be floating point; got torch.int64"),
    ],
)  # fmt: skip
def test_bad_new_scale_is_an_error_that_changes_nothing(new, error, message):
    scaler = GradScaler("cpu")
    scaler.scale(torch.ones(()))
    with pytest.raises(error) as caught:
        scaler.update(new)
    assert str(caught.value).startswith(message)
    assert scaler.get_scale() == 2.0**16


def test_setters_take_effect_and_refuse_bad_values():
    scaler = GradScaler("cpu", 64.0)
    scaler.set_growth_factor(4.0)
    scaler.set_backoff_factor(0.125)
    scaler.set_growth_interval(2)
    got = scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()
    assert got == (4.0, 0.125, 2)
    run = advanced(scaler, [False, False])
    assert scaler.get_scale() == 256.0
    run.step(overflow=True)
    assert scaler.get_scale() == 32.0
    with pytest.raises(ValueError, match=r"growth_factor must be finite and >= 1; got 0\.5"):
        scaler.set_growth_factor(0.5)
    with pytest.raises(ValueError, match=r"backoff_factor must be in \(0, 1\]; got 1\.5"):
        scaler.set_backoff_factor(1.5)
    with pytest.raises(TypeError, match=r"growth_interval must be an int; got float"):
        scaler.set_growth_interval(2.0)
    got = scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()
    assert got == (4.0, 0.125, 2)


def unscale_twice(scaler, optimizer):
    scaler.unscale_(optimizer)
    scaler.unscale_(optimizer)


def unscale_after_step(scaler, optimizer):
    scaler.step(optimizer)
    scaler.unscale_(optimizer)


def step_twice(scaler, optimizer):
    scaler.step(optimizer)
    scaler.step(optimizer)


def update_without_step(scaler, optimizer):
    scaler.update()


def closure_by_name(scaler, optimizer):
    scaler.step(optimizer, closure=None)


def no_gradients(scaler, optimizer):
    optimizer.zero_grad()
    scaler.step(optimizer)
    scaler.update()


def load_empty(scaler, optimizer):
    scaler.load_state_dict({})


def load_incomplete(scaler, optimizer):
    scaler.load_state_dict({"scale": 2.0})


@everywhere
@pytest.mark.parametrize(
    "misuse",
    [unscale_twice, unscale_after_step, step_twice, update_without_step, closure_by_name,
     no_gradients, load_empty, load_incomplete],
    ids=lambda misuse: misuse.__name__,
)  # fmt: skip
def test_misuse_is_the_error_that_torch_raises(misuse, make):
    if misuse is no_gradients and make in (checking, halfword_adamw):
        pytest.skip("only the optimizer sees its gradients")

    def error(kind, make):
        run = Problem(make, kind("cpu"))
        run.backward()
        with pytest.raises((RuntimeError, AssertionError, KeyError)) as caught:
            misuse(run.scaler, run.optimizer)
        return caught.type

    theirs = fused_adamw if make in (checking, halfword_adamw) else make
    assert error(GradScaler, make) is error(torch.amp.GradScaler, theirs)


@pytest.mark.parametrize("method", ["unscale_", "step", "update"])
def test_nothing_scaled_yet_is_the_error_that_torch_raises(method):
    optimizer = plain_sgd([torch.nn.Parameter(torch.ones(1))])
    for kind in (GradScaler, torch.amp.GradScaler):
        arguments = [] if method == "update" else [optimizer]
        with pytest.raises(AssertionError):
            getattr(kind("cpu"), method)(*arguments)


def test_closure_by_position_is_refused_and_none_is_not():
    run = Problem(plain_sgd, GradScaler("cpu"))
    run.backward()
    with pytest.raises(RuntimeError, match="closure"):
        run.scaler.step(run.optimizer, lambda: 1.0)
    assert run.scaler.step(run.optimizer, None).item() is True


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"init_scale": 0.0}, ValueError, "init_scale must be finite and > 0; got 0.0"),
        ({"init_scale": -1}, ValueError, "init_scale must be finite and > 0; got -1.0"),
        ({"init_scale": INF}, ValueError, "init_scale must be finite and > 0; got inf"),
        ({"init_scale": math.nan}, ValueError, "init_scale must be finite and > 0; got nan"),
        ({"init_scale": 1e-39}, ValueError, "init_scale must be in [min_scale, max_scale] = ["),
        ({"init_scale": 8.0, "max_scale": 4.0}, ValueError,
         "init_scale must be in [min_scale, max_scale] = [1.1754943508222875e-38, 4.0]; got 8.0"),
        ({"init_scale": "1"}, TypeError, "init_scale must be a number; got str"),
        ({"growth_factor": 0.9}, ValueError, "growth_factor must be finite and >= 1; got 0.9"),
        ({"growth_factor": INF}, ValueError, "growth_factor must be finite and >= 1; got inf"),
        ({"backoff_factor": 0.0}, ValueError, "backoff_factor must be in (0, 1]; got 0.0"),
        ({"backoff_factor": 2}, ValueError, "backoff_factor must be in (0, 1]; got 2.0"),
        ({"growth_interval": 0}, ValueError, "growth_interval must be in [1, 2^31); got 0"),
        ({"growth_interval": 2**31}, ValueError, "growth_interval must be in [1, 2^31); got 2147"),
        ({"growth_interval": 2.5}, TypeError, "growth_interval must be an int; got float"),
        ({"hysteresis": 0}, ValueError, "hysteresis must be in [1, 2^31); got 0"),
        ({"hysteresis": True}, TypeError, "hysteresis must be an int; got bool"),
        ({"min_scale": 0.0}, ValueError, "min_scale must be in [1.1754943508222875e-38, "),
        ({"min_scale": INF}, ValueError, "min_scale must be in [1.1754943508222875e-38, "),
        ({"min_scale": 8.0, "max_scale": 4.0}, ValueError,
         "max_scale must be >= min_scale = 8.0; got 4.0"),
        ({"max_scale": math.nan}, ValueError, "max_scale must be >= min_scale = 1."),
        ({"dynamic": 1}, TypeError, "dynamic must be a bool; got int"),
        ({"process_group": "world"}, TypeError,
         "process_group must be a ProcessGroup or None; got str"),
        ({"device": 3}, TypeError, "device must be a str or torch.device; got int"),
        ({"device": "toaster"}, ValueError, "device must be a device type; got 'toaster'"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_argument_is_named_with_its_rule_and_value(arguments, error, message):
    with pytest.raises(error) as caught:
        GradScaler(**{"device": "cpu", **arguments})
    assert str(caught.value).startswith(f"GradScaler: {message}")
