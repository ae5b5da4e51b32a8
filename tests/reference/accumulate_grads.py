"""Gradient accumulation in plain torch."""

import torch
from torch import Tensor

from .arithmetic import fma


def accumulate_grads(main: Tensor, grad: Tensor, alpha: float) -> Tensor:
    return fma(torch.tensor(alpha, dtype=torch.float64).float(), grad.float(), main)
