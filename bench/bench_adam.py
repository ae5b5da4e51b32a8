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
from tests.cases.models import few_odd, one_large

from . import graphs
from .lists import lists_for, small_lists_for
from .optimizers import halfword_adamw, torch_adamw
from .others import FUSED_ADAM, bitsandbytes_adamw, deepspeed_adamw, fused_adam
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
    shares_state,
    twins,
)
from .rivals import (
    compiled_or_not,
    torch_copies,
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
    chains = [torch_unscale_fp32, torch_unscale_fused] if scale != 1.0 else [torch_copies]
    optional = [] if compiled is None else [compiled_or_not(twin, compiled)]
    theirs = [chain(twin()) for chain in chains]  # cloned before ours splits the masters
    return [halfword_step(problem, remainders=remainders), *theirs, *optional]


def plain_sides(
    shapes: Shapes, *, dtype: torch.dtype, stochastic: bool, compiled: bool | None
) -> list[Outcome]:
    """Ours against torch's fused kernel, parameters and moments of one dtype."""
    problem = adam_problem(shapes, dtype, moments=dtype)
    twin = twins(problem)
    optional = [] if compiled is None else [compiled_or_not(twin, compiled)]
    return [halfword_step(problem, stochastic=stochastic), torch_fused(twin()), *optional]


def object_sides(shapes: Shapes, *, foreach: bool) -> list[Outcome]:
    """`optimizer.step()` of FP32 parameters; on CUDA also as a graph."""
    problem = adam_problem(shapes, torch.float32)
    twin = twins(problem)
    unfused = [torch_adamw(twin(), "foreach")] if foreach else []
    sides = [halfword_adamw(problem), torch_adamw(twin(), "fused"), *unfused]
    if not graphs.on_cuda(problem.params):
        return [*sides, deepspeed_adamw(twin())]
    ours = problem if shares_state(problem) else twin()
    return [
        *sides, halfword_adamw(ours, graph=True), torch_adamw(twin(), "fused", graph=True),
        *(fused_adam(twin(), name, scaled=False) for name in FUSED_ADAM),
        bitsandbytes_adamw(twin()),
    ]  # fmt: skip


Sides = Callable[[Shapes], list[Outcome]]
FP16_BOUNDS = rounded_bounds(torch.float16, "params")
BF16_BOUNDS = rounded_bounds(torch.bfloat16, "params")
ALL_BF16_BOUNDS = rounded_bounds(torch.bfloat16, "params", "exp_avgs", "exp_avg_sqs")
CHECKED, UPDATE = Traffic(read=2, update=28), Traffic(update=28)
fp16_sides = partial(mixed_sides, dtype=torch.float16, scale=LOSS_SCALE, remainders=False)
bf16_sides = partial(mixed_sides, dtype=torch.bfloat16, scale=1.0, remainders=False)
remainder_sides = partial(mixed_sides, dtype=torch.bfloat16, scale=LOSS_SCALE, remainders=True)
fp32_sides = partial(plain_sides, dtype=torch.float32, stochastic=False)
all_bf16_sides = partial(plain_sides, dtype=torch.bfloat16, stochastic=True)


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows; `tiny` shrinks the shapes until only the code paths are left."""
    kinds: list[tuple[str, Traffic, Callable[..., list[Outcome]], dict[str, Bound]]] = [
        ("mixed step, fp16 + FP32 masters", CHECKED, fp16_sides, FP16_BOUNDS),
        ("mixed step, bf16 + int16 remainders", Traffic(read=2, update=26), remainder_sides,
         BF16_BOUNDS),
        ("mixed step, bf16 + FP32 masters, no scale", UPDATE, bf16_sides, BF16_BOUNDS),
        ("AdamW fp32", UPDATE, fp32_sides, FLOAT_BOUNDS),
        ("AdamW bf16, bf16 moments, stochastic", Traffic(update=14), all_bf16_sides,
         ALL_BF16_BOUNDS),
    ]  # fmt: skip
    lists = lists_for(device, tiny)
    for name, shapes in lists.items():
        for kind, traffic, sides, bounds in kinds:
            yield Row(f"{kind}, {name}", shapes, traffic, partial(sides, compiled=compiled), bounds)
    fp16 = partial(fp16_sides, compiled=None)
    fp32 = partial(fp32_sides, compiled=None)
    yield Row("mixed step, fp16 + FP32 masters, one tensor", few_odd() if tiny else one_large(),
              CHECKED, fp16, FP16_BOUNDS)  # fmt: skip
    step = "optimizer.step() fp32"
    for name, shapes in small_lists_for(device, tiny).items():
        with_foreach = partial(object_sides, foreach=True)
        yield Row(f"mixed step, fp16 + FP32 masters, {name}", shapes, CHECKED, fp16, FP16_BOUNDS)
        yield Row(f"AdamW fp32, {name}", shapes, UPDATE, fp32, FLOAT_BOUNDS)
        yield Row(f"{step}, {name}", shapes, UPDATE, with_foreach, FLOAT_BOUNDS)
    yield Row(f"{step}, GPT-2 small", lists["GPT-2 small"], UPDATE,
              partial(object_sides, foreach=False), FLOAT_BOUNDS)  # fmt: skip
