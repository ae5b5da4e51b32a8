"""Real factors as integers."""

import math

import torch
from torch import Tensor


def quantize_multiplier(real_scale: Tensor | float) -> tuple[Tensor, Tensor]:
    """The multiplier and shift of ``ops.requantize`` that stand for a factor.

    ``real_scale = multiplier * 2^(-31 - shift)`` with ``multiplier`` in [2^30, 2^31), rounded to
    nearest even. A factor of 2^-32 or less (or 0) gives fewer bits or 0; one of 2^31 or more has no
    form. Meant for the scales of a layer, once: it reads them on the host.

    Args:
        real_scale: finite factors >= 0 below 2^31, of any shape; for a layer
            ``scale_x * scale_w / scale_y``.

    Returns:
        int32 tensors of the shape and on the device of ``real_scale``.

    Raises:
        ValueError: a factor is negative, not finite, or too large.
    """
    scales = torch.as_tensor(real_scale, dtype=torch.float64)
    pairs = [_fixed_point(value) for value in scales.detach().flatten().tolist()]
    multiplier, shift = zip(*pairs, strict=True) if pairs else ((), ())
    return tuple(  # type: ignore[return-value]
        torch.tensor(ints, dtype=torch.int32, device=scales.device).view(scales.shape)
        for ints in (multiplier, shift)
    )


def _fixed_point(scale: float) -> tuple[int, int]:
    if not 0 <= scale < math.inf:
        raise ValueError(f"quantize_multiplier: real_scale must be finite and >= 0; got {scale}")
    mantissa, exponent = math.frexp(scale)  # mantissa in [1/2, 1), or 0
    shift = min(-exponent, 31)
    multiplier = round(math.ldexp(mantissa, 31 + exponent + shift))
    if multiplier == 2**31:  # rounded up to the next power of two
        multiplier, shift = 2**30, shift - 1
    if shift < -31:
        raise ValueError(f"quantize_multiplier: real_scale must be below 2^31; got {scale}")
    return multiplier, shift
