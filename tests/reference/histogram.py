"""Counts of elements in intervals, in plain torch."""

import torch
from torch import Tensor


def histogram(x: Tensor, bins: int, low: float, high: float, absolute: bool) -> Tensor:
    x = (x.abs() if absolute else x).float().flatten()
    ends = torch.tensor([low, high])
    x = x[(x >= ends[0]) & (x <= ends[1])]
    factor = torch.tensor(float(bins)) / (ends[1] - ends[0])
    return torch.bincount(((x - ends[0]) * factor).long().clamp(max=bins - 1), minlength=bins)
