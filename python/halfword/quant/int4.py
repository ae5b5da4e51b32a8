"""How a weight becomes 4-bit codes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from .. import ops
from ..ops._int4 import Int4Weight, check_weight
from .recipes import Int4WeightOnly
from .spec import Spec

Rounding: TypeAlias = Callable[[Tensor, Tensor, Tensor | None, int], Tensor]
"""``codes = rounding(weight, scale, zero_point, group_size)``, shapes as in ``Int4Weight``."""

_CODES = Spec(bits=4, symmetric=False)  # -8..7, also of what has no zero point

_CHUNK = 1 << 18  # weights whose candidates are compared at a time: 1 MiB
_LARGEST = [quarters / 4 for quarters in range(28, 57)]  # codes that the largest would get, 7 to 14
_ENDS = [1 - tenths / 10 for tenths in range(5)]  # what is left of either end of a range


def int4_weight(
    weight: Tensor,
    recipe: Int4WeightOnly = Int4WeightOnly(),  # noqa: B008  (frozen)
    *,
    rounding: Rounding | None = None,
) -> Int4Weight:
    """Quantize a weight to 4 bits.

    Args:
        weight: float32, bfloat16 or float16 ``[n, k]``.
        recipe: groups, and how their scales are found. A group is never longer than a row.
        rounding: finds the codes when the scales are known, as GPTQ and its like do: called with
            the float32 weight, scale, zero point (None if symmetric) and group size, it returns
            int8 codes in -8..7. None rounds each weight to the nearest.

    Returns:
        An ``Int4Weight`` with float32 scales.

    Raises:
        TypeError: ``weight`` is not floating, or ``rounding`` returns another dtype than int8.
        ValueError: ``weight`` is not a matrix or not finite, or ``rounding`` returns codes of
            another shape or range.
    """
    if weight.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        dtype = str(weight.dtype).removeprefix("torch.")
        raise TypeError(f"int4_weight: weight must be float32, bfloat16 or float16; got {dtype}")
    if weight.dim() != 2:
        shape = list(weight.shape)
        raise ValueError(f"int4_weight: weight must be a matrix; got shape {shape}")
    if not weight.isfinite().all():
        raise ValueError("int4_weight: weight must be finite; got NaN or inf")
    weight = weight.detach().float()
    group = min(recipe.group_size or weight.shape[1], weight.shape[1]) or 1
    find = {"minmax": _minmax, "signed_max": _signed_max, "mse": _least_error}[recipe.scales]
    scale, zero_point = find(_groups(weight, group), recipe.symmetric)
    points = None if recipe.symmetric else zero_point
    if rounding is None:
        return Int4Weight(_nearest(weight, scale, zero_point, group), scale, points, None, group)
    codes = rounding(weight, scale, points, group)
    if codes.shape != weight.shape:
        shapes = f"{list(weight.shape)}; got {list(codes.shape)}"
        raise ValueError(f"int4_weight: rounding must return codes of shape {shapes}")
    done = Int4Weight(codes, scale, points, None, group)
    check_weight("int4_weight", done)
    return done


def _groups(weight: Tensor, group: int) -> Tensor:
    """``[n, groups, group]``, the last group filled up with zeros, which change nothing."""
    n, k = weight.shape
    return pad(weight, (0, -k % group)).view(n, -(-k // group), group)


def _minmax(groups: Tensor, symmetric: bool) -> tuple[Tensor, Tensor]:
    """Scales and zero points from the ends of each group, as ``quantize`` finds them."""
    found = ops.quantize(groups, Spec(bits=4, symmetric=symmetric))
    zero_point = found.zero_point
    if zero_point is None:
        zero_point = torch.zeros_like(found.scale, dtype=torch.int32)
    return found.scale, zero_point


def _signed_max(groups: Tensor, symmetric: bool = True) -> tuple[Tensor, Tensor]:
    """Scales that give the largest magnitude of a group the code -8."""
    extreme = _extreme(groups)
    return _usable(extreme / -8), torch.zeros_like(extreme, dtype=torch.int32)


def _least_error(groups: Tensor, symmetric: bool) -> tuple[Tensor, Tensor]:
    """Of many scales and zero points, those with the least squared error; of equal ones the first,
    which is that of ``"minmax"``."""
    rows = max(1, _CHUNK // max(1, groups.shape[1] * groups.shape[2]))
    best = [_least_error_of_rows(part, symmetric) for part in torch.split(groups, rows)]
    scales, zero_points = zip(*best, strict=True)
    return torch.cat(scales), torch.cat(zero_points)


def _least_error_of_rows(groups: Tensor, symmetric: bool) -> tuple[Tensor, Tensor]:
    scale, zero_point = _minmax(groups, symmetric)
    least = _squared_error(groups, scale, zero_point)
    for other_scale, other_zero_point in _candidates(groups, symmetric):
        error = _squared_error(groups, other_scale, other_zero_point)
        better = error < least
        least = torch.where(better, error, least)
        scale = torch.where(better, other_scale, scale)
        zero_point = torch.where(better, other_zero_point, zero_point)
    return scale, zero_point


def _candidates(groups: Tensor, symmetric: bool) -> Iterator[tuple[Tensor, Tensor]]:
    if symmetric:
        extreme = _extreme(groups)
        zero = torch.zeros_like(extreme, dtype=torch.int32)
        for largest in _LARGEST:
            yield _usable(extreme / -largest), zero
        return
    low, high = groups.aminmax(dim=-1)
    for of_low, of_high in product(_ENDS, _ENDS):
        lowest, highest = low.clamp(max=0) * of_low, high.clamp(min=0) * of_high
        scale = _usable((highest - lowest) / 15)
        codes_below_0 = torch.where(scale == 0, 8, -lowest / scale).round()
        yield scale, codes_below_0.clamp(0, 15).int() - 8


def _squared_error(groups: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    codes = ops.quantize(groups, _CODES, scale=scale, zero_point=zero_point).codes
    difference = ops.dequantize(codes, scale, zero_point, _CODES) - groups
    return difference.square_().sum(-1)


def _nearest(weight: Tensor, scale: Tensor, zero_point: Tensor, group: int) -> Tensor:
    spec = replace(_CODES, group_size=group)
    return ops.quantize(weight, spec, scale=scale, zero_point=zero_point).codes


def _extreme(groups: Tensor) -> Tensor:
    """The element of the largest magnitude, with its sign."""
    low, high = groups.aminmax(dim=-1)
    return torch.where(-low > high, low, high)


def _usable(scale: Tensor) -> Tensor:
    """0 where the inverse is too large for a float, as ``quantize`` has it."""
    return torch.where(scale.reciprocal().isfinite(), scale, 0.0)
