"""Codes of the rows of a float32 matrix, and the tree of a row's sum."""

import torch
from torch import Tensor

from .arithmetic import fma

LANES = 2048


def row_codes(y: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, scales and sums of codes; the one scale, or one a row."""
    if scale is None:
        finite = y.isfinite().all(1)
        scale = torch.where(finite, magnitude(y) / 127, torch.nan)
        used = torch.where((1 / scale).isinf(), 0.0, scale)
    else:
        used = scale
    inv = 1 / used
    inv = torch.where(inv.isinf(), 0.0, inv).reshape(-1, 1)
    codes = (y * inv).nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf)
    codes = codes.clamp(-127, 127).round()
    return codes.to(torch.int8), used, codes.to(torch.int32).sum(1, dtype=torch.int32)


def magnitude(y: Tensor) -> Tensor:
    """The largest of each row; 0 of a row without elements."""
    return y.abs().amax(1) if y.shape[1] else torch.zeros(len(y))


def tree_sum(terms: Tensor, squares: bool = False) -> Tensor:
    """The sum of each row, or of its squares, in the order of csrc/ops/norm_quantize.h."""
    padded = torch.nn.functional.pad(terms, (0, -terms.shape[1] % LANES))
    lanes = torch.zeros(len(terms), LANES)
    for part in padded.split(LANES, 1) if terms.shape[1] else ():
        lanes = fma(part, part, lanes) if squares else lanes + part
    return halves(halves(lanes.view(-1, LANES // 8, 8)))


def halves(values: Tensor) -> Tensor:
    while values.shape[-1] > 1:
        half = values.shape[-1] // 2
        values = values[..., :half] + values[..., half:]
    return values[..., 0]
