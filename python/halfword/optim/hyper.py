"""Checks of an optimizer's options and parameters, before anything is made of them."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_FLOATS = (torch.float32, torch.bfloat16, torch.float16)


def check_defaults(name: str, options: Mapping[str, Any], max_grad_norm: float | None) -> None:
    """Raise a TypeError or ValueError that names the first option out of its range."""
    _check_lr(name, options["lr"])
    _check_betas(name, options["betas"])
    for key in ("eps", "weight_decay"):
        _check_number(name, key, options[key])
    if options["differentiable"]:
        raise ValueError(f"{name}: differentiable must be False; got True")
    if options["master_weights"] not in (True, False, "remainder"):
        raise ValueError(
            f"{name}: master_weights must be True, False or 'remainder'; "
            f"got {options['master_weights']!r}"
        )
    if options["moment_dtype"] not in (torch.float32, torch.bfloat16):
        raise ValueError(
            f"{name}: moment_dtype must be torch.float32 or torch.bfloat16; "
            f"got {options['moment_dtype']}"
        )
    if not isinstance(options["seed"], int):
        raise TypeError(f"{name}: seed must be an int; got {type(options['seed']).__name__}")
    if max_grad_norm is not None:
        _check_number(name, "max_grad_norm", max_grad_norm)
        if max_grad_norm == 0:
            raise ValueError(f"{name}: max_grad_norm must be > 0; got {max_grad_norm}")


def check_params(name: str, group: Mapping[str, Any]) -> None:
    """Raise a TypeError or ValueError that names the first parameter that cannot be trained so."""
    for i, param in enumerate(group["params"]):
        if param.dtype not in _FLOATS:
            raise TypeError(
                f"{name}: params[{i}] must be float32, bfloat16 or float16; got {param.dtype}"
            )
        if group["master_weights"] == "remainder" and param.dtype == torch.float16:
            raise ValueError(
                f"{name}: params[{i}] must be bfloat16 or float32 with "
                "master_weights='remainder'; got torch.float16"
            )
        stochastic = group["stochastic_rounding"] and not group["master_weights"]
        if stochastic and param.dtype == torch.float16:
            raise ValueError(
                f"{name}: params[{i}] must be bfloat16 or float32 with stochastic_rounding; "
                "got torch.float16"
            )


def _check_lr(name: str, lr: float | Tensor) -> None:
    if isinstance(lr, Tensor):
        if lr.numel() != 1:
            raise ValueError(f"{name}: lr must have one element; got {lr.numel()}")
        if lr.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"{name}: lr must be float32 or float64; got {lr.dtype}")
        if lr.device.type != "cpu":
            return  # its value is the device's business
        lr = lr.item()
    _check_number(name, "lr", lr)


def _check_betas(name: str, betas: tuple[float, float]) -> None:
    if len(betas) != 2:
        raise ValueError(f"{name}: betas must be two numbers; got {len(betas)}")
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor):
            raise TypeError(f"{name}: betas[{i}] must be a float; got a tensor")
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"{name}: betas[{i}] must be in [0, 1); got {beta}")


def _check_number(name: str, key: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: {key} must be a number; got {type(value).__name__}")
    if not (value >= 0.0 and math.isfinite(value)):
        raise ValueError(f"{name}: {key} must be finite and >= 0; got {value}")
