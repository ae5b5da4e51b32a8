"""Fused Adams of other packages, where they are installed: DeepSpeed's on the CPU; Apex's,
Transformer Engine's and bitsandbytes' on CUDA.

One that fails, or gives other results, is left out of a row with a line that says why.
"""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import torch

from .optimizers import NEVER, SETTINGS, parameters, preload
from .problem import STEPS_DONE, AdamProblem, Outcome, Side


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a parent package that cannot be imported
        return False


def side_of(name: str, module: str, make: Callable[[Any], Outcome]) -> Outcome:
    """`make` is called with the module."""
    if not installed(module.partition(".")[0]):
        return f"{name}: {module.partition('.')[0]} is not installed"
    try:
        return make(importlib.import_module(module))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return f"{name}: does not work here ({type(error).__name__}: {error})"


def deepspeed_adamw(problem: AdamProblem) -> Outcome:
    """The other fused Adam for CPUs; it compiles itself at first use."""

    def make(module: Any) -> Side:
        params = parameters(problem.params, problem.grads)
        optimizer = module.DeepSpeedCPUAdam(params, **SETTINGS, adamw_mode=True)
        preload(optimizer, problem, lambda: STEPS_DONE)
        return Side("DeepSpeedCPUAdam", optimizer.step, problem.state, optional=True)

    return side_of("DeepSpeedCPUAdam", "deepspeed.ops.adam", make)


def bitsandbytes_adamw(problem: AdamProblem) -> Outcome:
    """With 32-bit moments, which it calls state1 and state2."""
    name = "bitsandbytes AdamW32bit"

    def make(module: Any) -> Side:
        params = parameters(problem.params, problem.grads)
        optimizer = module.AdamW32bit(params, **SETTINGS)
        for param, m, v in zip(params, problem.exp_avgs, problem.exp_avg_sqs, strict=True):
            optimizer.state[param] = {"step": STEPS_DONE, "state1": m, "state2": v}
        return Side(name, optimizer.step, problem.state, optional=True)

    return side_of(name, "bitsandbytes.optim", make)


FUSED_ADAM = {
    "Apex": "apex.optimizers",
    "Transformer Engine": "transformer_engine.pytorch.optimizers",
}


def fused_adam(problem: AdamProblem, package: str, *, scaled: bool) -> Outcome:
    """FusedAdam of Apex or Transformer Engine, over FP32 parameters or with FP32 masters; under
    torch's scaler if `scaled`.

    It writes gradients back unscaled: the problem's scale must be 1, and it gets its own.
    """
    name = f"{package} FusedAdam"

    def make(module: Any) -> Side:
        params = parameters(problem.params, [grad.clone() for grad in problem.grads])
        masters = bool(problem.masters)
        optimizer = module.FusedAdam(params, **SETTINGS, capturable=scaled, master_weights=masters)
        count = torch.tensor([STEPS_DONE], dtype=torch.int) if scaled else STEPS_DONE
        optimizer.param_groups[0]["step"] = count
        preload(optimizer, problem, masters="master_param" if masters else None)
        for state in optimizer.state.values():
            del state["step"]  # theirs counts by group
        if masters and hasattr(optimizer, "param_groups_master"):
            own = optimizer.param_groups_master[0]["params"]
            for mine, master in zip(own, problem.masters, strict=True):
                mine.data = master
        return Side(name, scaled_step(optimizer) if scaled else optimizer.step, problem.state,
                    optional=True)  # fmt: skip

    return side_of(name, FUSED_ADAM[package], make)


def scaled_step(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    scaler = torch.amp.GradScaler("cuda", init_scale=1.0, growth_interval=NEVER)
    scaler.scale(torch.zeros((), device="cuda"))

    def step() -> None:
        scaler.step(optimizer)
        scaler.update()

    return step
