"""Optimizers that unscale and skip by themselves, and what a scaler remembers of each."""

from __future__ import annotations  # dist.ProcessGroup does not exist in every build of torch

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from ._overflow import check_gradients, reduction_over_ranks, zero


class Stage(Enum):
    """The last that was done with an optimizer, by the name of the method."""

    UNSCALED = "unscale_"
    STEPPED = "step"


@dataclass
class Checked:
    """What is known of an optimizer whose gradients were checked since the last update."""

    stage: Stage
    found_inf: Tensor | None  # on the scale's device, 0 or 1; None: there were no gradients


def refuse_repetition(method: str, stage: Stage) -> NoReturn:
    """What a second call within one iteration gets."""
    raise RuntimeError(
        f"GradScaler.{method}: {stage.value}() was already called on this optimizer "
        "since the last update()"
    )


def takes_scale(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimizer unscales and skips by the attributes that step() lends it.

    One whose step takes the scaler itself, the older protocol, would ignore them: the scaler
    unscales for it.
    """
    supports = getattr(optimizer, "_step_supports_amp_scaling", False)
    return bool(supports) and not _wants_scaler(type(optimizer).step)


@functools.cache
def _wants_scaler(step: Callable[..., Any]) -> bool:
    return "grad_scaler" in inspect.signature(step).parameters


def step_scaled(
    optimizer: Any,
    run: Callable[[], Any],
    scale: Tensor,
    checked: Checked | None,
    process_group: dist.ProcessGroup | None,
) -> Tensor | None:
    """Let the optimizer unscale, and skip, by itself; returns found_inf."""
    checks = getattr(optimizer, "_halfword_checks_overflow", False)
    divisor = getattr(optimizer, "grad_scale", None)  # the user's own
    reduction = None
    found_inf = None if checked is None else checked.found_inf
    if checked is None:
        divisor = scale if divisor is None else scale * divisor
        reduction = reduction_over_ranks(optimizer, process_group)
        if not checks:
            found_inf = check_gradients(optimizer, divisor, reduction, write=False)
    lent = {
        "grad_scale": divisor,
        "found_inf": zero(scale.device) if found_inf is None else found_inf,
    }
    if checks and checked is None:
        lent["found_inf_reduce"] = reduction
    try:
        for name, value in lent.items():
            setattr(optimizer, name, value)
        run()
        return optimizer.found_inf if checks else found_inf
    finally:
        for name in lent:
            vars(optimizer).pop(name, None)
