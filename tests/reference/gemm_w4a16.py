"""The product of floating activations and 4-bit weights, in double."""

from typing import NamedTuple

import torch
from torch import Tensor

from halfword.ops import Int4Weight


class Terms(NamedTuple):
    """A weight is the sum of two matrices ``[n, k]``."""

    scaled: Tensor
    offset: Tensor


def terms(weight: Int4Weight) -> Terms:
    n, k = weight.codes.shape
    group_of = torch.arange(k) // weight.group_size

    def each_column(values: Tensor | None) -> Tensor:
        return torch.zeros(n, k).double() if values is None else values.double()[:, group_of]

    codes = weight.codes.double() - each_column(weight.zero_point)
    return Terms(codes * each_column(weight.scale), each_column(weight.offset))


def gemm_w4a16(a: Tensor, weight: Int4Weight) -> Tensor:
    """The sums, float64."""
    return a.double() @ sum(terms(weight)).t()


def bound(a: Tensor, weight: Int4Weight) -> Tensor:
    """How far off FP32 sums may be, as the contract says."""
    k, groups = weight.codes.shape[1], weight.scale.shape[1]
    magnitudes = sum(part.abs() for part in terms(weight))
    largest = max((x.abs().max().item() for x in weight[1::2] if x is not None and x.numel()),
                  default=0.0)  # fmt: skip
    tiny = k * 2.0**-121 * largest + groups * 2.0**-125
    return (k + 2 * groups) * 2.0**-23 * (a.double().abs() @ magnitudes.t()) + tiny
