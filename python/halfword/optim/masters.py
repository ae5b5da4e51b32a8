"""FP32 masters of 16-bit parameters: as FP32 tensors, or as the 16 bits that bfloat16 lacks."""

from typing import Literal

import torch
from torch import Tensor

MasterWeights = bool | Literal["remainder"]


def split_master(value: Tensor) -> tuple[Tensor, Tensor]:
    """Split FP32 values into a bfloat16 and a 16-bit remainder that together are exactly them.

    ``bits(value) == (bits(high) << 16) + remainder``: ``high`` is the value rounded to nearest,
    ties away from zero, and the signed ``remainder`` is what that rounding cut.

    Args:
        value: float32, any shape.
    Returns:
        bfloat16 and int16 tensors of that shape.
    Raises:
        TypeError: ``value`` is not float32.
    Numerics: exact for every value but NaN, which becomes the quiet NaN with remainder 0.
    """
    if value.dtype != torch.float32:
        raise TypeError(f"split_master: value must be float32; got {value.dtype}")
    quiet_nan = torch.full_like(value, float("nan"))
    word = torch.where(value.isnan(), quiet_nan, value).view(torch.int32)
    low = word.to(torch.int16)  # keeps the low 16 bits
    high = ((word - low.to(torch.int32)) >> 16).to(torch.int16)
    return high.view(torch.bfloat16), low


def join_master(high: Tensor, remainder: Tensor) -> Tensor:
    """Put a bfloat16 and its 16-bit remainder together to the FP32 value they stand for.

    Args:
        high: bfloat16, any shape.
        remainder: int16, the same shape.
    Returns:
        float32 of that shape: the inverse of :func:`split_master`.
    Raises:
        TypeError: a dtype is not the one above.
        ValueError: the shapes differ.
    """
    if high.dtype != torch.bfloat16 or remainder.dtype != torch.int16:
        raise TypeError(
            "join_master: high and remainder must be bfloat16 and int16; "
            f"got {high.dtype} and {remainder.dtype}"
        )
    if high.shape != remainder.shape:
        raise ValueError(
            f"join_master: remainder must have the shape of high, {list(high.shape)}; "
            f"got {list(remainder.shape)}"
        )
    word = (high.contiguous().view(torch.int16).to(torch.int32) << 16) + remainder.to(torch.int32)
    return word.view(torch.float32)


def master_state(param: Tensor, kind: MasterWeights) -> dict[str, Tensor]:
    """The optimizer state that holds a new master of a parameter, equal to it; may be none."""
    if not kind or param.dtype == torch.float32:
        return {}
    if kind == "remainder":
        return {"master_remainder": torch.zeros_like(param, dtype=torch.int16)}
    return {"master_param": param.detach().to(torch.float32, copy=True)}
