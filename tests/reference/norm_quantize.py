"""Norm and quantization in plain torch: the float32 steps of the contract, and float64."""

import torch
from torch import Tensor

from .row_codes import row_codes, tree_sum


def norm_quantize(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    residual: Tensor | None = None,
    eps: float = 1e-6,
    kind: str = "rms",
    scale: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes, scale, sums of codes, and x + residual, of matrices."""
    total = x if residual is None else (x.float() + residual.float()).to(x.dtype)
    h, n = total.float(), x.shape[1]
    if kind == "layer":
        h = h - (tree_sum(h) / n)[:, None]
    second = tree_sum(h, squares=True) / n
    # torch's float32 root is not always the nearest; from float64 it is.
    deviation = (second + torch.tensor(eps, dtype=torch.float32)).double().sqrt().float()
    inv_deviation = torch.where(deviation.isinf(), torch.nan, 1 / deviation)
    y = h * inv_deviation[:, None] * weight.float()
    if bias is not None:
        y = y + bias.float()
    return *row_codes(y, scale), total


def real(h: Tensor, weight: Tensor, bias: Tensor | None, eps: float, kind: str) -> Tensor:
    """y of the sum h in float64."""
    h = h.double()
    if kind == "layer":
        h = h - h.mean(1, keepdim=True)
    y = h / (h.square().mean(1, keepdim=True) + eps).sqrt() * weight.double()
    return y if bias is None else y + bias.double()
