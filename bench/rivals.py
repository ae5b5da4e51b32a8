"""The best that a user of torch could run instead, as sides of a benchmark row.

torch has no optimizer with FP32 masters, so its mixed-precision step is a chain of its fused
kernels. Two orders of the chain are tried, and a step of its own that torch.compile fuses.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .problem import (
    BETAS,
    EPS,
    LR,
    STEPS_DONE,
    WEIGHT_DECAY,
    AdamProblem,
    Outcome,
    Side,
)


def fused_adamw(problem: AdamProblem, grads: list[Tensor]) -> Callable[..., None]:
    """torch's fused kernel over FP32 masters, or the parameters where there are none."""
    targets = problem.masters or problem.params
    steps = [torch.tensor(float(STEPS_DONE)) for _ in targets]

    def run(scale: Tensor | None = None, found_inf: Tensor | None = None) -> None:
        torch._foreach_add_(steps, 1.0)
        torch._fused_adamw_(
            targets, grads, problem.exp_avgs, problem.exp_avg_sqs, [], steps, lr=LR,
            beta1=BETAS[0], beta2=BETAS[1], weight_decay=WEIGHT_DECAY, eps=EPS, amsgrad=False,
            maximize=False, grad_scale=scale, found_inf=found_inf,
        )  # fmt: skip
        if found_inf is not None:  # as torch.optim does: a skipped step does not count
            torch._foreach_sub_(steps, [found_inf.squeeze()] * len(steps))

    return run


def torch_fused(problem: AdamProblem) -> Side:
    """Parameters, gradients and moments of one dtype, no loss scale."""
    return Side("torch fused", fused_adamw(problem, problem.grads), problem.state)


def torch_copies(problem: AdamProblem) -> Side:
    """Without a loss scale: gradients to FP32, fused AdamW on the masters, copy back."""
    grads = problem.workspace()
    adamw = fused_adamw(problem, grads)

    def step() -> None:
        torch._foreach_copy_(grads, problem.grads)
        adamw()
        torch._foreach_copy_(problem.params, problem.masters)

    return Side("torch: copy, fused, copy", step, problem.state)


def torch_unscale_fp32(problem: AdamProblem) -> Side:
    """Gradients to FP32, check and unscale, fused AdamW on the masters, copy back."""
    grads, found_inf = problem.workspace(), torch.zeros(1)
    inv_scale, adamw = torch.tensor([1 / problem.scale]), fused_adamw(problem, grads)

    def step() -> None:
        found_inf.zero_()
        torch._foreach_copy_(grads, problem.grads)
        torch._amp_foreach_non_finite_check_and_unscale_(grads, found_inf, inv_scale)
        adamw(found_inf=found_inf)
        torch._foreach_copy_(problem.params, problem.masters)

    return Side("torch: copy, unscale, fused, copy", step, problem.state)


def torch_unscale_fused(problem: AdamProblem) -> Side:
    """Check the 16-bit gradients, then to FP32; the fused AdamW unscales; copy back."""
    grads, found_inf, one = problem.workspace(), torch.zeros(1), torch.ones(1)
    scale, adamw = torch.tensor([problem.scale]), fused_adamw(problem, grads)

    def step() -> None:
        found_inf.zero_()
        torch._amp_foreach_non_finite_check_and_unscale_(problem.grads, found_inf, one)
        torch._foreach_copy_(grads, problem.grads)
        adamw(scale, found_inf)
        torch._foreach_copy_(problem.params, problem.masters)

    return Side("torch: check, copy, fused, copy", step, problem.state)


def adamw_formula(
    param: Tensor, grad: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, master: Tensor | None,
    scalars: Tensor,
) -> None:  # fmt: skip
    """One tensor's step in plain torch, for torch.compile to fuse into one loop."""
    inv_scale, found_inf, step_size, root_bias2 = scalars.unbind()
    weight = param.float() if master is None else master
    g = grad.float() * inv_scale
    m = torch.lerp(exp_avg.float(), g, 1 - BETAS[0])
    v = BETAS[1] * exp_avg_sq.float() + (1 - BETAS[1]) * g * g
    p = weight * (1 - LR * WEIGHT_DECAY) - step_size * m / (v.sqrt() / root_bias2 + EPS)
    keep = found_inf == 0
    new = torch.where(keep, p, weight)
    exp_avg.copy_(torch.where(keep, m, exp_avg))
    exp_avg_sq.copy_(torch.where(keep, v, exp_avg_sq))
    param.copy_(new)
    if master is not None:
        master.copy_(new)


def torch_compiled(problem: AdamProblem) -> Side:
    """torch.compile's own fusion, called for each tensor; compiled once for all shapes."""
    torch._dynamo.reset()  # a row's dtypes must not count as recompilations of another's
    compiled = torch.compile(adamw_formula, dynamic=True)
    flat = [
        [tensor.view(-1) for tensor in tensors]
        for tensors in (problem.params, problem.grads, problem.exp_avgs, problem.exp_avg_sqs)
    ]
    none: list[Tensor | None] = [None] * len(problem.params)
    masters = [master.view(-1) for master in problem.masters] or none
    scalars, found_inf, one = torch.empty(4), torch.zeros(1), torch.ones(1)
    done = STEPS_DONE

    def step() -> None:
        nonlocal done
        done += 1
        if problem.scale != 1.0:
            found_inf.zero_()
            torch._amp_foreach_non_finite_check_and_unscale_(problem.grads, found_inf, one)
        step_size, root_bias2 = LR / (1 - BETAS[0] ** done), (1 - BETAS[1] ** done) ** 0.5
        scalars.copy_(torch.tensor([1 / problem.scale, 0.0, step_size, root_bias2]))
        scalars[1:2].copy_(found_inf)
        for tensors in zip(*flat, masters, strict=True):
            param, grad, exp_avg, exp_avg_sq, master = tensors
            compiled(param, grad, exp_avg, exp_avg_sq, master, scalars)

    return Side("torch.compile of the formula", step, problem.state)


def compiled_or_not(problem: Callable[[], AdamProblem], wanted: bool) -> Outcome:
    """Compiling needs a C++ compiler at run time, which not every machine has."""
    if not wanted:
        return "torch.compile of the formula: not asked for (--compile)"
    trial = torch.compile(lambda x: x + 1)
    try:
        trial(torch.zeros(8))
    except Exception as error:
        return f"torch.compile: does not work here ({type(error).__name__})"
    return torch_compiled(problem())
