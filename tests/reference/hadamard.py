"""The blockwise Walsh-Hadamard transform in plain torch."""

import torch
from torch import Tensor


def matrix(block: int) -> Tensor:
    """Of +1 and -1, float64: H[i, j] = (-1)^popcount(i & j)."""
    h = torch.ones(1, 1, dtype=torch.float64)
    while len(h) < block:
        h = torch.kron(torch.tensor([[1, 1], [1, -1]], dtype=torch.float64), h)
    return h


def hadamard(x: Tensor, block: int) -> Tensor:
    """Stage by stage, each as the matrix product of every pair."""
    v = x.float().reshape(-1, block)
    for h in (2**k for k in range(block.bit_length() - 1)):
        low, high = v.reshape(-1, block // (2 * h), 2, h).unbind(2)
        v = torch.stack((low + high, low - high), 2).reshape(-1, block)
    factor = torch.tensor(block, dtype=torch.float64).rsqrt().float()
    return (v * factor).to(x.dtype).reshape(x.shape)
