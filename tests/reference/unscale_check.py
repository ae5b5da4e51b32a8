"""Unscale, overflow check and norm in plain torch."""

import torch
from torch import Tensor

from .arithmetic import fma

LANES, TILE, SLOTS = 2048, 8192, 1024


def unscaled(grad: Tensor, inv_scale: float, write: bool) -> Tensor:
    """The unscaled gradient: in float32, or rounded to the gradient's type if it is written."""
    u = grad.float() * torch.tensor(inv_scale)
    return u.to(grad.dtype) if write else u


def memory_order(grad: Tensor) -> Tensor:
    """Elements as they lie in memory, for a dense tensor; row-major otherwise."""
    order = sorted(range(grad.dim()), key=lambda d: -grad.stride(d))
    permuted = grad.permute(order)
    return (permuted if permuted.is_contiguous() else grad).reshape(-1)


def norm(grads: list[Tensor], inv_scale: float, write: bool) -> Tensor:
    """The tree of csrc/ops/unscale_check.h."""
    slots = torch.zeros(SLOTS, dtype=torch.float64)
    tiles = 0
    for grad in grads:
        u = unscaled(memory_order(grad), inv_scale, write).float()
        for tile in u.split(TILE) if u.numel() else []:
            slots[tiles % SLOTS] += tile_sum(tile).double()
            tiles += 1
    return halves(slots).sqrt().float()


def tile_sum(u: Tensor) -> Tensor:
    rows = torch.nn.functional.pad(u, (0, TILE - u.numel())).view(-1, LANES)
    lanes = torch.zeros(LANES)
    for row in rows:
        lanes = fma(row, row, lanes)
    eights = lanes.view(-1, 8)
    for half in (4, 2, 1):
        eights = eights[:, :half] + eights[:, half:]
    return halves(eights.reshape(-1))


def halves(values: Tensor) -> Tensor:
    while values.numel() > 1:
        half = values.numel() // 2
        values = values[:half] + values[half:]
    return values[0]
