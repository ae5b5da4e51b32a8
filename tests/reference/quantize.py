"""Quantization in plain torch."""

import torch
from torch import Tensor

from halfword.quant import Spec

from .arithmetic import random_bits


def block_numbers(shape: tuple[int, ...], spec: Spec) -> Tensor:
    """Which block each element of the matrix belongs to."""
    rows, cols = torch.Size(shape[:-1]).numel(), shape[-1] if shape else 1
    block_rows, block_cols = spec.blocks(rows, cols)
    across = -(-cols // block_cols)
    i, j = torch.arange(rows)[:, None], torch.arange(cols)[None, :]
    return i // block_rows * across + j // block_cols


def of_blocks(x: Tensor, spec: Spec, reduce: str) -> Tensor:
    """'amax' or 'amin' of each block's elements and 0, in the shape of the scales."""
    shape = spec.scale_shape(x.shape)
    blocks = block_numbers(x.shape, spec).reshape(-1)
    zeros = torch.zeros(torch.Size(shape).numel())
    return zeros.scatter_reduce(0, blocks, x.float().reshape(-1), reduce).reshape(shape)


def spread(scale: Tensor, x: Tensor, spec: Spec) -> Tensor:
    """Of each element, what its block has."""
    return scale.reshape(-1)[block_numbers(x.shape, spec)].reshape(x.shape)


def scales(x: Tensor, spec: Spec) -> tuple[Tensor, Tensor]:
    """Scales, and zero points as floats."""
    lowest, highest = spec.code_range
    low, high = of_blocks(x, spec, "amin"), of_blocks(x, spec, "amax")
    largest = torch.maximum(high, -low)
    if spec.mapping == "log2":
        scale = largest.clone()
    elif spec.symmetric:
        scale = largest / highest
    else:
        scale = ((high.double() - low.double()) / (highest - lowest)).float()
    small = (1 / scale).isinf()
    scale[small] = 0.0
    scale[~largest.isfinite()] = torch.nan
    zero_point = torch.zeros_like(scale)
    if not spec.symmetric:
        zero_point = (lowest - torch.round(low * (1 / scale))).clamp(max=highest)
        zero_point[small | scale.isnan()] = 0.0
    return scale, zero_point


def quantize(
    x: Tensor,
    spec: Spec,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Codes, scales and zero points."""
    lowest, highest = spec.code_range
    if scale is None:
        scale, zero = scales(x, spec)
    else:
        zero = torch.zeros_like(scale) if zero_point is None else zero_point.float()
    inv = 1 / scale
    inv[inv.isinf()] = 0.0
    t = torch.nan_to_num(x.float() * spread(inv, x, spec), 0.0, torch.inf, -torch.inf)
    z = spread(zero, x, spec)
    if spec.mapping == "log2":
        power = torch.log2(t.abs().double()).round() + highest
        codes = torch.where(t == 0, 0, t.sign() * power.clamp(1, highest))
    elif spec.rounding == "nearest":
        codes = t.clamp(lowest - z, highest - z).round() + z
    else:
        t = t.clamp(lowest - z, highest - z)
        chance = (random_bits_of(t, seed) + 0.5) / 2**16
        codes = t.floor() + (chance < t - t.floor()).float() + z
    return codes.to(torch.int8), scale, None if spec.symmetric else zero.int()


def random_bits_of(x: Tensor, seed: int, purpose: int = 0) -> Tensor:
    """The random bits of a tensor's elements, as core/quantize_math.h chooses them."""
    elements = torch.arange(x.numel()).reshape(x.shape)
    return random_bits(elements, seed, 0xFFFFFFFF, 0, purpose)
