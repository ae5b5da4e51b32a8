"""The Adam step: ``python -m bench adam``.

Bytes are those that any implementation must move (csrc/ops/adam_step.h), and are the same for all
sides of a row: who moves more is slower, not better. An overflow check is one more read of the
gradients, since the update may begin only after it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from halfword import ops
from halfword.optim import join_master, split_master
from tests.cases.models import few_odd, gpt2_small, many_small, one_large

from .problem import (
    BETAS,
    EPS,
    LOSS_SCALE,
    LR,
    STEPS_DONE,
    WEIGHT_DECAY,
    AdamProblem,
    Bound,
    Outcome,
    Row,
    Shapes,
    Side,
    Traffic,
    adam_problem,
    twins,
)
from .rivals import (
    compiled_or_not,
    deepspeed_adamw,
    halfword_adamw,
    torch_adamw,
    torch_fused,
    torch_unscale_fp32,
    torch_unscale_fused,
)

# 1 - beta cancels all but a few bits of beta, whose rounding to FP32 is then an error of that size
# in each term of a moment; the moments enter the update, which is at most LR for these inputs.
EPS32 = torch.finfo(torch.float32).eps
MOMENT1, MOMENT2 = EPS32 / (1 - BETAS[0]), EPS32 / (1 - BETAS[1])
LARGEST_GRAD = 6e-3  # six standard deviations
FLOAT_BOUNDS = {
    "params": Bound(4 * EPS32, LR * MOMENT2),
    "masters": Bound(4 * EPS32, LR * MOMENT2),
    "exp_avgs": Bound(4 * EPS32, LARGEST_GRAD * MOMENT1),
    "exp_avg_sqs": Bound(MOMENT2),
}


def rounded_bounds(dtype: torch.dtype, *names: str) -> dict[str, Bound]:
    """Where results are rounded to 16 bits: two neighbours may be two sides' choices."""
    ulp = torch.finfo(dtype).eps
    return {**FLOAT_BOUNDS, **{name: Bound(2 * ulp, LR * ulp) for name in names}}


def halfword_step(
    problem: AdamProblem, *, remainders: bool = False, stochastic: bool = False
) -> Side:
    """Ours: the check if there is a loss scale, then everything else in one pass."""
    step_counter, found_inf = torch.tensor([float(STEPS_DONE)]), torch.zeros(1)
    inv_scale = torch.tensor([1 / problem.scale])
    scaled = problem.scale != 1.0
    masters = problem.masters
    if remainders:
        problem.params, masters = map(list, zip(*map(split_master, masters), strict=True))
        problem.masters = []

    def step() -> None:
        if scaled:
            found_inf.zero_()
            ops.unscale_check(problem.grads, inv_scale, found_inf, write=False)
        ops.adam_step(
            problem.params, problem.grads, problem.exp_avgs, problem.exp_avg_sqs,
            masters=masters or None, step=[step_counter], lr=LR, betas=BETAS, eps=EPS,
            weight_decay=WEIGHT_DECAY, inv_scale=inv_scale if scaled else None,
            found_inf=found_inf if scaled else None, stochastic_params=stochastic,
        )  # fmt: skip

    def results() -> dict[str, Sequence[Tensor]]:
        joined = {"masters": list(map(join_master, problem.params, masters))} if remainders else {}
        return {**problem.state(), **joined}

    return Side("halfword", step, results)


def mixed_sides(
    shapes: Shapes, *, dtype: torch.dtype, scale: float, remainders: bool, compiled: bool | None
) -> list[Outcome]:
    """Ours against the chains of torch kernels that do the same with FP32 masters."""
    problem = adam_problem(shapes, dtype, masters=True, scale=scale)
    twin = twins(problem)
    chains = [torch_unscale_fp32(twin()), torch_unscale_fused(twin())]
    optional = [] if compiled is None else [compiled_or_not(twin, compiled)]
    return [halfword_step(problem, remainders=remainders), *chains, *optional]


def plain_sides(
    shapes: Shapes, *, dtype: torch.dtype, stochastic: bool, compiled: bool | None
) -> list[Outcome]:
    """Ours against torch's fused kernel, parameters and moments of one dtype."""
    problem = adam_problem(shapes, dtype, moments=dtype)
    twin = twins(problem)
    optional = [] if compiled is None else [compiled_or_not(twin, compiled)]
    return [halfword_step(problem, stochastic=stochastic), torch_fused(twin()), *optional]


def object_sides(shapes: Shapes, *, foreach: bool) -> list[Outcome]:
    """`optimizer.step()` of FP32 parameters."""
    problem = adam_problem(shapes, torch.float32)
    unfused = [torch_adamw(problem, "foreach")] if foreach else []
    return [
        halfword_adamw(problem), torch_adamw(problem, "fused"), *unfused, deepspeed_adamw(problem)
    ]  # fmt: skip


def rows(*, tiny: bool = False, compiled: bool = True) -> Iterator[Row]:
    """All rows; `tiny` shrinks the shapes until only the code paths are left."""
    gpt2 = few_odd() if tiny else gpt2_small()
    small = many_small(10) if tiny else many_small()
    large = few_odd() if tiny else one_large()
    gpt2_name, small_name = "GPT-2 small", f"{len(small)} x {small[0][0]}"

    mixed = partial(mixed_sides, scale=LOSS_SCALE, remainders=False)
    fp16 = partial(mixed, dtype=torch.float16)
    fp16_bounds = rounded_bounds(torch.float16, "params")
    bf16_bounds = rounded_bounds(torch.bfloat16, "params")
    all_bf16 = rounded_bounds(torch.bfloat16, "params", "exp_avgs", "exp_avg_sqs")
    fp32 = partial(plain_sides, dtype=torch.float32, stochastic=False)
    bf16 = partial(plain_sides, dtype=torch.bfloat16, stochastic=True)
    remainder = partial(mixed, dtype=torch.bfloat16, remainders=True)
    checked, update = Traffic(read=2, update=28), Traffic(update=28)

    Sides = Callable[[Shapes], list[Outcome]]  # noqa: N806
    table: list[tuple[str, Shapes, Traffic, Sides, dict[str, Bound]]] = [
        (f"mixed step, fp16 + FP32 masters, {gpt2_name}", gpt2, checked,
         partial(fp16, compiled=compiled), fp16_bounds),
        (f"mixed step, bf16 + int16 remainders, {gpt2_name}", gpt2, Traffic(read=2, update=26),
         partial(remainder, compiled=compiled), bf16_bounds),
        (f"AdamW fp32, {gpt2_name}", gpt2, update, partial(fp32, compiled=compiled), FLOAT_BOUNDS),
        (f"AdamW bf16, bf16 moments, stochastic, {gpt2_name}", gpt2, Traffic(update=14),
         partial(bf16, compiled=compiled), all_bf16),
        ("mixed step, fp16 + FP32 masters, one tensor", large, checked,
         partial(fp16, compiled=None), fp16_bounds),
        (f"mixed step, fp16 + FP32 masters, {small_name}", small, checked,
         partial(fp16, compiled=None), fp16_bounds),
        (f"AdamW fp32, {small_name}", small, update, partial(fp32, compiled=None), FLOAT_BOUNDS),
        (f"optimizer.step() fp32, {small_name}", small, update,
         partial(object_sides, foreach=True), FLOAT_BOUNDS),
        (f"optimizer.step() fp32, {gpt2_name}", gpt2, update,
         partial(object_sides, foreach=False), FLOAT_BOUNDS),
    ]  # fmt: skip
    for entry in table:
        yield Row(*entry)
