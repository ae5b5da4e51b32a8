"""amp.GradScaler: state dicts and copies."""

import copy
import pickle

import pytest
import torch

from halfword.amp import GradScaler

from .scaler_problem import (
    INF,
    Problem,
    advanced,
    plain_sgd,
)

pytestmark = pytest.mark.usefixtures("one_thread")


KEYS = ["scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"]


OPTIONS = {"init_scale": 1000.0, "growth_factor": 1.7, "backoff_factor": 0.3, "growth_interval": 5}


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
@pytest.mark.parametrize(("source", "target"),
                         [(GradScaler, torch.amp.GradScaler), (torch.amp.GradScaler, GradScaler)],
                         ids=["ours-to-torch", "torch-to-ours"])  # fmt: skip
def test_state_goes_over_to_torchs_scaler_and_back(source, target, used):
    history, future = [False] * 7 + [True] + [False] * 3, [False, False, True] + [False] * 6
    old = advanced(source("cpu", **OPTIONS), history)
    state = old.scaler.state_dict()
    assert list(state)[:5] == KEYS
    assert state["_growth_tracker"] == 3
    new = advanced(target("cpu"), [True] if used else [])
    new.scaler.load_state_dict(state)
    for overflow in future:
        assert [old.scaler.state_dict()[k] for k in KEYS] == [
            new.scaler.state_dict()[k] for k in KEYS
        ]
        old.step(overflow)
        new.step(overflow)
    assert old.scaler.get_scale() == new.scaler.get_scale() != state["scale"]


def resume_by_state(scaler):
    fresh = GradScaler("cpu")
    fresh.load_state_dict(scaler.state_dict())
    return fresh


def resume_used(scaler):
    used = advanced(GradScaler("cpu"), [True, False]).scaler
    used.load_state_dict(scaler.state_dict())
    return used


@pytest.mark.parametrize("resume", [resume_by_state, resume_used, copy.deepcopy,
                                    lambda s: pickle.loads(pickle.dumps(s))],
                         ids=["fresh", "used", "deepcopy", "pickle"])  # fmt: skip
def test_resumed_scaler_continues_bit_for_bit(resume):
    options = {**OPTIONS, "hysteresis": 3, "min_scale": 2.0, "max_scale": 5000.0}
    history = [False] * 7 + [True, True]  # one more overflow backs off
    old = advanced(GradScaler("cpu", **options), history)
    new = Problem(plain_sgd, resume(old.scaler))
    assert new.scaler is not old.scaler
    scales = set()
    for overflow in [True, True, False, False, True] + [False] * 40 + [True] * 12:
        assert new.scaler.state_dict() == old.scaler.state_dict()
        old.step(overflow)
        new.step(overflow)
        scales.add(old.scaler.get_scale())
    assert new.scaler.state_dict() == old.scaler.state_dict()
    assert {2.0, 5000.0} < scales
    assert old.scaler.skipped_steps.item() == 2 + 15


def test_copies_are_refused_between_unscale_and_update():
    run = Problem(plain_sgd, GradScaler("cpu"))
    run.backward()
    run.scaler.step(run.optimizer)
    for duplicate in (copy.deepcopy, pickle.dumps):
        with pytest.raises(AssertionError, match="between update"):
            duplicate(run.scaler)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [("scale", 0.0, ValueError), ("scale", INF, ValueError), ("scale", None, TypeError),
     ("_growth_tracker", -1, ValueError), ("skipped_steps", 1.5, TypeError),
     ("growth_interval", 0, ValueError), ("max_scale", 0.0, ValueError)],
)  # fmt: skip
def test_bad_state_is_an_error_that_changes_nothing(key, value, error):
    scaler = advanced(GradScaler("cpu"), [True, False]).scaler
    before = scaler.state_dict()
    other = {**GradScaler("cpu", **OPTIONS).state_dict(), key: value}
    with pytest.raises(error, match=r"GradScaler: .*must be"):
        scaler.load_state_dict(other)
    assert scaler.state_dict() == before


def test_loaded_scale_is_clamped_to_the_bounds():
    scaler = GradScaler("cpu", 4.0, min_scale=2.0, max_scale=8.0)
    torchs = torch.amp.GradScaler("cpu").state_dict()
    for saved, expected in ((1.0, 2.0), (2.0**16, 8.0), (5.0, 5.0)):
        scaler.load_state_dict({**torchs, "scale": saved})
        assert scaler.get_scale() == expected
