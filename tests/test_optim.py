"""halfword.optim: AdamW and Adam step as torch's, and what they do beyond them."""

import gc
import sys

import pytest
import torch
from torch import nn

import halfword
from halfword.optim import Adam, AdamW, join_master

from .compare import assert_same_bits, same_bits
from .training import (
    BF16,
    F16,
    F32,
    assert_close_models,
    backward,
    make_model,
    names,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("kind_of_device")

CLASSES = [(AdamW, torch.optim.AdamW), (Adam, torch.optim.Adam)]


OPTIONS = [
    {},
    {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.2},
    {"amsgrad": True},
    {"maximize": True},
    {"lr": torch.tensor(0.01)},
    {"foreach": True} | {"weight_decay": 0.0},
    {"capturable": False, "fused": None},
]


@pytest.mark.parametrize(("ours", "theirs"), CLASSES, ids=["AdamW", "Adam"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "defaults")
def test_trains_like_torch(ours, theirs, options):
    one, two = make_model(), make_model()
    rival_options = {k: v for k, v in options.items() if k != "foreach"}
    options = {"lr": 0.01, **options}
    train(one, ours(one.parameters(), **options), 20)
    train(two, theirs(two.parameters(), **{"lr": 0.01, **rival_options}), 20)
    assert_close_models(one, two, 20, float(options["lr"]))
    moved = (weights(one)[0] - weights(make_model())[0]).abs().mean()
    assert moved > float(options["lr"])  # so that a step that does nothing would fail


def test_takes_the_argument_names_of_apex():
    model = make_model(BF16)
    optimizer = Adam(
        model.parameters(), lr=0.01, bias_correction=False, adam_w_mode=True, capturable=True,
        master_weights=True,
    )  # fmt: skip
    train(model, optimizer, 2)
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
    assert "master_param" in optimizer.state[model[0].weight]
    with pytest.raises(ValueError, match="AdamW: adam_w_mode must not be False"):
        AdamW(model.parameters(), adam_w_mode=False)


@pytest.mark.parametrize("dtype", [BF16, F16], ids=names)
def test_a_16_bit_parameter_is_its_master_rounded(dtype):
    model = make_model(dtype)
    optimizer = AdamW(model.parameters(), lr=1e-4, master_weights=True)
    train(model, optimizer, 5)
    for p in model.parameters():
        assert_same_bits(p.detach(), optimizer.state[p]["master_param"].to(dtype))


def test_remainder_masters_train_exactly_as_fp32_masters():
    """From the same gradients; the parameters themselves may differ by a tie."""
    torch.manual_seed(0)
    start = torch.randn(500).bfloat16()
    one, two = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    a = AdamW([one], lr=1e-3, master_weights=True)
    b = AdamW([two], lr=1e-3, master_weights="remainder")
    for _ in range(20):
        one.grad = torch.randn(500).bfloat16()
        two.grad = one.grad.clone()
        a.step(), b.step()
    joined = join_master(two.detach(), b.state[two]["master_remainder"])
    assert_same_bits(joined, a.state[one]["master_param"])


def test_small_updates_need_masters_or_stochastic_rounding():
    """A thousand steps of 1e-5 from 1: bfloat16 to nearest does not move."""

    def final(**options):
        p = nn.Parameter(torch.ones(2000, dtype=BF16))
        optimizer = AdamW([p], lr=1e-5, weight_decay=0.0, **options)
        for _ in range(1000):
            p.grad = torch.ones_like(p)
            optimizer.step()
        return p.detach().float().mean().item()

    assert final() == 1.0
    # 1 - 1000 lr = 0.99, in bfloat16's steps of 2^-8 below 1
    assert abs(final(master_weights=True) - 0.99) <= 2.0**-9
    assert abs(final(stochastic_rounding=True) - 0.99) < 2.0**-9


def test_mixed_dtypes_and_groups_step_together():
    model = make_model()
    model[2].to(BF16)
    optimizer = AdamW(
        [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters()}],
        lr=0.01, master_weights=True,
    )  # fmt: skip
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    before = weights(model)
    optimizer.step()
    for p, old, lr in zip(model.parameters(), before, (0.1, 0.1, 0.01, 0.01), strict=True):
        assert ((old - p).float() - lr).abs().max() < lr * 0.2 + 2.0**-8
    assert "master_param" not in optimizer.state[model[0].weight]
    assert optimizer.state[model[2].weight]["master_param"].dtype == F32


def test_max_grad_norm_is_clip_grad_norm():
    one, two = make_model(), make_model()
    ours = AdamW(one.parameters(), lr=0.01, max_grad_norm=0.05)
    theirs = torch.optim.AdamW(two.parameters(), lr=0.01)
    for i in range(10):
        backward(one, i), backward(two, i)
        kept = [p.grad.clone() for p in one.parameters()]
        norm = nn.utils.clip_grad_norm_(two.parameters(), 0.05)
        ours.step(), theirs.step()
        assert norm > 0.05  # else nothing is clipped
        torch.testing.assert_close(ours.grad_norm, norm, rtol=1e-4, atol=0)
        for p, grad in zip(one.parameters(), kept, strict=True):
            assert_same_bits(p.grad, grad)  # read, not written
    assert_close_models(one, two, 10, 0.01)


def test_max_grad_norm_spans_groups_and_skips_what_is_not_finite():
    one, two = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(3))
    optimizer = AdamW([{"params": [one]}, {"params": [two], "lr": 0.5}], max_grad_norm=1.0)
    with pytest.raises(RuntimeError, match="grad_norm needs max_grad_norm and a step done"):
        optimizer.grad_norm  # noqa: B018
    one.grad, two.grad = torch.full((4,), 3.0), torch.full((3,), 4.0)
    optimizer.step()
    assert abs(optimizer.grad_norm.item() - (4 * 9 + 3 * 16) ** 0.5) < 1e-5
    assert not optimizer.step_was_skipped
    before = [one.detach().clone(), two.detach().clone()]
    two.grad[1] = float("nan")
    optimizer.step()
    assert optimizer.step_was_skipped
    assert optimizer.skipped_steps.item() == 1
    assert_same_bits(one.detach(), before[0])
    assert_same_bits(two.detach(), before[1])
    assert optimizer.state[one]["step"].item() == 1


def test_amsgrad_keeps_the_largest_second_moment():
    p = nn.Parameter(torch.ones(3))
    optimizer = AdamW([p], amsgrad=True, betas=(0.9, 0.5))
    for value in (4.0, 1.0, 0.0):
        p.grad = torch.full((3,), value)
        optimizer.step()
    assert (optimizer.state[p]["max_exp_avg_sq"] == 8).all()


def scaler_for(kind):
    if kind == "torch":
        return torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    return halfword.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)


@pytest.mark.parametrize("unscale", [False, True], ids=["", "unscale_"])
@pytest.mark.parametrize("kind", ["torch", "halfword"])
@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
def test_steps_under_a_scaler_are_the_unscaled_ones(kind, unscale, max_grad_norm):
    """A power of two scales without rounding, so the bits are those of a run without a scaler."""
    one, two = make_model(), make_model()
    scaled = AdamW(one.parameters(), lr=0.01, max_grad_norm=max_grad_norm)
    plain = AdamW(two.parameters(), lr=0.01, max_grad_norm=max_grad_norm)
    scaler = scaler_for(kind)
    for i in range(8):
        scaler.scale(torch.ones(()))  # makes the scale, as a first loss would
        backward(one, i, scale=scaler.get_scale())
        overflow = i in (2, 5)
        if overflow:
            one[0].weight.grad[3, 4] = float("inf")
        if unscale:
            scaler.unscale_(scaled)
        before = weights(one)
        scaler.step(scaled)
        scaler.update()
        assert bool(scaled.step_was_skipped) == overflow
        if overflow:
            for p, q in zip(weights(one), before, strict=True):
                assert_same_bits(p, q)
        else:
            backward(two, i)
            plain.step()
    assert scaled.skipped_steps.item() == 2
    assert scaler.get_scale() == 256.0  # two overflows, and never three clean steps in a row
    assert not hasattr(scaled, "grad_scale")
    assert not hasattr(scaled, "found_inf")
    for p, q in zip(weights(one), weights(two), strict=True):
        assert_same_bits(p, q)


def test_schedulers_hooks_and_closure_work():
    model = make_model()
    optimizer = AdamW(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    calls = []
    optimizer.register_step_pre_hook(lambda *a: calls.append("before"))
    optimizer.register_step_post_hook(lambda *a: calls.append("after"))
    loss = optimizer.step(lambda: backward(model, 0))
    scheduler.step()
    assert loss.item() > 0
    assert calls == ["before", "after"]
    assert optimizer.param_groups[0]["lr"] == 0.05


def test_frozen_and_unused_parameters_are_left_alone():
    model = make_model()
    model[0].weight.requires_grad_(False)
    optimizer = AdamW(model.parameters(), lr=0.1)
    train(model, optimizer, 1)
    assert model[0].weight not in optimizer.state
    used = model[2].weight
    count = optimizer.state[used]["step"].item()
    used.grad = None
    optimizer.step()
    assert optimizer.state[used]["step"].item() == count
    assert optimizer.state[model[2].bias]["step"].item() == count + 1


def test_a_step_without_any_gradient_is_no_step():
    model = make_model()
    before = weights(model)
    AdamW(model.parameters(), max_grad_norm=1.0).step()
    for p, q in zip(weights(model), before, strict=True):
        assert_same_bits(p, q)


def test_tied_parameters_are_stepped_once_and_shared_storage_in_order():
    base = torch.ones(60_000)
    one, two = nn.Parameter(base), nn.Parameter(base)
    torch_base = base.clone()
    a, b = nn.Parameter(torch_base), nn.Parameter(torch_base)
    for p in (one, two, a, b):
        p.grad = torch.ones_like(p)
    AdamW([one, two], lr=0.1).step()
    torch.optim.AdamW([a, b], lr=0.1).step()
    assert (one - a).abs().max() < 2 * 8 * 2.0**-24  # two steps of some eight roundings near 1
    assert (one - 0.8).abs().max() < 0.01


def test_masks_keep_weights_pruned():
    model = make_model(BF16)
    optimizer = AdamW(model.parameters(), lr=0.05, master_weights=True)
    weight = model[0].weight
    mask = torch.rand(weight.shape) < 0.5
    optimizer.set_mask(weight, mask)
    train(model, optimizer, 3)
    assert (weight[~mask] == 0).all()
    assert (weight[mask] != 0).all()
    assert (optimizer.state[weight]["master_param"][~mask] == 0).all()

    other = make_model(BF16)
    resumed = AdamW(other.parameters(), master_weights=True)
    resumed.load_state_dict(optimizer.state_dict())
    assert_same_bits(resumed.state[other[0].weight]["mask"], mask)
    resumed.set_mask(other[0].weight, None)
    train(other, resumed, 1)
    assert (other[0].weight != 0).all()


def test_a_parameter_moved_or_replaced_between_steps_is_seen():
    """Nothing that step() keeps may outlive what it was made from."""
    model = make_model()
    optimizer = AdamW(model.parameters(), lr=0.1)
    train(model, optimizer, 2)
    bias = model[0].bias
    bias.data = torch.zeros(33)
    optimizer.state[bias]["exp_avg"] = torch.full((33,), 100.0)
    bias.grad = torch.zeros(33)
    optimizer.step()
    assert (bias < -0.1).all()  # moved by the new moment
    optimizer.state.clear()
    bias.grad = torch.ones(33)
    optimizer.step()
    assert optimizer.state[bias]["step"].item() == 1


def test_a_parameter_whose_memory_alone_moved_is_stepped_where_it_is():
    p = nn.Parameter(torch.ones(33))
    optimizer = AdamW([p], lr=0.1, weight_decay=0.0)
    p.grad = torch.ones(33)
    optimizer.step(), optimizer.step()
    old, p.data = p.data, torch.full((33,), 5.0)
    before = old.clone()
    optimizer.step()
    assert (p < 4.95).all()
    assert_same_bits(old, before)


def test_gradients_may_change_dtype_layout_and_place_between_steps():
    """What a plan was made for: contiguous gradients at one address."""
    one, two = nn.Parameter(torch.ones(6, 8)), nn.Parameter(torch.ones(6, 8))
    kept, state = AdamW([one], lr=0.1), None
    for i in range(5):
        grad = torch.randn(6, 8)
        one.grad = grad.t().contiguous().t() if i % 2 else grad.clone()
        kept.step()
        fresh = AdamW([two], lr=0.1)  # has no plan
        if state is not None:
            fresh.load_state_dict(state)
        two.grad = grad
        fresh.step()
        state = fresh.state_dict()
        assert_same_bits(one.detach(), two.detach())


def test_a_group_that_cannot_be_planned_is_tried_once():
    p = nn.Parameter(torch.ones(8, 6).t())
    optimizer, plans = AdamW([p], lr=0.1), []
    for _ in range(3):
        p.grad = torch.ones(6, 8)
        optimizer.step()
        plans.append(optimizer._plans[0])
    assert not plans[0].usable
    assert plans[0] is plans[1] is plans[2]
    assert optimizer.state[p]["step"].item() == 3


def test_an_optimizer_that_goes_away_takes_its_plan_along():
    p = nn.Parameter(torch.ones(4))
    optimizer = AdamW([p])
    p.grad = torch.ones(4)
    optimizer.step(), optimizer.step()
    number = optimizer._plans[0]._number
    plan_step = sys.modules["halfword.ops.adam_step"]._PLAN_STEP
    arguments = ([p], [p.grad], number, None, None, None, None, 0.1, 0.9, 0.9, 1e-8, 0.0)
    rest = (True, False, True, False, 0)
    with torch.no_grad():
        assert plan_step(*arguments, *rest)
        del optimizer
        gc.collect()
        before = p.detach().clone()
        assert not plan_step(*arguments, *rest)
    assert_same_bits(p.detach(), before)


def test_different_seeds_round_differently_and_equal_ones_alike():
    def run(seed):
        model = make_model(BF16)
        train(model, AdamW(model.parameters(), lr=1e-3, stochastic_rounding=True, seed=seed), 3)
        return torch.cat([w.flatten() for w in weights(model)])

    assert_same_bits(run(1), run(1))
    assert not same_bits(run(1), run(2))


def test_repr_and_defaults_look_like_torchs():
    optimizer = AdamW(make_model().parameters())
    assert repr(optimizer).startswith("AdamW (")
    assert optimizer.defaults["weight_decay"] == 0.01
    assert Adam(make_model().parameters()).defaults["weight_decay"] == 0.0
