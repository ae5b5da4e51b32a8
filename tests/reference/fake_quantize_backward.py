"""The gradients of fake quantization in plain torch, sums in the tree of the contract."""

import torch
from torch import Tensor

from halfword.quant import Spec

from .arithmetic import fma
from .quantize import quantize, spread

LANES, PIECE = 32, 4096


def fake_quantize_backward(
    d_out: Tensor,
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None,
    spec: Spec,
    seed: int = 0,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    lowest, highest = spec.code_range
    inv = 1 / scale
    inv[inv.isinf()] = 0.0
    t = torch.nan_to_num(x.float() * spread(inv, x, spec), 0.0, torch.inf, -torch.inf)
    if spec.mapping == "log2":
        clamped = torch.log2(t.abs().double()).round() > 0
        return torch.where(clamped, 0, d_out), None, None
    z = torch.zeros_like(t) if zero_point is None else spread(zero_point.float(), x, spec)
    place = t if spec.rounding == "stochastic" else t.round()
    clamped = (place < lowest - z) | (place > highest - z)
    r = quantize(x, spec, scale, zero_point, seed)[0].float() - z
    by_scale = r - torch.where(clamped, 0, t)
    by_zero_point = torch.where(clamped, -spread(scale, x, spec), 0)
    if x.numel() == 0:
        zeros = torch.zeros_like(scale)
        return d_out, zeros, None if spec.symmetric else zeros
    d_scale = block_sums(d_out.float(), by_scale, spec).reshape(scale.shape)
    d_zero_point = block_sums(d_out.float(), by_zero_point, spec).reshape(scale.shape)
    return torch.where(clamped, 0, d_out), d_scale, None if spec.symmetric else d_zero_point


def block_sums(a: Tensor, b: Tensor, spec: Spec) -> Tensor:
    """The sum of a * b over each block; what lies past the end of the matrix is 0."""
    cols = a.shape[-1] if a.dim() else 1
    rows = a.numel() // max(cols, 1)
    height, width = spec.blocks(rows, cols)
    height, width = min(height, max(rows, 1)), min(width, max(cols, 1))
    length = min(-(-width // LANES) * LANES, PIECE)
    pieces = -(-width // length)

    def cut(m: Tensor) -> Tensor:  # [down, across, height, pieces, steps, lanes]
        blocks = pad(m.reshape(rows, cols), height, width)
        blocks = blocks.unfold(0, height, height).unfold(1, width, width)
        return pad(blocks, 1, pieces * length).unflatten(-1, (pieces, -1, LANES))

    a, b = cut(a), cut(b)
    sums = torch.zeros(*a.shape[:4], LANES)
    for step in range(a.shape[4]):
        sums = fma(a[..., step, :], b[..., step, :], sums)
    of_pieces = pad(halves(sums).flatten(2).double(), 1, LANES).unflatten(-1, (-1, LANES))
    lanes = torch.zeros(*of_pieces.shape[:2], LANES, dtype=torch.float64)
    for group in of_pieces.unbind(2):
        lanes += group
    return halves(lanes).float()


def pad(m: Tensor, rows: int, cols: int) -> Tensor:
    """With zeros, to multiples of these in the last two dimensions."""
    return torch.nn.functional.pad(m, (0, -m.shape[-1] % cols, 0, -m.shape[-2] % rows))


def halves(values: Tensor) -> Tensor:
    while values.shape[-1] > 1:
        half = values.shape[-1] // 2
        values = values[..., :half] + values[..., half:]
    return values[..., 0]
