"""What codes stand for, in plain torch."""

import torch
from torch import Tensor

from halfword.quant import Spec

from .quantize import spread


def dequantize(
    codes: Tensor, scale: Tensor, zero_point: Tensor | None, spec: Spec, dtype: torch.dtype
) -> Tensor:
    code, scale = codes.float(), spread(scale, codes, spec)
    if spec.mapping == "log2":
        power = torch.exp2(code.abs().double() - spec.code_range[1]).float()
        return (code.sign() * power * scale).to(dtype)
    zero = 0.0 if zero_point is None else spread(zero_point.float(), codes, spec)
    return ((code - zero) * scale).to(dtype)
