"""ops.adam_step: the fused Adam step."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.library import opcheck

from halfword import ops
from halfword.optim import join_master, split_master

from .cases.adam_step import BF16, F16, F32, GRADS, MOMENTS, SHAPES, WEIGHTS, Types
from .compare import assert_same_bits, same_bits
from .reference.adam_step import Hyper, adam_update, round_moment, round_stochastic
from .reference.arithmetic import philox

SEED, STEP = 0x1234567890ABCDEF, 3  # STEP: of the counter before the step


def names(value):
    return str(value).removeprefix("torch.")


@dataclass
class Problem:
    """One parameter and its state, as the op takes them, and in FP32."""

    types: Types
    param: Tensor
    grad: Tensor
    m: Tensor
    v: Tensor
    v_max: Tensor
    master: Tensor
    step: Tensor
    p32: Tensor  # the weight that the step starts from

    def run(self, hyper: Hyper, **more):
        weight_args = {} if self.types.master == "none" else {"masters": [self.master]}
        max_args = {"max_exp_avg_sqs": [self.v_max]} if hyper.amsgrad else {}
        arguments = {
            "step": [self.step],
            "lr": hyper.lr,
            "betas": (hyper.beta1, hyper.beta2),
            "eps": hyper.eps,
            "weight_decay": hyper.weight_decay,
            "decoupled": hyper.decoupled,
            "maximize": hyper.maximize,
            "bias_correction": hyper.bias_correction,
            "inv_scale": torch.tensor(hyper.inv_scale),
            "clip_coef": torch.tensor(hyper.clip),
            "stochastic_params": self.types.stochastic,
            "seed": SEED,
        }
        ops.adam_step(
            [self.param], [self.grad], [self.m], [self.v],
            **weight_args, **max_args, **{**arguments, **more},
        )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        return {
            "param": self.param, "m": self.m, "v": self.v, "v_max": self.v_max,
            "master": self.master, "step": self.step,
        }  # fmt: skip


def make(size, types: Types, grad=F32, moment=F32) -> Problem:
    p32 = torch.randn(size)
    param, master = p32.to(types.param), torch.zeros(0)
    if types.master == "float32":
        master = p32.clone()
        param = p32.to(types.param)
    elif types.master == "remainder":
        param, master = split_master(p32)
    else:
        p32 = param.float().clone()
    v = torch.rand(size).mul(0.1).to(moment)
    return Problem(
        types,
        param,
        torch.randn(size).to(grad),
        torch.randn(size).mul(0.1).to(moment),
        v,
        torch.rand(size).mul(0.1).to(moment),
        master,
        torch.tensor(float(STEP)),
        p32,
    )


def expected(problem: Problem, hyper: Hyper) -> dict[str, Tensor]:
    t, types = STEP + 1, problem.types
    p, m, v, v_max = adam_update(
        problem.p32, problem.grad.float(), problem.m.float(), problem.v.float(),
        problem.v_max.float(), t, hyper,
    )  # fmt: skip
    moment = problem.m.dtype
    result = {
        "param": p.to(types.param),
        "master": problem.master,
        "m": round_moment(m, moment, SEED, t, 1),
        "v": round_moment(v, moment, SEED, t, 2),
        "v_max": round_moment(v_max, moment, SEED, t, 3) if hyper.amsgrad else problem.v_max,
        "step": torch.tensor(float(t)),
    }
    if types.stochastic:
        result["param"] = round_stochastic(p, SEED, t, 0)
    if types.master == "float32":
        result["master"] = p
    if types.master == "remainder":
        result["param"], result["master"] = split_master(p)
    return result


def check(problem: Problem, hyper: Hyper, **more) -> None:
    wanted = {name: t.clone() for name, t in expected(problem, hyper).items()}
    problem.run(hyper, **more)
    for name, tensor in problem.tensors().items():
        assert_same_bits(tensor, wanted[name], name)


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
    types=st.sampled_from(WEIGHTS),
    grad=st.sampled_from(GRADS),
    moment=st.sampled_from(MOMENTS),
    decoupled=st.booleans(),
    amsgrad=st.booleans(),
    lr=st.sampled_from([0.0, 1e-5, 0.3]),
    clip=st.floats(0, 1, width=32),
)
@settings(max_examples=150, deadline=None)
def test_any_problem_matches_the_reference_bit_for_bit(
    numel, offset, types, grad, moment, decoupled, amsgrad, lr, clip
):
    """Also with every tensor starting at an odd element, so that nothing is aligned."""
    problem = make((numel,), types, grad, moment)
    for name in ("param", "grad", "m", "v", "v_max", "master"):
        tensor = getattr(problem, name)
        shifted = torch.zeros(tensor.numel() + offset, dtype=tensor.dtype)[offset:]
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


def test_any_number_of_threads_gives_the_same_bits(device):
    def run(threads):
        torch.manual_seed(1)
        problem = make((200_000,), WEIGHTS[2], BF16, BF16)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        problem.run(Hyper())
        torch.set_num_threads(before)
        return problem

    one, two = run(1), run(2)
    for name, tensor in one.tensors().items():
        assert_same_bits(two.tensors()[name], tensor, name)


# How a tensor of shape [6, 10, 14] may lie in memory.
LAYOUTS = {
    "row-major": lambda t: t.clone(),
    "permuted": lambda t: t.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "channels-last": lambda t: t.permute(0, 2, 1).contiguous().permute(0, 2, 1),
    "every-other": lambda t: torch.zeros(6, 10, 28, dtype=t.dtype)[:, :, ::2].copy_(t),
    "a-slice": lambda t: torch.zeros(6, 20, 14, dtype=t.dtype)[:, 3:13].copy_(t),
    "offset": lambda t: torch.zeros(841, dtype=t.dtype)[1:].view(6, 10, 14).copy_(t),
}


@pytest.mark.parametrize("types", [WEIGHTS[0], WEIGHTS[2], WEIGHTS[4], WEIGHTS[6]], ids=str)
@pytest.mark.parametrize("grad_layout", LAYOUTS)
@pytest.mark.parametrize("param_layout", LAYOUTS)
def test_every_pair_of_strides_gives_the_same_bits(device, param_layout, grad_layout, types):
    moment = BF16 if types.stochastic else F32
    problem = make((6, 10, 14), types, F16, moment)
    wanted = {name: t.clone() for name, t in expected(problem, Hyper()).items()}
    problem.param = LAYOUTS[param_layout](problem.param)
    problem.grad = LAYOUTS[grad_layout](problem.grad)
    problem.m = LAYOUTS[grad_layout](problem.m)
    problem.run(Hyper())
    for name in ("param", "m", "v", "master"):
        assert_same_bits(getattr(problem, name), wanted[name], name)


def test_memory_beside_a_view_is_untouched(device):
    base = torch.full((8, 40), 7.0)
    view = base[:, 1::2]
    m, v = torch.zeros(8, 20), torch.zeros(8, 20)
    ops.adam_step([view], [torch.ones(8, 20)], [m], [v], step=[torch.zeros(())], lr=0.1)
    assert (base[:, ::2] == 7).all()
    assert (base[:, 1::2] != 7).all()


def test_an_expanded_gradient_is_read_as_what_it_shows(device):
    problem = make((9, 21), WEIGHTS[0])
    problem.grad = torch.randn(9, 1).expand(9, 21)
    check(problem, Hyper())


def test_parameters_that_share_memory_are_stepped_one_after_the_other(device):
    base = torch.randn(50_000)
    one, two = base.clone(), base.clone()
    state = [torch.zeros(50_000) for _ in range(4)]
    grads = [torch.randn(50_000), torch.randn(50_000)]
    ops.adam_step(
        [one, one], grads, state[:2], state[2:], step=[torch.zeros(()), torch.zeros(())], lr=0.1
    )
    for grad in grads:
        m, v = torch.zeros(50_000), torch.zeros(50_000)
        ops.adam_step([two], [grad], [m], [v], step=[torch.zeros(())], lr=0.1)
    assert_same_bits(one, two)


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


def test_a_bfloat16_and_its_remainder_are_exactly_float32():
    """For every high half and the low halves where rounding changes its mind."""
    high = torch.arange(-(2**15), 2**15, dtype=torch.int32)
    low = torch.tensor([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], dtype=torch.int32)
    value = ((high[:, None] << 16) | low).view(torch.float32)
    assert_same_bits(join_master(*split_master(value)), value)
    finite = value[value.isfinite() & (value.abs() < 3e38)]
    nearest = split_master(finite)[0].float()
    assert ((nearest - finite).abs() <= (finite.bfloat16().float() - finite).abs()).all()


def test_stochastic_rounding_is_unbiased_and_repeats(device):
    """The mean of n roundings errs by less than 5 standard errors of a coin."""
    n = 200_000
    value = 1.0 + 0.3 * 2.0**-7  # 0.3 of the way from 1 to the next bfloat16
    kept = {"lr": 0.0, "stochastic_params": True, "step": [torch.zeros(())]}

    def rounded(seed):
        m = torch.full((n,), 0.0, dtype=BF16)
        v, p = torch.zeros(n, dtype=BF16), torch.ones(n)
        # beta1 = 0 and a gradient equal to the value make the stored moment its rounding.
        ops.adam_step([p], [torch.full((n,), value)], [m], [v], betas=(0.0, 0.9), seed=seed, **kept)
        kept["step"][0].zero_()
        return m

    first = rounded(7)
    assert set(first.float().unique().tolist()) == {1.0, 1.0 + 2.0**-7}
    up = (first > 1).double().mean().item()
    assert abs(up - 0.3) < 5 * (0.3 * 0.7 / n) ** 0.5
    assert_same_bits(rounded(7), first)
    assert not same_bits(rounded(8), first)


@pytest.mark.parametrize(
    ("rounds", "counter", "key", "words"),
    [
        (7, 0, 0, "5f6fb709 0d893f64 4f121f81 4f730a48"),
        (10, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (10, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ],
)
def test_the_reference_generator_gives_the_known_answers(rounds, counter, key, words):
    """Of Random123, whose authors made Philox. The kernels are tested against this reference."""
    got = philox([torch.tensor(counter)] * 4, key, rounds)
    assert " ".join(f"{word.item():08x}" for word in got) == words


def test_bfloat16_second_moments_decay():
    """To nearest they would not: 1 - beta2 is less than half an ulp."""
    v = torch.full((4096,), 1.0, dtype=BF16)
    p, m, step = torch.ones(4096), torch.zeros(4096, dtype=BF16), torch.zeros(())
    for _ in range(1000):
        ops.adam_step([p], [torch.zeros(4096)], [m], [v], step=[step], lr=0.0, betas=(0.9, 0.999))
    exact = 0.999**1000
    # 1000 roundings of relative size up to 2^-8 walk at random; the mean of 4096 walks is near.
    assert abs(v.float().mean().item() - exact) < 5 * 2.0**-8 * (1000 / 4096) ** 0.5 * exact


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


def test_an_empty_list_is_no_step():
    ops.adam_step([], [], [], [], step=[], lr=0.1)
    ops.accumulate_grads([], [])


def problem_lists(n=2):
    return {
        "params": [torch.ones(4) for _ in range(n)],
        "grads": [torch.ones(4) for _ in range(n)],
        "exp_avgs": [torch.zeros(4) for _ in range(n)],
        "exp_avg_sqs": [torch.zeros(4) for _ in range(n)],
        "step": [torch.zeros(()) for _ in range(n)],
        "lr": 0.1,
    }


def item(key, value):
    """Put `value` in the second place of a list."""

    def change(lists):
        lists[key] = [lists[key][0], value]

    return change


def option(**options):
    return lambda lists: lists.update(options)


BAD = [
    (
        lambda a: a["grads"].pop(),
        ValueError,
        r"grads must have as many tensors as params \(2\); got 1",
    ),
    (lambda a: a["step"].extend(a["step"]), ValueError, r"step must have as many .*\(2\); got 4"),
    (option(masters=[torch.zeros(0)]), ValueError, r"masters must have as many .*; got 1"),
    (option(streams=[1]), ValueError, r"streams must have as many numbers as params \(2\); got 1"),
    (
        item("params", torch.ones(4, dtype=torch.int32)),
        TypeError,
        r"params\[1\] must be float32, bfloat16 or float16; got int32",
    ),
    (
        item("params", torch.ones(4, dtype=torch.complex64)),
        TypeError,
        r"params\[1\] must be float32",
    ),
    (item("params", torch.ones(1).expand(4)), ValueError, r"params\[1\] must not overlap itself"),
    (
        item("grads", torch.ones(5)),
        ValueError,
        r"grads\[1\] must have the shape of params\[1\], \[4\]; got \[5\]",
    ),
    (item("grads", torch.ones(4, dtype=torch.float64)), TypeError, r"grads\[1\] must be .*float64"),
    (
        item("exp_avgs", torch.zeros(4, dtype=F16)),
        TypeError,
        r"exp_avgs\[1\] must be float32 or bfloat16; got float16",
    ),
    (
        item("exp_avg_sqs", torch.zeros(4, dtype=BF16)),
        TypeError,
        r"exp_avg_sqs\[1\] must have the dtype of exp_avgs\[1\]; got bfloat16",
    ),
    (
        option(masters=[torch.zeros(4), torch.zeros(4)]),
        ValueError,
        r"masters\[0\] must have no elements, because params\[0\] is float32",
    ),
    (
        option(masks=[torch.ones(4), torch.ones(4)]),
        TypeError,
        r"masks\[0\] must be bool; got float32",
    ),
    (item("step", torch.zeros(2)), ValueError, r"step\[1\] must have one element; got 2"),
    (item("step", torch.tensor(-1.0)), ValueError, r"step\[1\] must be in \[0, 2\^24\); got -1"),
    (item("step", torch.tensor(float("nan"))), ValueError, r"step\[1\] must be in"),
    (option(lr=-0.1), ValueError, r"lr must be finite and >= 0; got -0.1"),
    (option(lr=float("nan")), ValueError, r"lr must be finite and >= 0; got (-)?nan"),
    (option(lr=torch.tensor([0.1, 0.2])), ValueError, r"lr must have one element; got 2"),
    (option(lr=torch.tensor(-1.0)), ValueError, r"lr must be finite and >= 0; got -1"),
    (option(betas=(1.0, 0.9)), ValueError, r"beta1 must be in \[0, 1\); got 1"),
    (option(betas=(0.9, -0.1)), ValueError, r"beta2 must be in \[0, 1\); got -0.1"),
    (option(eps=-1e-8), ValueError, r"eps must be finite and >= 0"),
    (
        option(weight_decay=float("inf")),
        ValueError,
        r"weight_decay must be finite and >= 0; got inf",
    ),
    (
        option(inv_scale=torch.tensor(1.0, dtype=torch.float64)),
        TypeError,
        r"inv_scale must be float32; got float64",
    ),
    (option(found_inf=torch.zeros(2)), ValueError, r"found_inf must have one element; got 2"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=[b[2][:40] for b in BAD])
def test_bad_input_is_named_and_changes_nothing(change, error, message):
    arguments = problem_lists()
    change(arguments)
    tensors = [t for value in arguments.values() if isinstance(value, list) for t in value]
    tensors = [t for t in tensors if isinstance(t, Tensor)]
    before = [t.clone() for t in tensors]
    with pytest.raises(error, match="adam_step: " + message):
        ops.adam_step(**arguments)
    for tensor, old in zip(tensors, before, strict=True):
        assert_same_bits(tensor, old)


def test_remainders_and_stochastic_rounding_of_float16_are_refused():
    half = {**problem_lists(1), "params": [torch.ones(4, dtype=F16)]}
    with pytest.raises(TypeError, match=r"masters\[0\] must be float32, because remainders"):
        ops.adam_step(**half, masters=[torch.zeros(4, dtype=torch.int16)])
    with pytest.raises(TypeError, match=r"params\[0\] must not be float16 without a master"):
        ops.adam_step(**half, stochastic_params=True)


@pytest.mark.slow
def test_tensors_past_two_to_the_31_elements():
    n = 2**31 + 40
    param = torch.zeros(n, dtype=BF16)
    grad, moments = torch.ones(1, dtype=BF16).expand(n), torch.zeros(2, n, dtype=BF16)
    ops.adam_step([param], [grad], [moments[0]], [moments[1]], step=[torch.zeros(())], lr=0.5)
    for part in (param[:32], param[2**31 - 16 :]):
        assert (part == -0.5).all()
