"""The product of int8 activations and 4-bit weights in plain torch."""

import torch
from torch import Tensor

from halfword.ops import Int4Weight
from halfword.quant import Spec

from .arithmetic import fma
from .gemm_output import gemm_output
from .quantize import quantize

EXACT_K = 1 << 16


def parts(k: int, group: int) -> list[tuple[int, int, int]]:
    """Group, first column and last of what is one integer sum."""
    return [
        (g // group, begin, min(begin + EXACT_K, g + group, k))
        for g in range(0, k, group)
        for begin in range(g, min(g + group, k), EXACT_K)
    ]


def sums(a: Tensor, weight: Int4Weight) -> Tensor:
    """What the rest is done to, float32."""
    codes, scale, zero_point, offset, group = weight
    a, codes = a.double(), codes.double()
    total = torch.zeros(a.shape[0], codes.shape[0])
    for g, begin, end in parts(a.shape[1], group):
        values, of_group = codes[:, begin:end], a[:, begin:end]
        if zero_point is not None:
            values = values - zero_point[:, g, None]
        acc = of_group @ values.t()  # doubles are exact below 2^53
        total = fma(acc.float(), scale[:, g].float(), total)
        if offset is not None:
            total = fma(of_group.sum(1, True).float(), offset[:, g].float(), total)
    return total


def gemm_w4a8(a: Tensor, weight: Int4Weight, scale_a: Tensor | None = None, **rest) -> Tensor:
    """Real rows are quantized first, and what follows the sums is that of every product."""
    if a.is_floating_point():
        rest = {"out_dtype": a.dtype, **rest}
        a, scale_a, _ = quantize(a, Spec())
    return gemm_output(sums(a, weight), scale_a, **rest)
