"""Loading optimizer state from other formats, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .lists import initial_state

_MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


class Prepared:
    """The state of one parameter, ready to use: opaque, so that torch's loader passes it on as it
    is instead of casting every tensor to the parameter's dtype."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


def prepare(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    """The state dict in our own form, every tensor checked and copied to where it belongs."""
    _check_form(state_dict)
    saved_groups = state_dict["param_groups"]
    if [len(g["params"]) for g in saved_groups] != [
        len(g["params"]) for g in optimizer.param_groups
    ]:
        return state_dict  # torch's loader says what differs
    groups = []
    state = {key: value for key, value in state_dict["state"].items() if not isinstance(key, int)}
    for saved, group in zip(saved_groups, optimizer.param_groups, strict=True):
        options = {key: value for key, value in group.items() if key != "params"}
        merged = {**options, **{k: v for k, v in saved.items() if k != "step"}}
        groups.append(merged)
        for key, param in zip(saved["params"], group["params"], strict=True):
            values = state_dict["state"].get(key)
            if values:
                prepared = _prepare_param(key, values, param, merged, saved.get("step"))
                state[key] = Prepared(prepared)
    return {**state_dict, "state": state, "param_groups": groups}


def unwrap(state: dict[str, Any]) -> None:
    """Put the plain dicts in the place of prepared ones, in a state about to be set."""
    table = state.get("state", {})
    for key, values in table.items():
        if isinstance(values, Prepared):
            table[key] = values.values


def _check_form(state_dict: Any) -> None:
    if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
        raise TypeError(
            "load_state_dict: state_dict must be a dict with 'state' and 'param_groups'; "
            f"got {_describe(state_dict)}"
        )
    for i, group in enumerate(state_dict["param_groups"]):
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(
                f"load_state_dict: param_groups[{i}] must be a dict with 'params'; "
                f"got {_describe(group)}"
            )


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a dict with keys {sorted(map(str, value))[:8]}"
    return f"a {type(value).__name__}"


def _prepare_param(
    key: int, values: Any, param: Tensor, group: dict[str, Any], group_step: Any
) -> dict[str, Any]:
    where = f"state[{key!r}]"
    if not isinstance(values, Mapping):
        raise TypeError(f"load_state_dict: {where} must be a dict; got {_describe(values)}")
    for name in ("exp_avg", "exp_avg_sq"):
        if name not in values and "step" in values:
            raise ValueError(f"load_state_dict: {where} must have {name!r}; it is missing")
    ready = initial_state(param, group)
    for name, value in values.items():
        if name == "step":
            continue
        if name in (*_MOMENTS, "master_param", "master_remainder", "mask"):
            ready[name] = _prepare_tensor(f"{where}[{name!r}]", name, value, param, group)
        else:
            ready[name] = value
    ready["step"] = _prepare_step(where, values.get("step", group_step), param)
    return ready


def _prepare_tensor(
    where: str, name: str, value: Any, param: Tensor, group: dict[str, Any]
) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"load_state_dict: {where} must be a tensor; got {type(value).__name__}")
    if value.shape != param.shape:
        raise ValueError(
            f"load_state_dict: {where} must have the shape of its parameter, "
            f"{list(param.shape)}; got {list(value.shape)}"
        )
    dtype = {
        "master_param": torch.float32,
        "master_remainder": torch.int16,
        "mask": torch.bool,
    }.get(name, group["moment_dtype"])
    if (dtype.is_floating_point != value.dtype.is_floating_point) or value.dtype.is_complex:
        raise TypeError(f"load_state_dict: {where} must be {dtype}; got {value.dtype}")
    return value.detach().to(device=param.device, dtype=dtype, copy=True)


def _prepare_step(where: str, value: Any, param: Tensor) -> Tensor:
    if value is None:
        raise ValueError(f"load_state_dict: {where} must have 'step', or its group; got neither")
    number = float(value)
    if not (number >= 0 and number == int(number)):
        raise ValueError(
            f"load_state_dict: {where}['step'] must be a whole number >= 0; got {number}"
        )
    return torch.tensor(number, dtype=torch.float32, device=param.device)
