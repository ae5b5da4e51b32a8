"""Fake quantization in plain torch."""

from torch import Tensor

from halfword.quant import Spec

from .dequantize import dequantize
from .quantize import quantize


def fake_quantize(
    x: Tensor,
    spec: Spec,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    return dequantize(*quantize(x, spec, scale, zero_point, seed), spec, x.dtype)
