"""halfword.optim: state dicts, ours, torch's and Apex's, and broken ones."""

import copy
import io
import pickle

import pytest
import torch

from halfword.optim import Adam, AdamW

from .compare import assert_same_bits
from .training import (
    BF16,
    F16,
    F32,
    assert_close_models,
    make_model,
    names,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("kind_of_device")

CLASSES = [(AdamW, torch.optim.AdamW), (Adam, torch.optim.Adam)]


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


def test_load_state_dict_hooks_run():
    model = make_model()
    optimizer = AdamW(model.parameters())
    train(model, optimizer, 1)
    seen = []
    optimizer.register_load_state_dict_pre_hook(lambda o, s: seen.append(sorted(s)))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("after"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == [["param_groups", "state"], "after"]


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
