"""amp.GradScaler: how the scale moves."""

import math

import pytest
import torch

from halfword.amp import GradScaler
from halfword.ops import update_scale
from halfword.ops.update_scale import SMALLEST_SCALE

from .compare import assert_same_bits
from .reference.update_scale import update_scale as reference_update
from .scaler_problem import (
    INF,
    LARGEST,
    SCRIPTS,
    Problem,
    bursts,
    fused_adamw,
    fused_sgd,
    plain_sgd,
    random_overflows,
    trackers,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_op_moves_scale_and_tracker_like_torch_bit_for_bit(script):
    ours, tracker, _, skipped = trackers(script.scale)
    theirs, their_tracker, *_ = trackers(script.scale)
    flags = torch.tensor(script.overflows, dtype=torch.float32)
    seen = {ours.item()}
    for step, found_inf in enumerate(flags):
        update_scale(ours, tracker, found_inf, skipped=skipped, **script.settings)
        torch._amp_update_scale_(
            theirs, their_tracker, found_inf, script.growth, script.backoff, script.interval
        )
        pair = ours.item(), tracker.item()
        assert pair == (theirs.item(), their_tracker.item()), f"step {step}"
        seen.add(pair[0])
    assert skipped == sum(script.overflows)
    assert len(seen) > 3  # the scale did move


BOUNDED = [
    ({"hysteresis": 3}, bursts(6)),
    ({"hysteresis": 2, "interval": 7}, random_overflows(7, 0.2)),
    ({"low": 1.0, "high": 2.0**20, "interval": 13}, random_overflows(8, 0.07)),
    ({"low": 3.0, "high": 1e6, "growth": 1.9, "backoff": 0.3, "hysteresis": 2, "interval": 5},
     bursts(9)),
    ({"interval": 1}, [False] * 200 + [True] * 400 + [False] * 300),  # into both ends of float32
]  # fmt: skip


@pytest.mark.parametrize("rules", BOUNDED, ids=lambda r: "-".join(r[0]))
def test_scaler_keeps_bounds_and_hysteresis_as_the_reference_says(rules):
    options, overflows = rules
    scaler = GradScaler(
        "cpu", growth_factor=options.get("growth", 2.0), backoff_factor=options.get("backoff", 0.5),
        growth_interval=options.get("interval", 2000), hysteresis=options.get("hysteresis", 1),
        min_scale=options.get("low", SMALLEST_SCALE), max_scale=options.get("high", INF),
    )  # fmt: skip
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = fused_sgd([weight])
    scaler.scale(weight)
    expected = (2.0**16, 0, options.get("hysteresis", 1), 0)
    seen = set()
    for step, overflow in enumerate(overflows):
        weight.grad = torch.full_like(weight, INF if overflow else 0.0)
        scaler.step(optimizer)
        scaler.update()
        expected = reference_update(expected, overflow, **options)
        state = scaler.state_dict()
        keys = ("scale", "_growth_tracker", "_hysteresis_tracker", "skipped_steps")
        assert tuple(state[key] for key in keys) == expected, f"step {step}"
        assert SMALLEST_SCALE <= expected[0] <= LARGEST
        seen.add(expected[0])
    assert len(seen) > 3
    if "low" in options:
        assert {min(seen), max(seen)} == {options["low"], options["high"]}


@pytest.mark.parametrize("script", SCRIPTS[2:4], ids=str)
def test_scaler_moves_like_torchs_over_ten_thousand_steps(script):
    def make(kind):
        weight = torch.nn.Parameter(torch.zeros(3))
        scaler = kind("cpu", init_scale=script.scale, **script.settings)
        scaler.scale(weight)
        return weight, fused_sgd([weight]), scaler

    ours, theirs = make(GradScaler), make(torch.amp.GradScaler)
    scales = set()
    for step, overflow in enumerate(script.overflows):
        for weight, optimizer, scaler in (ours, theirs):
            weight.grad = torch.full_like(weight, 0.01 * (step % 7))
            if overflow:
                weight.grad[step % 3] = (INF, math.nan, -INF)[step % 3]
            scaler.step(optimizer)
            scaler.update()
        expected, state = theirs[2].state_dict(), ours[2].state_dict()
        assert {key: state[key] for key in expected} == expected, f"step {step}"
        scales.add(expected["scale"])
    assert len(scales) > 10
    assert ours[2].skipped_steps.item() == sum(script.overflows)
    assert_same_bits(ours[0].detach(), theirs[0].detach())
    assert (ours[0] < 0).all()  # it began at 0


def test_static_scale_never_moves_but_overflows_are_skipped_and_counted():
    scaler = GradScaler("cpu", 100.0, growth_interval=1, dynamic=False)
    run = Problem(fused_adamw, scaler)
    for overflow in (False, True, False, True, True, False):
        assert run.step(overflow).item() is not overflow
        assert scaler.get_scale() == 100.0
    assert scaler.skipped_steps.item() == 3
    assert (scaler.skipped_steps.dtype, scaler.skipped_steps.shape) == (torch.int64, ())


# update(new_scale), setters


def test_new_scale_replaces_the_update_and_the_overflow_is_still_counted():
    run = Problem(plain_sgd, GradScaler("cpu", max_scale=2.0**20))
    for new, expected in ((3.5, 3.5), (7, 7.0), (torch.tensor(0.75), 0.75),
                          (torch.tensor([2.0], dtype=torch.float64), 2.0),
                          (torch.tensor(2.0**30), 2.0**20)):  # fmt: skip
        run.backward(overflow=True)
        run.scaler.step(run.optimizer)
        run.scaler.update(new)
        assert run.scaler.get_scale() == expected
    assert run.scaler.skipped_steps.item() == 5
    for bad in (0.0, -1.0, INF, math.nan):
        run.scaler.update(torch.tensor(bad))
        assert run.scaler.get_scale() == 2.0**20
    mine = torch.tensor(5.0)
    run.scaler.update(mine)
    mine.fill_(6.0)
    assert run.scaler.get_scale() == 5.0
