"""From parameter groups and state to the lists that the kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..ops.adam_step import AdamLists
from .masters import master_state


@dataclass
class ParamLists:
    """The parameters of one group that have a gradient, and what belongs to each."""

    group: dict[str, Any]
    index: int  # the place of the group
    lists: AdamLists
    streams: list[int]


_STREAMS_PER_GROUP = 1 << 20  # places a group has for its parameters' random streams


def with_gradients(name: str, group: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters of a group that have a gradient, and the gradients.

    RuntimeError for a sparse one.
    """
    params = [p for p in group["params"] if p.grad is not None]
    grads = [p.grad for p in params]
    for grad in grads:
        if grad.is_sparse:
            raise RuntimeError(
                f"{name}: gradients must be dense; got a sparse gradient of a parameter of shape "
                f"{list(grad.shape)} (torch.optim.SparseAdam takes those)"
            )
    return params, grads


def collect(
    optimizer: torch.optim.Optimizer, index: int, params: list[Tensor], grads: list[Tensor]
) -> ParamLists:
    """The lists of the group at this place; makes the state of a parameter that has none yet.

    Column by column, because this runs for every parameter at every step.
    """
    group, table = optimizer.param_groups[index], optimizer.state
    states = [table[p] for p in params]
    for param, state in zip(params, states, strict=True):
        if "exp_avg" not in state:
            state.update(initial_state(param, group))
    lists = AdamLists(
        params=params,
        grads=grads,
        exp_avgs=[s["exp_avg"] for s in states],
        exp_avg_sqs=[s["exp_avg_sq"] for s in states],
        max_exp_avg_sqs=[s["max_exp_avg_sq"] for s in states] if group["amsgrad"] else [],
        masters=_masters(states, params) if group["master_weights"] else [],
        masks=_masks(states, params),
        step=[s["step"] for s in states],
    )
    random = group["stochastic_rounding"] or group["moment_dtype"] == torch.bfloat16
    return ParamLists(group, index, lists, _streams(group, index, params) if random else [])


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


def _masters(states: list[dict[str, Tensor]], params: list[Tensor]) -> list[Tensor]:
    def master(state: dict[str, Tensor], param: Tensor) -> Tensor:
        for key in ("master_param", "master_remainder"):
            if key in state:
                return state[key]
        return param.new_empty(0, dtype=torch.float32)  # the parameter is FP32 itself

    return [master(s, p) for s, p in zip(states, params, strict=True)]


def _masks(states: list[dict[str, Tensor]], params: list[Tensor]) -> list[Tensor]:
    if not any("mask" in s for s in states):
        return []
    return [
        s["mask"] if "mask" in s else torch.ones_like(p, dtype=torch.bool)
        for s, p in zip(states, params, strict=True)
    ]


def _streams(group: dict[str, Any], index: int, params: list[Tensor]) -> list[int]:
    """A parameter's place among all, which does not depend on who has a gradient today."""
    place = {id(p): i for i, p in enumerate(group["params"])}
    return [index * _STREAMS_PER_GROUP + place[id(p)] for p in params]
