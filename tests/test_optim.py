"""halfword.optim: AdamW and Adam as drop-ins for torch's."""

import copy
import gc
import io
import pickle

import pytest
import torch
from torch import nn

import halfword
from halfword.optim import Adam, AdamW, join_master

from .compare import assert_same_bits, same_bits

F32, BF16, F16 = torch.float32, torch.bfloat16, torch.float16
CLASSES = [(AdamW, torch.optim.AdamW), (Adam, torch.optim.Adam)]


def names(value):
    return str(value).removeprefix("torch.")


def make_model(dtype=F32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(19, 33), nn.Tanh(), nn.Linear(33, 5)).to(dtype)


def backward(model, seed, scale=1.0):
    """Gradients of a batch that depends on the seed only."""
    generator = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    x = torch.randn(8, 19, generator=generator).to(dtype)
    model.zero_grad()
    loss = model(x).float().square().mean()
    (loss * scale).backward()
    return loss


def train(model, optimizer, steps, first=0):
    for i in range(first, first + steps):
        backward(model, i)
        optimizer.step()


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def assert_close_models(one, two, steps, lr):
    """Adam moves a weight by about lr a step; two orders of rounding part by far less.

    A gradient near 0 can turn an ulp into a sign, so the bound is on the mean: 1e-4 of the travel.
    """
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert (p - q).abs().mean() < 1e-4 * steps * lr


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


@pytest.mark.parametrize(("ours", "theirs"), CLASSES, ids=["AdamW", "Adam"])
def test_state_dict_has_torchs_keys(ours, theirs):
    one, two = make_model(), make_model()
    a, b = ours(one.parameters(), amsgrad=True), theirs(two.parameters(), amsgrad=True)
    train(one, a, 1), train(two, b, 1)
    mine, rival = a.state_dict(), b.state_dict()
    assert mine["state"].keys() == rival["state"].keys()
    assert list(mine["state"][0]) == list(rival["state"][0])
    assert set(rival["param_groups"][0]) <= set(mine["param_groups"][0])
    for key, value in rival["state"][0].items():
        assert mine["state"][0][key].shape == value.shape
        assert mine["state"][0][key].dtype == value.dtype


@pytest.mark.parametrize(("ours", "theirs"), CLASSES, ids=["AdamW", "Adam"])
def test_loads_torchs_state_and_torch_loads_ours(ours, theirs):
    one, two = make_model(), make_model()
    rival = theirs(two.parameters(), lr=0.01, betas=(0.7, 0.9))
    train(two, rival, 5)
    one.load_state_dict(two.state_dict())
    mine = ours(one.parameters())
    mine.load_state_dict(rival.state_dict())
    assert mine.param_groups[0]["betas"] == (0.7, 0.9)
    train(one, mine, 5, first=5), train(two, rival, 5, first=5)
    assert_close_models(one, two, 5, 0.01)

    two.load_state_dict(one.state_dict())
    rival.load_state_dict(copy.deepcopy(mine.state_dict()))  # torch would share the memory
    train(one, mine, 5, first=10), train(two, rival, 5, first=10)
    assert_close_models(one, two, 5, 0.01)


def test_loads_the_state_of_apex_fused_adam():
    """Its step counter is in the group, and there are no masters."""
    model = make_model()
    reference = AdamW(model.parameters(), lr=0.01)
    train(model, reference, 3)
    state = reference.state_dict()
    group = {
        k: state["param_groups"][0][k] for k in ("lr", "betas", "eps", "weight_decay", "params")
    }
    apex = {
        "state": {
            i: {k: s[k].clone() for k in ("exp_avg", "exp_avg_sq")}
            for i, s in state["state"].items()
        },
        "param_groups": [{**group, "bias_correction": True, "step": 3}],
    }
    other = make_model()
    other.load_state_dict(model.state_dict())
    loaded = AdamW(other.parameters())
    loaded.load_state_dict(apex)
    train(model, reference, 3, first=3), train(other, loaded, 3, first=3)
    for p, q in zip(weights(model), weights(other), strict=True):
        assert_same_bits(q, p)


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


KINDS = [
    {"master_weights": True},
    {"master_weights": "remainder"},
    {"master_weights": False},
    {"stochastic_rounding": True},
    {"moment_dtype": BF16},
    {"master_weights": "remainder", "moment_dtype": BF16, "amsgrad": True},
]


@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda k: "-".join(f"{a}={names(b)}" for a, b in k.items())
)
@pytest.mark.parametrize("via", ["state_dict", "file", "pickle", "deepcopy"])
def test_a_resumed_run_repeats_the_bits(kind, via):
    one = make_model(BF16)
    optimizer = AdamW(one.parameters(), lr=0.02, max_grad_norm=0.5, **kind)
    train(one, optimizer, 4)
    two = copy.deepcopy(one)
    if via in ("state_dict", "file"):
        state = optimizer.state_dict()
        if via == "file":
            file = io.BytesIO()
            torch.save(state, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
        resumed = AdamW(two.parameters(), lr=0.5, max_grad_norm=0.5, **kind)
        resumed.load_state_dict(state)
    else:
        both = (one, optimizer)
        two, resumed = (
            copy.deepcopy(both) if via == "deepcopy" else pickle.loads(pickle.dumps(both))
        )
    train(one, optimizer, 4, first=4), train(two, resumed, 4, first=4)
    for p, q in zip(weights(one), weights(two), strict=True):
        assert_same_bits(q, p)
    for mine, copied in zip(optimizer.state.values(), resumed.state.values(), strict=True):
        for key, value in mine.items():
            assert_same_bits(copied[key], value, key)


@pytest.mark.parametrize("dtype", [BF16, F16], ids=names)
def test_masters_and_moments_keep_their_dtypes_on_load(dtype):
    model = make_model(dtype)
    optimizer = AdamW(model.parameters(), master_weights=True)
    train(model, optimizer, 2)
    other = AdamW(make_model(dtype).parameters())
    other.load_state_dict(optimizer.state_dict())
    for values in other.state.values():
        assert {k: v.dtype for k, v in values.items()} == {
            "step": F32, "exp_avg": F32, "exp_avg_sq": F32, "master_param": F32,
        }  # fmt: skip


def test_loaded_state_shares_no_memory_with_its_source():
    one, two = make_model(), make_model()
    source, target = AdamW(one.parameters(), lr=0.01), AdamW(two.parameters())
    train(one, source, 2)
    target.load_state_dict(source.state_dict())
    before = copy.deepcopy(source.state_dict())
    train(two, target, 2)
    for i, values in before["state"].items():
        for key, value in values.items():
            assert_same_bits(source.state_dict()["state"][i][key], value, key)


def test_torchs_state_of_a_16_bit_model_gets_masters_and_fp32_moments():
    one, two = make_model(BF16), make_model(BF16)
    rival = torch.optim.AdamW(one.parameters(), lr=0.01)
    train(one, rival, 3)
    two.load_state_dict(one.state_dict())
    ours = AdamW(two.parameters(), master_weights=True)
    ours.load_state_dict(rival.state_dict())
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        values = ours.state[q]
        assert_same_bits(values["master_param"], q.detach().float())
        assert_same_bits(values["exp_avg"], rival.state[p]["exp_avg"].float())
        assert values["step"].item() == 3


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


def test_load_state_dict_hooks_run():
    model = make_model()
    optimizer = AdamW(model.parameters())
    train(model, optimizer, 1)
    seen = []
    optimizer.register_load_state_dict_pre_hook(lambda o, s: seen.append(sorted(s)))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("after"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == [["param_groups", "state"], "after"]


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


def test_bad_masks_are_named():
    model = make_model()
    optimizer = AdamW(model.parameters())
    with pytest.raises(ValueError, match="set_mask: param must be a parameter of this optimizer"):
        optimizer.set_mask(torch.ones(1), None)
    with pytest.raises(TypeError, match=r"set_mask: mask must be bool; got torch\.float32"):
        optimizer.set_mask(model[0].bias, torch.ones(33))
    with pytest.raises(ValueError, match=r"set_mask: mask must have the parameter's shape, \[33\]"):
        optimizer.set_mask(model[0].bias, torch.ones(2, dtype=torch.bool))


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


def test_an_optimizer_that_goes_away_takes_its_plan_along():
    p = nn.Parameter(torch.ones(4))
    optimizer = AdamW([p])
    p.grad = torch.ones(4)
    optimizer.step(), optimizer.step()
    number = optimizer._plans[0]._number
    arguments = ([p], [p.grad], number, None, None, None, None, 0.1, 0.9, 0.9, 1e-8, 0.0)
    rest = (True, False, True, False, 0)
    with torch.no_grad():
        assert torch.ops.halfword._adam_plan_step(*arguments, *rest)
        del optimizer
        gc.collect()
        before = p.detach().clone()
        assert not torch.ops.halfword._adam_plan_step(*arguments, *rest)
    assert_same_bits(p.detach(), before)


def test_sparse_gradients_are_an_error_that_changes_nothing():
    embedding = nn.Embedding(10, 3, sparse=True)
    dense = nn.Parameter(torch.ones(3))
    optimizer = AdamW([{"params": [dense]}, {"params": [embedding.weight]}], lr=0.1)
    (embedding(torch.tensor([1, 2])) * dense).sum().backward()
    with pytest.raises(RuntimeError, match="AdamW: gradients must be dense; got a sparse gradient"):
        optimizer.step()
    assert (dense == 1).all()
    assert not optimizer.state


def test_an_option_that_went_bad_stops_the_step_before_any_group():
    one, two = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = AdamW([{"params": [one]}, {"params": [two]}], lr=0.1)
    one.grad = two.grad = torch.ones(3)
    optimizer.param_groups[1]["lr"] = float("nan")
    with pytest.raises(ValueError, match="AdamW: lr must be finite and >= 0; got nan"):
        optimizer.step()
    assert (one == 1).all()


BAD = [
    ({"lr": -1.0}, ValueError, "lr must be finite and >= 0; got -1.0"),
    ({"lr": float("nan")}, ValueError, "lr must be finite and >= 0; got nan"),
    ({"lr": torch.ones(2)}, ValueError, "lr must have one element; got 2"),
    ({"lr": "fast"}, TypeError, "lr must be a number; got str"),
    ({"betas": (1.0, 0.9)}, ValueError, r"betas\[0\] must be in \[0, 1\); got 1.0"),
    ({"betas": (0.9, float("nan"))}, ValueError, r"betas\[1\] must be in \[0, 1\); got nan"),
    ({"betas": (0.9,)}, ValueError, "betas must be two numbers; got 1"),
    ({"eps": -1e-8}, ValueError, "eps must be finite and >= 0"),
    ({"weight_decay": -0.1}, ValueError, "weight_decay must be finite and >= 0; got -0.1"),
    ({"differentiable": True}, ValueError, "differentiable must be False"),
    ({"master_weights": "half"}, ValueError, "master_weights must be True, False or 'remainder'"),
    ({"max_grad_norm": 0.0}, ValueError, "max_grad_norm must be > 0; got 0.0"),
    ({"max_grad_norm": float("inf")}, ValueError, "max_grad_norm must be finite"),
    ({"moment_dtype": F16}, ValueError, "moment_dtype must be torch.float32 or torch.bfloat16"),
    ({"seed": 0.5}, TypeError, "seed must be an int; got float"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=[b[2][:30] for b in BAD])
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match="AdamW: " + message):
        AdamW(make_model().parameters(), **options)


def test_bad_parameters_are_named():
    integer = torch.ones(2, dtype=torch.int64)
    with pytest.raises(TypeError, match=r"AdamW: params\[1\] must be float32.*got torch.int64"):
        AdamW([nn.Parameter(torch.ones(1)), integer])
    with pytest.raises(TypeError, match=r"params\[0\] must be float32.*got torch.complex64"):
        AdamW([nn.Parameter(torch.ones(1, dtype=torch.complex64))])
    half = nn.Parameter(torch.ones(1, dtype=F16))
    with pytest.raises(ValueError, match=r"params\[0\] must be bfloat16 or float32 with master"):
        AdamW([half], master_weights="remainder")
    with pytest.raises(ValueError, match=r"params\[0\] must be bfloat16 .* stochastic_rounding"):
        AdamW([half], stochastic_rounding=True)
    optimizer = AdamW([nn.Parameter(torch.ones(1))])
    with pytest.raises(ValueError, match="lr must be finite"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": -1})
    assert len(optimizer.param_groups) == 1


def broken_states():
    model = make_model()
    optimizer = AdamW(model.parameters())
    train(model, optimizer, 1)

    def changed(change):
        state = copy.deepcopy(optimizer.state_dict())
        return change(state) or state

    def drop(state):
        del state["state"][1]["exp_avg_sq"]

    def reshape(state):
        state["state"][2]["exp_avg"] = torch.zeros(3)

    def integers(state):
        state["state"][0]["exp_avg"] = torch.zeros(33, 19, dtype=torch.int64)

    def text(state):
        state["state"][0]["exp_avg"] = "gone"

    def no_step(state):
        del state["state"][0]["step"]

    def half_step(state):
        state["state"][0]["step"] = torch.tensor(0.5)

    def group(state):
        state["param_groups"][0]["params"].pop()

    return [
        (
            changed(lambda s: {"model": s}),
            TypeError,
            "must be a dict with 'state' and 'param_groups'",
        ),
        (
            copy.deepcopy(optimizer.state),
            TypeError,
            "must be a dict with 'state' and 'param_groups'",
        ),
        (changed(drop), ValueError, r"state\[1\] must have 'exp_avg_sq'; it is missing"),
        (changed(reshape), ValueError, r"state\[2\]\['exp_avg'\] must have the shape .* got \[3\]"),
        (
            changed(integers),
            TypeError,
            r"state\[0\]\['exp_avg'\] must be torch.float32; got torch.int64",
        ),
        (changed(text), TypeError, r"state\[0\]\['exp_avg'\] must be a tensor; got str"),
        (changed(no_step), ValueError, r"state\[0\] must have 'step'"),
        (changed(half_step), ValueError, r"state\[0\]\['step'\] must be a whole number"),
        (changed(group), ValueError, "doesn't match the size of optimizer's group"),
    ]


@pytest.mark.parametrize(("state", "error", "message"), broken_states(), ids=range(9))
def test_a_broken_checkpoint_is_named_and_changes_nothing(state, error, message):
    model = make_model()
    optimizer = AdamW(model.parameters(), lr=0.01)
    train(model, optimizer, 2)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for i, values in before["state"].items():
        for key, value in values.items():
            assert_same_bits(after["state"][i][key], value, key)


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
