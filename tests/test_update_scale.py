"""ops.update_scale: the dynamic loss scale. Against torch's over long scripts: test_grad_scaler."""

import math

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .cases.update_scale import CASES
from .compare import assert_same_bits
from .reference.update_scale import update_scale as reference


def tensors(hysteresis=1, scale=65536.0):
    return {
        "scale": torch.tensor(scale),
        "growth_tracker": torch.zeros((), dtype=torch.int32),
        "hysteresis_tracker": torch.full((), hysteresis, dtype=torch.int32),
        "skipped": torch.zeros((), dtype=torch.int64),
    }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_follows_the_reference_and_stays_a_positive_number(device, case):
    s = case.settings
    state = tensors(s.get("hysteresis", 1))
    wanted = (65536.0, 0, s.get("hysteresis", 1), 0)
    for event in case.script:
        overflow = event == "x"
        ops.update_scale(
            **state,
            found_inf=torch.tensor(float(overflow)),
            growth_factor=s.get("growth", 2.0),
            backoff_factor=s.get("backoff", 0.5),
            growth_interval=s.get("interval", 2000),
            hysteresis=s.get("hysteresis", 1),
            min_scale=s.get("low", 2.0**-126),
            max_scale=s.get("high", math.inf),
        )
        wanted = reference(wanted, overflow, **s)
        assert tuple(t.item() for t in state.values()) == wanted
        assert 0 < state["scale"].item() < math.inf


@pytest.mark.parametrize("flag", [1.0, 2.0, 0.5, -1.0, math.nan, math.inf])
def test_any_flag_but_zero_is_an_overflow(device, flag):
    state = tensors()
    ops.update_scale(**state, found_inf=torch.tensor(flag))
    assert state["scale"].item() == 32768
    assert state["skipped"].item() == 1


def test_an_interval_lowered_below_the_tracker_still_grows(device):
    state = tensors()
    state["growth_tracker"].fill_(10)
    ops.update_scale(**state, found_inf=torch.zeros(()), growth_interval=5)
    assert (state["scale"].item(), state["growth_tracker"].item()) == (131072, 0)


def test_trackers_are_optional(device):
    state = tensors()
    del state["hysteresis_tracker"], state["skipped"]
    ops.update_scale(**state, found_inf=torch.ones(1))
    assert state["scale"].item() == 32768


def test_opcheck_passes_and_compile_keeps_the_mutation():
    state = tensors()
    lists = [state["scale"], state["growth_tracker"], torch.zeros(())]
    rest = [state["hysteresis_tracker"], state["skipped"], 2.0, 0.5, 3, 1, 1e-9, 1e9]
    opcheck(torch.ops.halfword.update_scale.default, (*lists, *rest))

    def update(scale, tracker, found):
        ops.update_scale(scale, tracker, found)
        return scale * 2

    scale = torch.tensor(8.0)
    tracker = torch.zeros((), dtype=torch.int32)
    doubled = torch.compile(update, fullgraph=True)(scale, tracker, torch.ones(()))
    assert (doubled.item(), scale.item()) == (8.0, 4.0)


BAD = [
    ({"scale": torch.ones(2)}, ValueError, "scale must have one element; got 2"),
    ({"growth_tracker": torch.zeros(())}, TypeError, "growth_tracker must be int32; got float32"),
    ({"found_inf": torch.zeros((), dtype=torch.bool)}, TypeError, "found_inf must be float32"),
    ({"hysteresis_tracker": None, "hysteresis": 2}, ValueError, "hysteresis must be 1 without a"),
    ({"skipped": torch.zeros(())}, TypeError, "skipped must be int64; got float32"),
    ({"growth_factor": 0.5}, ValueError, "growth_factor must be finite and >= 1; got 0.5"),
    ({"growth_factor": math.inf}, ValueError, "growth_factor must be finite and >= 1; got inf"),
    ({"backoff_factor": 0.0}, ValueError, r"backoff_factor must be in \(0, 1\]; got 0"),
    ({"backoff_factor": math.nan}, ValueError, r"backoff_factor must be in \(0, 1\]"),
    ({"growth_interval": 0}, ValueError, "growth_interval must be > 0; got 0"),
    ({"hysteresis": 0}, ValueError, r"hysteresis must be in \[1, 2\^31\); got 0"),
    ({"min_scale": 0.0}, ValueError, "min_scale must be > 0; got 0"),
    ({"min_scale": 4.0, "max_scale": 2.0}, ValueError, "max_scale must be >= min_scale; got 2"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=[b[2][:35] for b in BAD])
def test_bad_input_is_named_and_changes_nothing(change, error, message):
    arguments = {**tensors(), "found_inf": torch.ones(()), **change}
    held = [t for t in arguments.values() if isinstance(t, torch.Tensor)]
    before = [t.clone() for t in held]
    with pytest.raises(error, match="update_scale: " + message):
        ops.update_scale(**arguments)
    for tensor, old in zip(held, before, strict=True):
        assert_same_bits(tensor, old)
