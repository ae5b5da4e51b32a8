"""amp.GradScaler: torch's scaler step by step, and what ours does beyond it."""

import copy
import math
import pickle
import random
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from halfword.amp import GradScaler
from halfword.ops import update_scale
from halfword.ops.update_scale import SMALLEST_SCALE

from .compare import assert_same_bits
from .reference.update_scale import update_scale as reference_update

try:
    from halfword.optim import AdamW
except ImportError:
    AdamW = None

STEPS = 10_000
LARGEST = torch.finfo(torch.float32).max
INF = math.inf


@pytest.fixture(autouse=True)
def _one_thread():
    """A few elements are quicker on one thread, far quicker if the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# Sequences of overflows


def _random(seed, rate):
    rng = random.Random(seed)
    return [rng.random() < rate for _ in range(STEPS)]


def _bursts(seed):
    rng, out = random.Random(seed), []
    while len(out) < STEPS:
        out += [False] * rng.randint(1, 60) + [True] * rng.randint(1, 6)
    return out[:STEPS]


@dataclass(frozen=True)
class Script:
    why: str
    overflows: list
    growth: float = 2.0
    backoff: float = 0.5
    interval: int = 2000
    scale: float = 2.0**16

    def __str__(self):
        return self.why.replace(" ", "-")

    @property
    def settings(self):
        return {"growth_factor": self.growth, "backoff_factor": self.backoff,
                "growth_interval": self.interval}  # fmt: skip


# Chosen so that torch's scale stays positive and finite: past that ours differs on purpose.
SCRIPTS = [
    Script("rare overflows and torch's settings", _random(1, 0.001)),
    Script("scale hovers", _random(2, 0.02), interval=25),
    Script("factors that are not powers of two", _random(3, 0.05), 1.7, 0.6, 11, 1000.0),
    Script("bursts", _bursts(4), 3.0, 0.7, 8),
    Script("overflow every other step", [i % 2 == 0 for i in range(STEPS)], 2.0, 0.999, 1, 777.0),
    Script("grows at every clean step", _random(5, 0.5), 1.01, 0.99, 1),
    Script("no overflow, up to torch's largest scale", [False] * STEPS, 2.0, 0.5, 90, 3.0),
    Script("nothing but overflows", [True] * STEPS, 2.0, 0.999, 2000, LARGEST),
]


def trackers(scale, left=1):
    return (torch.tensor(scale), torch.tensor(0, dtype=torch.int32),
            torch.tensor(left, dtype=torch.int32), torch.tensor(0))  # fmt: skip


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
    ({"hysteresis": 3}, _bursts(6)),
    ({"hysteresis": 2, "interval": 7}, _random(7, 0.2)),
    ({"low": 1.0, "high": 2.0**20, "interval": 13}, _random(8, 0.07)),
    ({"low": 3.0, "high": 1e6, "growth": 1.9, "backoff": 0.3, "hysteresis": 2, "interval": 5},
     _bursts(9)),
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


# Optimizers


def plain_sgd(params):
    return torch.optim.SGD(params, lr=0.5)


def fused_sgd(params):
    return torch.optim.SGD(params, lr=0.5, fused=True)


def foreach_adamw(params):
    return torch.optim.AdamW(params, lr=0.1, foreach=True)


def fused_adamw(params):
    return torch.optim.AdamW(params, lr=0.1, fused=True)


def halfword_adamw(params):
    if AdamW is None:
        pytest.skip("halfword.optim.AdamW does not exist yet")
    return AdamW(params, lr=0.1)


class Checking(torch.optim.SGD):
    """The contract with halfword.optim in plain torch; remembers what it was lent."""

    _step_supports_amp_scaling = True
    _halfword_checks_overflow = True

    @torch.no_grad()
    def step(self, closure=None):
        self.lent = dict(vars(self), found_inf=self.found_inf.clone())
        self.lent.pop("lent", None)
        grads = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        if self.grad_scale is not None:
            grads = [g / self.grad_scale for g in grads]
        if hasattr(self, "found_inf_reduce"):
            if not all(g.isfinite().all() for g in grads):
                self.found_inf.fill_(1)
            if self.found_inf_reduce is not None:
                self.found_inf_reduce(self.found_inf)
        if self.found_inf == 0:
            params = [p for g in self.param_groups for p in g["params"] if p.grad is not None]
            torch._foreach_sub_(params, grads, alpha=self.param_groups[0]["lr"])


def checking(params):
    return Checking(params, lr=0.5)


OPTIMIZERS = [plain_sgd, fused_sgd, foreach_adamw, fused_adamw, checking, halfword_adamw]
SUPPORTING = [fused_sgd, fused_adamw, checking, halfword_adamw]
everywhere = pytest.mark.parametrize("make", OPTIMIZERS, ids=lambda make: make.__name__)


class Problem:
    """Two small parameters, their optimizer and a scaler; the loss is linear in them."""

    def __init__(self, make, scaler, dtype=torch.float32):
        generator = torch.Generator().manual_seed(5)
        shapes = [(3, 37), (5,)]
        self.params = [torch.nn.Parameter(torch.randn(s, generator=generator).to(dtype))
                       for s in shapes]  # fmt: skip
        self.slopes = [torch.randn(s, generator=generator).to(dtype) for s in shapes]
        self.optimizer = make(self.params)
        self.scaler = scaler

    def backward(self, overflow=False):
        self.optimizer.zero_grad()
        terms = zip(self.params, self.slopes, strict=True)
        self.scaler.scale(sum((p * s).float().sum() for p, s in terms)).backward()
        if overflow:
            self.params[-1].grad[-1] = INF  # the last element of the last tensor

    def step(self, overflow=False):
        self.backward(overflow)
        ran = self.scaler.step(self.optimizer)
        self.scaler.update()
        return ran

    def weights(self):
        return [p.detach().clone() for p in self.params]


@everywhere
def test_ten_steps_with_overflows_give_torchs_weights_and_scales(make):
    overflows = [True, False, False, True, False, False, False, False, True, False]
    options = {"init_scale": 2.0**14, "growth_interval": 2}
    ours = Problem(make, GradScaler("cpu", **options))
    torch_make = {checking: plain_sgd, halfword_adamw: fused_adamw}.get(make, make)
    theirs = Problem(torch_make, torch.amp.GradScaler("cpu", **options))
    before = ours.weights()
    for overflow in overflows:
        ran = ours.step(overflow)
        theirs.step(overflow)
        assert ran.item() is not overflow
        assert ours.scaler.get_scale() == theirs.scaler.get_scale()
        # Powers of two scale exactly; halfword.optim and torch order Adam's arithmetic differently:
        # a few roundings a step, of updates of lr = 0.1.
        slack = 1e-5 if make is halfword_adamw else 0.0
        for p, q in zip(ours.weights(), theirs.weights(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=slack)
    for p, q in zip(ours.weights(), before, strict=True):
        assert (p - q).abs().min() > 0.01  # every element has moved
    assert ours.scaler.skipped_steps.item() == sum(overflows)


@everywhere
@pytest.mark.parametrize("explicit", [False, True], ids=["step", "unscale_"])
def test_skipped_step_leaves_weights_and_state_untouched(make, explicit):
    run = Problem(make, GradScaler("cpu"))
    run.step()
    before, state = run.weights(), copy.deepcopy(run.optimizer.state_dict()["state"])
    for value in (INF, -INF, math.nan):
        run.backward(overflow=True)
        run.params[-1].grad[-1] = value
        if explicit:
            run.scaler.unscale_(run.optimizer)
        ran = run.scaler.step(run.optimizer)
        assert (ran.dtype, ran.shape, ran.item()) == (torch.bool, (), False)
        run.scaler.update()
    for p, q in zip(run.weights(), before, strict=True):
        assert_same_bits(p, q)
    for index, saved in state.items():
        for key, value in saved.items():
            now = run.optimizer.state_dict()["state"][index][key]
            assert torch.equal(now, value) if torch.is_tensor(value) else now == value
    assert run.scaler.get_scale() == 2.0**13
    assert run.step().item() is True  # the flag of the overflow is gone
    assert all((p != q).all() for p, q in zip(run.weights(), before, strict=True))


@everywhere
def test_explicit_unscale_steps_as_without(make):
    implicit, explicit = (Problem(make, GradScaler("cpu", 3000.0)) for _ in range(2))
    implicit.step()
    explicit.backward()
    explicit.scaler.unscale_(explicit.optimizer)
    for p, slope in zip(explicit.params, explicit.slopes, strict=True):
        # The loss was scaled and the gradient unscaled: two roundings of half an ulp, and one of
        # the reciprocal.
        assert ((p.grad - slope).abs() <= 1.5 * 2.0**-23 * slope.abs()).all()
    explicit.scaler.step(explicit.optimizer)
    explicit.scaler.update()
    for p, q in zip(explicit.weights(), implicit.weights(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=2e-6)  # p - lr * g, and g as above


@pytest.mark.parametrize("make", SUPPORTING, ids=lambda make: make.__name__)
def test_supporting_optimizer_is_lent_the_protocol_and_keeps_none_of_it(make):
    run = Problem(make, GradScaler("cpu", 1024.0))
    seen = []

    def look(optimizer, *_):
        seen.append((optimizer.grad_scale, optimizer.found_inf.clone()))

    run.optimizer.register_step_pre_hook(look)
    kept = set(vars(run.optimizer))
    run.step()
    run.backward()
    grads = [p.grad.clone() for p in run.params]
    run.scaler.step(run.optimizer)
    if make in (checking, halfword_adamw):  # torch's kernels write them
        for p, g in zip(run.params, grads, strict=True):
            assert_same_bits(p.grad, g)
    run.scaler.update()
    run.backward()
    run.scaler.unscale_(run.optimizer)
    run.scaler.step(run.optimizer)
    assert [scale if scale is None else scale.item() for scale, _ in seen] == [1024.0, 1024.0, None]
    for _, found_inf in seen:
        assert (found_inf.dtype, found_inf.item()) == (torch.float32, 0.0)
    assert set(vars(run.optimizer)) - kept <= {"lent"}


@pytest.mark.parametrize("make", SUPPORTING, ids=lambda make: make.__name__)
def test_step_that_raises_leaves_no_attributes_and_can_be_repeated(make):
    run = Problem(make, GradScaler("cpu"))
    kept = set(vars(run.optimizer))
    with BrokenStep(run.optimizer, KeyError("from the step")):
        run.backward()
        with pytest.raises(KeyError, match="from the step"):
            run.scaler.step(run.optimizer)
    assert set(vars(run.optimizer)) == kept
    before = run.weights()
    assert run.scaler.step(run.optimizer).item() is True
    assert all((p != q).all() for p, q in zip(run.weights(), before, strict=True))


class BrokenStep:
    """Make one optimizer's step raise."""

    def __init__(self, optimizer, error):
        self.optimizer, self.error = optimizer, error

    def __enter__(self):
        def broken(*args, **kwargs):
            raise self.error

        self.optimizer.step = broken

    def __exit__(self, *_):
        del self.optimizer.step


def test_checking_optimizer_is_lent_a_clean_flag_each_time():
    run = Problem(checking, GradScaler("cpu", 1024.0))
    for overflow in (True, False):
        run.step(overflow)
        lent = run.optimizer.lent
        assert lent["found_inf"].item() == 0
        assert lent["found_inf_reduce"] is None
    run.backward(overflow=True)
    run.scaler.unscale_(run.optimizer)
    run.scaler.step(run.optimizer)
    assert run.optimizer.lent["found_inf"].item() == 1
    assert run.optimizer.lent["grad_scale"] is None
    assert "found_inf_reduce" not in run.optimizer.lent  # nothing is left to check


def test_grad_scale_that_the_user_sets_divides_too():
    weights = []
    for factor in (None, 4.0):
        run = Problem(fused_sgd, GradScaler("cpu"))
        before = run.weights()
        run.backward()
        if factor is not None:
            run.optimizer.grad_scale = torch.tensor(factor)
        run.scaler.step(run.optimizer)
        weights.append([q - p for p, q in zip(run.weights(), before, strict=True)])
    for whole, quarter in zip(*weights, strict=True):
        # Differences of weights near 1: each has an error of one rounding.
        torch.testing.assert_close(quarter, whole / 4, rtol=0, atol=2.0**-22)


class TakesScaler(torch.optim.SGD):
    """The older protocol: the scaler is an argument, and without it nothing is unscaled."""

    _step_supports_amp_scaling = True

    def step(self, closure=None, *, grad_scaler=None):
        assert grad_scaler is None
        return super().step(closure)


@pytest.mark.parametrize("overflow", [False, True])
def test_optimizer_of_the_older_protocol_steps_on_unscaled_gradients(overflow):
    old = Problem(lambda params: TakesScaler(params, lr=0.5), GradScaler("cpu"))
    plain = Problem(plain_sgd, GradScaler("cpu"))
    assert old.step(overflow).item() == plain.step(overflow).item() == (not overflow)
    for p, q in zip(old.weights(), plain.weights(), strict=True):
        assert_same_bits(p, q)


@pytest.mark.parametrize("first", OPTIMIZERS, ids=lambda make: make.__name__)
def test_overflow_in_one_of_two_optimizers_skips_one_and_backs_off_once(first):
    for bad in (0, 1):
        scaler = GradScaler("cpu")
        runs = [Problem(first, scaler), Problem(fused_adamw, scaler)]
        before = [run.weights() for run in runs]
        for index, run in enumerate(runs):
            run.backward(overflow=index == bad)
        ran = [scaler.step(run.optimizer).item() for run in runs]
        scaler.update()
        assert ran == [bad != 0, bad != 1]
        for run, old, moved in zip(runs, before, ran, strict=True):
            assert all((p != q).any() == moved for p, q in zip(run.weights(), old, strict=True))
        assert scaler.get_scale() == 2.0**15
        assert scaler.skipped_steps.item() == 1


def test_two_overflows_in_one_iteration_are_one():
    scaler = GradScaler("cpu", hysteresis=2)
    runs = [Problem(make, scaler) for make in (plain_sgd, fused_adamw, checking)]
    for run in runs:
        run.backward(overflow=True)
        assert not scaler.step(run.optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**16
    assert scaler.skipped_steps.item() == 1


# Gradients


@everywhere
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("explicit", [False, True], ids=["step", "unscale_"])
def test_16_bit_gradients_step_as_if_they_had_never_been_scaled(make, dtype, explicit):
    """A scale of 2^8 neither rounds nor overflows the gradients here."""
    if make is fused_sgd:
        pytest.skip("torch 2.13 steps no whole vector of 16-bit parameters (pytorch#191763)")
    run = Problem(make, GradScaler("cpu", 256.0), dtype)
    plain = Problem({checking: plain_sgd}.get(make, make), None, dtype)
    before = run.weights()
    for p, slope in zip(plain.params, plain.slopes, strict=True):
        p.grad = slope.clone()
    plain.optimizer.step()
    for overflow in (True, False):
        run.backward(overflow)
        assert run.params[0].grad.dtype is dtype
        if explicit:
            run.scaler.unscale_(run.optimizer)
        assert run.scaler.step(run.optimizer).item() is not overflow
        run.scaler.update(256.0)
    for p, q, old in zip(run.weights(), plain.weights(), before, strict=True):
        assert_same_bits(p, q)
        assert (p != old).float().mean() > 0.9  # some slopes are too small to move a weight


@pytest.mark.parametrize(("make", "dtype", "scaled"),
                         [(plain_sgd, torch.float16, 6e4), (plain_sgd, torch.float32, 3e38),
                          (fused_adamw, torch.float32, 3e38)])  # fmt: skip
def test_overflow_that_only_unscaling_makes_is_an_overflow(make, dtype, scaled):
    p = torch.nn.Parameter(torch.ones(3, dtype=dtype))
    p.grad = torch.full_like(p, scaled)
    scaler = GradScaler("cpu", 0.5)
    scaler.scale(p)
    assert scaler.step(make([p])).item() is False
    scaler.update()
    assert scaler.get_scale() == 0.25
    assert torch.equal(p.detach(), torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_sparse_gradients_are_unscaled_and_checked(dtype):
    def lookup(weight, rows, scaler):
        out = torch.nn.functional.embedding(torch.tensor(rows), weight, sparse=True)
        scaler.scale(out.float().sum()).backward()

    weight = torch.nn.Parameter(torch.zeros(6, 2, dtype=dtype))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = GradScaler("cpu", 1024.0)
    lookup(weight, [1, 1, 4], scaler)
    assert weight.grad.is_sparse
    assert scaler.step(optimizer).item() is True
    scaler.update()
    expected = torch.zeros(6, 2, dtype=dtype)
    expected[1], expected[4] = -1.0, -0.5
    assert torch.equal(weight.detach(), expected)
    optimizer.zero_grad()
    scaler.update(40_000.0)
    lookup(weight, [1, 1, 4], scaler)  # float16: 40,000 twice is an overflow of the sum
    assert scaler.step(optimizer).item() is (dtype is torch.float32)


def test_gradients_of_any_strides_are_unscaled_in_place():
    whole = torch.full((4, 10), 8.0)
    p, q = (torch.nn.Parameter(torch.zeros(s)) for s in ((4, 5), (5, 4)))
    p.grad, q.grad = whole[:, ::2], torch.full((4, 5), 8.0).t()
    scaler = GradScaler("cpu", 4.0)
    scaler.scale(torch.ones(()))
    scaler.unscale_(plain_sgd([p, q]))
    assert torch.equal(whole, torch.tensor([2.0, 8.0]).repeat(4, 5))
    assert torch.equal(q.grad, torch.full((5, 4), 2.0))


def test_unsupported_gradient_is_an_error_that_leaves_the_optimizer_ready():
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    p.grad = torch.ones_like(p)
    optimizer = plain_sgd([p])
    scaler = GradScaler("cpu")
    scaler.scale(torch.ones(()))
    for _ in range(2):
        with pytest.raises(TypeError, match=r"unscale_check: grads\[0\] must be .*; got float64"):
            scaler.step(optimizer)
    assert torch.equal(p.detach(), torch.ones(2, dtype=torch.float64))


def test_overflow_on_two_devices_is_lent_as_1_not_as_2(monkeypatch):
    """torch's kernels skip on exactly 1. Two names of the CPU stand for two devices."""

    def two_devices(optimizer):
        first, second = (p.grad for p in optimizer.param_groups[0]["params"])
        return {torch.device("cpu"): [first], torch.device("cpu", 0): [second]}

    monkeypatch.setattr("halfword.amp._overflow._gradients_by_device", two_devices)
    run = Problem(fused_adamw, GradScaler("cpu"))
    for bad in ((0,), (1,), (0, 1)):
        before = run.weights()
        run.backward()
        for index in bad:
            run.params[index].grad[0] = INF
        assert run.scaler.step(run.optimizer).item() is False
        run.scaler.update()
        for p, q in zip(run.weights(), before, strict=True):
            assert_same_bits(p, q)
    assert run.step().item() is True


# scale()


def test_scale_keeps_the_structure_of_its_argument():
    Pair = namedtuple("Pair", "left right")
    scaler = GradScaler("cpu", 8.0)
    one, half = torch.ones(2), torch.ones(1, dtype=torch.float16)
    scaled = scaler.scale([one, (half, Pair(one, [half]))])
    assert isinstance(scaled, list)
    assert isinstance(scaled[1], tuple)
    assert isinstance(scaled[1][1], Pair)
    assert torch.equal(scaled[0], 8 * one)
    assert scaled[1][0].dtype is torch.float16
    assert scaled[1][1].right[0].item() == 8
    lazy = scaler.scale(x for x in (one, one))
    assert iter(lazy) is lazy
    assert [x.sum().item() for x in lazy] == [16.0, 16.0]
    assert scaler.scale([]) == []
    for bad in (3, "text", [one, None]):
        with pytest.raises(ValueError, match="outputs must be a Tensor or an iterable of Tensors"):
            scaler.scale(bad)


def test_scale_lives_where_the_first_tensor_does():
    scaler = GradScaler("cpu", 8.0)
    assert scaler.scale(torch.ones(2, device="meta")).device.type == "meta"
    assert scaler.skipped_steps.device.type == "meta"


# A whole run, state, copies


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


KEYS = ["scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"]
OPTIONS = {"init_scale": 1000.0, "growth_factor": 1.7, "backoff_factor": 0.3, "growth_interval": 5}


def advanced(scaler, overflows):
    run = Problem(plain_sgd, scaler)
    for overflow in overflows:
        run.step(overflow)
    return run


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


def test_static_scale_never_moves_but_overflows_are_skipped_and_counted():
    scaler = GradScaler("cpu", 100.0, growth_interval=1, dynamic=False)
    run = Problem(fused_adamw, scaler)
    for overflow in (False, True, False, True, True, False):
        assert run.step(overflow).item() is not overflow
        assert scaler.get_scale() == 100.0
    assert scaler.skipped_steps.item() == 3
    assert (scaler.skipped_steps.dtype, scaler.skipped_steps.shape) == (torch.int64, ())


def test_disabled_scaler_hands_through():
    scaler = GradScaler("cpu", enabled=False)
    run = Problem(plain_sgd, scaler)
    one = torch.ones(2)
    assert scaler.scale(one) is one
    run.backward(overflow=True)
    scaler.unscale_(run.optimizer)
    run.optimizer.step = lambda *args, **kwargs: ("returned", args, kwargs)
    assert scaler.step(run.optimizer, 1, closure=2) == ("returned", (1,), {"closure": 2})
    scaler.update()
    scaler.load_state_dict({})
    assert (scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()) == (1.0, False, {})
    assert scaler.skipped_steps.item() == 0
    assert copy.deepcopy(scaler).is_enabled() is False


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_scaler_without_cuda_warns_and_is_disabled_and_the_default_is_the_cpu():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not GradScaler("cuda").is_enabled()
    assert GradScaler().is_enabled()
    assert GradScaler(torch.device("cpu", 0)).is_enabled()


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


# Misuse and bad arguments


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


# Ranks

RANK = """
import sys
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, Replicate, Shard, init_device_mesh
from halfword.amp import GradScaler
from tests.test_grad_scaler import Problem, checking, fused_adamw, halfword_adamw, plain_sgd
from tests.test_grad_scaler import AdamW

store, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.set_num_threads(1)
makes = [plain_sgd, fused_adamw, checking] + ([halfword_adamw] if AdamW else [])


def outcomes(run):
    scaler, seen = run.scaler, []
    for bad, explicit in (("0", False), ("", False), ("1", True), ("01", False), ("", True)):
        before = run.weights()
        run.backward(overflow=str(rank) in bad)
        if explicit:
            scaler.unscale_(run.optimizer)
        ran = scaler.step(run.optimizer).item()
        scaler.update()
        moved = [bool((p != q).any()) for p, q in zip(run.weights(), before)]
        assert ran == (bad == '') and moved == [ran] * 2, (run.optimizer, bad, ran, moved)
        seen.append(scaler.get_scale())
    assert seen == [2.0**n for n in (15, 15, 14, 13, 13)], seen
    assert scaler.skipped_steps.item() == 3


for make in makes:
    outcomes(Problem(make, GradScaler("cpu", process_group=dist.group.WORLD)))

# A rank without gradients takes part in the decision, or the other would wait for ever.
run = Problem(plain_sgd, GradScaler("cpu", process_group=dist.group.WORLD))
run.backward(overflow=True)
if rank == 1:
    run.optimizer.zero_grad()
assert not run.scaler.step(run.optimizer)

# A group of this rank alone decides alone.
alone = [dist.new_group([r]) for r in range(2)][rank]
run = Problem(plain_sgd, GradScaler("cpu", process_group=alone))
assert run.step(overflow=rank == 0).item() is (rank == 1)

# Sharded parameters need no group.
mesh = init_device_mesh("cpu", (2,))
weight = torch.nn.Parameter(DTensor.from_local(torch.ones(4), mesh, [Shard(0)]))
optimizer, scaler = torch.optim.SGD([weight], lr=0.5), GradScaler("cpu", 4.0)
scaler.scale(torch.ones(()))
for bad in (0, None):
    weight.grad = DTensor.from_local(torch.full((4,), 8.0), mesh, [Shard(0)])
    if rank == bad:
        weight.grad.to_local()[3] = float("nan")
    assert scaler.step(optimizer).item() is (bad is None)
    scaler.update()
expected = 1 - 0.5 * 8.0 / 2.0  # the scale was halved
assert torch.equal(weight.to_local().detach(), torch.full((4,), expected))
dist.destroy_process_group()
print("agreed")
"""


def test_overflow_on_one_rank_skips_the_step_on_both(tmp_path):
    root = Path(__file__).resolve().parents[1]
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, str(tmp_path / "store"), str(rank)], cwd=root,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]  # fmt: skip
    try:
        for rank in ranks:
            out, err = rank.communicate(timeout=120)
            assert (rank.returncode, out.strip()) == (0, "agreed"), err
    finally:
        for rank in ranks:
            rank.kill()
