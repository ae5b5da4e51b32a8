"""Optimizers as users have them, as sides of a row: `step()`, or a whole step under a loss scale.

Each begins with the moments and the step count of the problem, so that all of a row compute the
same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from halfword.amp import GradScaler
from halfword.optim import AdamW

from . import graphs
from .problem import BETAS, EPS, LR, STEPS_DONE, WEIGHT_DECAY, AdamProblem, Outcome, Side

SETTINGS: dict[str, Any] = {"lr": LR, "betas": BETAS, "eps": EPS, "weight_decay": WEIGHT_DECAY}
NEVER = 2**31 - 1  # growth interval: the scale of a row stays what it is


def parameters(tensors: Sequence[Tensor], grads: Sequence[Tensor]) -> list[torch.nn.Parameter]:
    """Of the same memory, with these gradients."""
    params = [torch.nn.Parameter(tensor) for tensor in tensors]
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad
    return params


def preload(
    optimizer: torch.optim.Optimizer, problem: AdamProblem, step: Callable[[], Any] | None = None,
    masters: str | None = None,
) -> None:  # fmt: skip
    """The problem's state for an optimizer that has not stepped yet.

    Args:
        step: makes a step count, by default a tensor; each parameter gets its own.
        masters: the name of the entry for the FP32 master, if there is one.
    """
    make_step = step or (lambda: torch.tensor(float(STEPS_DONE)))
    params = optimizer.param_groups[0]["params"]
    moments = zip(params, problem.exp_avgs, problem.exp_avg_sqs, strict=True)
    for i, (param, exp_avg, exp_avg_sq) in enumerate(moments):
        state = {"step": make_step(), "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
        if masters is not None:
            state[masters] = problem.masters[i]
        optimizer.state[param] = state


def written(optimizer: torch.optim.Optimizer, problem: AdamProblem) -> list[Tensor]:
    """All that a step changes."""
    steps = [
        state["step"] for state in optimizer.state.values() if isinstance(state["step"], Tensor)
    ]
    return [*steps, *(tensor for tensors in problem.state().values() for tensor in tensors)]


def with_graph(side: Side, optimizer: torch.optim.Optimizer, problem: AdamProblem) -> Outcome:
    """The same step as a CUDA graph; on the CPU, the line that says that there is none."""
    if not graphs.on_cuda(problem.params):
        return f"{side.name}, CUDA graph: this is no CUDA device"
    return graphs.graphed(side, written(optimizer, problem))


# --- optimizer.step() -----------------------------------------------------------------------------


def halfword_adamw(problem: AdamProblem, *, graph: bool = False) -> Outcome:
    """Ours, as a user has it."""
    optimizer = AdamW(parameters(problem.params, problem.grads), **SETTINGS)
    preload(optimizer, problem)
    side = Side("halfword.optim.AdamW", optimizer.step, problem.state)
    return with_graph(side, optimizer, problem) if graph else side


def torch_adamw(problem: AdamProblem, variant: str, *, graph: bool = False) -> Outcome:
    """torch.optim.AdamW(fused=True) or (foreach=True)."""
    options = {variant: True, "capturable": graph}
    params = parameters(problem.params, problem.grads)
    optimizer = torch.optim.AdamW(params, **SETTINGS, **options)
    preload(optimizer, problem, _step_for(variant, problem, graph))
    side = Side(f"torch.optim.AdamW({variant}=True)", optimizer.step, problem.state)
    return with_graph(side, optimizer, problem) if graph else side


def _step_for(variant: str, problem: AdamProblem, capturable: bool) -> Callable[[], Tensor] | None:
    """torch's foreach has its step counts on the CPU, unless it is to be captured."""
    if variant == "foreach" and not capturable:
        return lambda: torch.tensor(float(STEPS_DONE), device="cpu")
    return None


# --- a whole step: unscale, clip, update, new scale -----------------------------------------------


def halfword_amp(
    problem: AdamProblem, *, max_norm: float | None, scaled: bool = True, graph: bool = False
) -> Outcome:
    """Ours: AdamW does all but the new scale."""
    masters = "master_param" if problem.masters else None
    optimizer = AdamW(
        parameters(problem.params, problem.grads), **SETTINGS, max_grad_norm=max_norm,
        master_weights=bool(masters),
    )  # fmt: skip
    preload(optimizer, problem, masters=masters)
    step: Callable[[], object] = optimizer.step
    if scaled:
        device = problem.params[0].device
        scaler = GradScaler(device, init_scale=problem.scale, growth_interval=NEVER)
        scaler.scale(torch.zeros((), device=device))

        def step() -> None:
            scaler.step(optimizer)
            scaler.update()

    side = Side("halfword", step, problem.state)
    return with_graph(side, optimizer, problem) if graph else side


def torch_amp(
    problem: AdamProblem, *, max_norm: float | None, scaled: bool = True, graph: bool = False
) -> Outcome:
    """torch's scaler, clipping and fused AdamW; for 16-bit models over FP32 masters, with the
    gradients copied there and the weights copied back."""
    grads = problem.workspace() if problem.masters else problem.grads
    weights = parameters(problem.masters or problem.params, grads)
    optimizer = torch.optim.AdamW(
        weights, **SETTINGS, fused=True, capturable=graphs.on_cuda(problem.params)
    )
    preload(optimizer, problem)
    device = problem.params[0].device
    scaler = torch.amp.GradScaler(
        device.type, init_scale=problem.scale, growth_interval=NEVER, enabled=scaled
    )
    scaler.scale(torch.zeros((), device=device))

    @torch.no_grad()
    def step() -> None:
        if problem.masters:
            torch._foreach_copy_(grads, problem.grads)
        if max_norm is not None:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(weights, max_norm, foreach=True)
        scaler.step(optimizer)
        scaler.update()
        if problem.masters:
            torch._foreach_copy_(problem.params, problem.masters)

    name = "GradScaler, " * scaled + "clip_grad_norm_, " * (max_norm is not None)
    copies = ", FP32 copies" if problem.masters else ""
    side = Side(f"torch: {name}fused AdamW{copies}", step, problem.state)
    return with_graph(side, optimizer, problem) if graph else side
