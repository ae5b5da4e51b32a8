"""From parameter groups and state to the lists that the kernels take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .masters import master_state


@dataclass
class ParamLists:
    """The parameters of one group that have a gradient, and what belongs to each, by place."""

    group: dict[str, Any]
    params: list[Tensor] = field(default_factory=list)
    grads: list[Tensor] = field(default_factory=list)
    exp_avgs: list[Tensor] = field(default_factory=list)
    exp_avg_sqs: list[Tensor] = field(default_factory=list)
    max_exp_avg_sqs: list[Tensor] = field(default_factory=list)
    masters: list[Tensor] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)
    steps: list[Tensor] = field(default_factory=list)
    streams: list[int] = field(default_factory=list)


_STREAMS_PER_GROUP = 1 << 20  # places a group has for its parameters' random streams


def collect(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> ParamLists:
    """The lists of a group; makes the state of a parameter that has none yet.

    RuntimeError for a sparse gradient, before any state is made.
    """
    with_grad = [p for p in group["params"] if p.grad is not None]
    for param in with_grad:
        if param.grad.is_sparse:
            raise RuntimeError(
                f"{type(optimizer).__name__}: gradients must be dense; got a sparse gradient of a "
                f"parameter of shape {list(param.shape)} (torch.optim.SparseAdam takes those)"
            )
    lists = ParamLists(group)
    state = optimizer.state
    masked = any("mask" in state[p] for p in with_grad if p in state)
    for param in with_grad:
        values = state[param]
        if "exp_avg" not in values:
            values.update(initial_state(param, group))
        lists.params.append(param)
        lists.grads.append(param.grad)
        lists.exp_avgs.append(values["exp_avg"])
        lists.exp_avg_sqs.append(values["exp_avg_sq"])
        lists.steps.append(values["step"])
        if group["amsgrad"]:
            lists.max_exp_avg_sqs.append(values["max_exp_avg_sq"])
        if group["master_weights"]:
            lists.masters.append(_master(values, param))
        if masked:
            lists.masks.append(values.get("mask", torch.ones_like(param, dtype=torch.bool)))
    if group["stochastic_rounding"] or group["moment_dtype"] == torch.bfloat16:
        lists.streams = _streams(optimizer, group, with_grad)
    return lists


def initial_state(param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
    """Step counter, moments and master of a parameter that has not been stepped yet."""

    def zeros() -> Tensor:
        return torch.zeros_like(param, dtype=group["moment_dtype"])

    state = {
        "step": torch.zeros((), dtype=torch.float32, device=param.device),
        "exp_avg": zeros(),
        "exp_avg_sq": zeros(),
    }
    if group["amsgrad"]:
        state["max_exp_avg_sq"] = zeros()
    state.update(master_state(param, group["master_weights"]))
    return state


def _master(values: dict[str, Tensor], param: Tensor) -> Tensor:
    for key in ("master_param", "master_remainder"):
        if key in values:
            return values[key]
    return param.new_empty(0, dtype=torch.float32)  # the parameter is FP32 itself


def _streams(
    optimizer: torch.optim.Optimizer, group: dict[str, Any], with_grad: list[Tensor]
) -> list[int]:
    """A parameter's place among all, which does not depend on who has a gradient today."""
    index = next(i for i, each in enumerate(optimizer.param_groups) if each is group)
    place = {id(p): i for i, p in enumerate(group["params"])}
    return [index * _STREAMS_PER_GROUP + place[id(p)] for p in with_grad]
