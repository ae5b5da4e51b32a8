"""ops.adam_step: the fused Adam step."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from halfword import ops

from .adam_problem import STEP, check, expected, make, names
from .cases.adam_step import BF16, F16, F32, GRADS, MOMENTS, SHAPES, WEIGHTS
from .compare import assert_same_bits, same_bits
from .reference.adam_step import Hyper

# The device is the same for all examples of a test.
ONE_DEVICE = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("moment", MOMENTS, ids=names)
@pytest.mark.parametrize("grad", GRADS, ids=names)
@pytest.mark.parametrize("types", WEIGHTS, ids=str)
def test_every_combination_of_types_matches_the_reference_bit_for_bit(device, types, grad, moment):
    check(make((7, 19), types, grad, moment), Hyper(inv_scale=1 / 1024, clip=0.7))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("types", [WEIGHTS[0], WEIGHTS[2], WEIGHTS[5], WEIGHTS[6]], ids=str)
def test_every_shape_matches_the_reference_bit_for_bit(device, shape, types):
    check(make(shape.size, types, moment=BF16 if types.stochastic else F32), Hyper())


OPTIONS = [
    {"decoupled": False},
    {"maximize": True},
    {"bias_correction": False},
    {"amsgrad": True},
    {"amsgrad": True, "decoupled": False, "maximize": True},
    {"weight_decay": 0.0},
    {"eps": 0.0},
    {"beta1": 0.0},
    {"beta2": 0.0},
]


@pytest.mark.parametrize("moment", MOMENTS, ids=names)
@pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items())
)
def test_every_option_matches_the_reference_bit_for_bit(device, options, moment):
    check(make((7, 19), WEIGHTS[4], F16, moment), replace(Hyper(), **options))


@given(
    numel=st.integers(0, 700),
    offset=st.integers(0, 9),
    spread=st.booleans(),
    types=st.sampled_from(WEIGHTS),
    grad=st.sampled_from(GRADS),
    moment=st.sampled_from(MOMENTS),
    decoupled=st.booleans(),
    amsgrad=st.booleans(),
    lr=st.sampled_from([0.0, 1e-5, 0.3]),
    clip=st.floats(0, 1, width=32),
)
@settings(max_examples=100, deadline=None, suppress_health_check=ONE_DEVICE)
def test_any_problem_matches_the_reference_bit_for_bit(
    device, numel, offset, spread, types, grad, moment, decoupled, amsgrad, lr, clip
):
    """Also with tensors that start at an odd element, each at its own if `spread`, so that nothing
    is aligned."""
    problem = make((numel,), types, grad, moment)
    for i, name in enumerate(("param", "grad", "m", "v", "v_max", "master")):
        tensor = getattr(problem, name)
        skip = offset + (i if spread else 0)
        shifted = torch.zeros(tensor.numel() + skip, dtype=tensor.dtype)[skip:]
        shifted.copy_(tensor)
        setattr(problem, name, shifted)
    check(problem, Hyper(decoupled=decoupled, amsgrad=amsgrad, lr=lr, clip=clip))


def test_many_steps_stay_within_rounding_of_the_formula_in_double(device):
    """Each step errs by a few roundings of the update, and of the weight."""
    steps, size = 40, (300,)
    problem = make(size, WEIGHTS[0])
    problem.m.zero_(), problem.v.zero_(), problem.step.zero_()
    p, m, v = problem.p32.double(), torch.zeros(size).double(), torch.zeros(size).double()
    hyper = Hyper(lr=0.05, beta2=0.999)
    for t in range(1, steps + 1):
        g = torch.randn(size)
        problem.grad = g
        problem.run(hyper)
        g = g.double()
        p = p - hyper.lr * hyper.weight_decay * p
        m = hyper.beta1 * m + (1 - hyper.beta1) * g
        v = hyper.beta2 * v + (1 - hyper.beta2) * g * g
        root = (v / (1 - hyper.beta2**t)).sqrt() + hyper.eps
        p = p - hyper.lr * m / (1 - hyper.beta1**t) / root
    moved = (p - problem.p32.double()).abs().max()
    assert moved > 0.1  # so that a step that does nothing would fail
    eps = 2.0**-24  # half an ulp at 1
    # Per step: two roundings of the weight (|p| < 8), about 12 of an update of at most lr * 3 |m|.
    bound = steps * eps * (2 * 8 + 12 * hyper.lr * 3)
    assert (problem.param.double() - p).abs().max() < bound


def test_matches_torch_adamw_within_rounding(device):
    """The same bound against torch, whose own order of operations differs."""
    param = torch.nn.Parameter(torch.randn(500))
    rival = torch.optim.AdamW([param], lr=0.05, weight_decay=0.1, foreach=False)
    ours = param.detach().clone()
    m, v, step = torch.zeros(500), torch.zeros(500), torch.zeros(())
    for _ in range(30):
        param.grad = torch.randn(500)
        rival.step()
        ops.adam_step([ours], [param.grad], [m], [v], step=[step], lr=0.05, weight_decay=0.1)
    assert (ours - param.detach()).abs().max() < 30 * 2.0**-24 * (2 * 8 + 24 * 0.05 * 3)


def test_an_overflow_changes_nothing(device):
    for flag in (1.0, 2.0, 0.5, -1.0, float("nan"), float("inf")):
        problem = make((100,), WEIGHTS[4], F16)
        before = {name: t.clone() for name, t in problem.tensors().items()}
        problem.run(Hyper(amsgrad=True), found_inf=torch.tensor(flag))
        for name, tensor in problem.tensors().items():
            assert_same_bits(tensor, before[name], name)


def test_a_clear_flag_steps(device):
    check(make((100,), WEIGHTS[4], F16), Hyper(), found_inf=torch.tensor(0.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lr_is_read_from_a_tensor(device, dtype):
    lr = torch.tensor(0.1, dtype=dtype)
    check(make((50,), WEIGHTS[0]), Hyper(lr=lr.item()), lr=lr)


def test_a_list_is_as_its_tensors_one_by_one(device):
    """Of mixed types and sizes, enough for several threads; each with its own random stream."""
    problems = [make((97 * i + 1,), WEIGHTS[4 + i % 2], GRADS[i % 3]) for i in range(12)]
    problems += [make((40_000,), WEIGHTS[4]), make((0,), WEIGHTS[5]), make((5,), WEIGHTS[5])]
    alone = [expected(p, Hyper()) for p in problems]
    ops.adam_step(
        [p.param for p in problems], [p.grad for p in problems], [p.m for p in problems],
        [p.v for p in problems], masters=[p.master for p in problems],
        step=[p.step for p in problems], lr=0.1, betas=(0.9, 0.99), weight_decay=0.1,
    )  # fmt: skip
    for problem, wanted in zip(problems, alone, strict=True):
        for name in ("param", "master", "m", "v", "step"):
            assert_same_bits(getattr(problem, name), wanted[name], name)


def test_one_step_counter_serves_all(device):
    problems = [make((10,), WEIGHTS[0]) for _ in range(3)]
    step = torch.tensor([float(STEP)])
    ops.adam_step(
        [p.param for p in problems], [p.grad for p in problems], [p.m for p in problems],
        [p.v for p in problems], step=[step], lr=0.1, betas=(0.9, 0.99), weight_decay=0.1,
    )  # fmt: skip
    assert step.item() == STEP + 1
    # The reference starts from copies that `make` drew; the weights moved once, by one step.
    assert all(not same_bits(p.param, p.p32) for p in problems)


@pytest.mark.parametrize("types", WEIGHTS, ids=str)
def test_a_mask_keeps_weights_and_moments_zero(device, types):
    problem = make((7, 19), types, moment=BF16 if types.stochastic else F32)
    mask = torch.rand(7, 19) < 0.5
    wanted = expected(problem, Hyper(amsgrad=True))
    problem.run(Hyper(amsgrad=True), masks=[mask])
    for name in ("param", "m", "v", "v_max"):
        got = getattr(problem, name)
        zero = torch.zeros_like(got)
        assert_same_bits(got, torch.where(mask, wanted[name], zero), name)
    if types.master != "none":
        pruned = problem.master[~mask]
        assert_same_bits(pruned, torch.zeros_like(pruned), "master")


def test_non_finite_gradients_reach_the_weights_where_nobody_checks(device):
    problem = make((32,), WEIGHTS[0])
    problem.grad[3], problem.grad[20] = float("nan"), float("inf")
    problem.run(Hyper())
    assert problem.param[3].isnan()
    assert problem.param[20].isnan()
    assert problem.param.isfinite().sum() == 30


def test_opcheck_passes_and_compile_keeps_the_mutation():

    def lists():
        torch.manual_seed(3)
        q = make((7, 19), WEIGHTS[4], F16)
        return [q.param], [q.grad], [q.m], [q.v], [], [q.master], [], [q.step]

    rest = (None, torch.tensor(0.5), torch.tensor(0.0), None, 0.1, 0.9, 0.99, 1e-8, 0.1, True,
            False, True, False, 0, [])  # fmt: skip
    opcheck(torch.ops.halfword.adam_step.default, (*lists(), *rest))

    def step(param, grad, m, v, master, count):
        ops.adam_step(
            [param], [grad * 2], [m], [v], masters=[master], step=[count], lr=0.1, weight_decay=0.1
        )
        return param + 1

    compiled = torch.compile(step, fullgraph=True)
    ours, theirs = make((7, 19), WEIGHTS[4], F16), None
    torch.manual_seed(0)
    problem, theirs = (
        ours,
        [t.clone() for t in (ours.param, ours.m, ours.v, ours.master, ours.step)],
    )
    out = compiled(problem.param, problem.grad, problem.m, problem.v, problem.master, problem.step)
    param, m, v, master, count = theirs
    assert_same_bits(out, step(param, problem.grad, m, v, master, count))
    for got, wanted in zip(
        (problem.param, problem.m, problem.master), (param, m, master), strict=True
    ):
        assert_same_bits(got, wanted)


def test_a_written_tensor_is_known_to_autograd():
    weight = torch.randn(3, requires_grad=True)
    loss = (weight * weight).sum()  # saves the weight
    with torch.no_grad():
        ops.adam_step(
            [weight], [torch.ones(3)], [torch.zeros(3)], [torch.zeros(3)],
            step=[torch.zeros(())], lr=0.1,
        )  # fmt: skip
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
