"""amp.GradScaler: stepping optimizers as torch's scaler does, and beyond it."""

import copy
import math
from collections import namedtuple

import pytest
import torch

from halfword.amp import GradScaler

from .compare import assert_same_bits
from .scaler_problem import (
    INF,
    OPTIMIZERS,
    SUPPORTING,
    Problem,
    checking,
    everywhere,
    fused_adamw,
    fused_sgd,
    halfword_adamw,
    plain_sgd,
)

pytestmark = pytest.mark.usefixtures("one_thread")


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


pytestmark = pytest.mark.usefixtures("kind_of_device")


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
