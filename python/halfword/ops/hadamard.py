"""The blockwise Walsh-Hadamard transform."""

from typing import Any

import torch
from torch import Tensor

from ._library import call, define

_OP = define("hadamard(Tensor x, int block, Tensor(a!) out) -> ()", fake=lambda *args: None)


class _Hadamard(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, block: int) -> Tensor:
        ctx.block = block
        x = x.contiguous()
        out = torch.empty_like(x)
        call(_OP, x, block, out)
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:
        return hadamard(d_out, ctx.block), None


def hadamard(x: Tensor, block: int) -> Tensor:
    """Rotate each ``block`` consecutive elements of the last dimension by a Hadamard matrix.

    ``out = H x / sqrt(block)`` with ``H[i, j] = (-1)^popcount(i & j)``: outliers are spread over
    their block, and a product of two rotated operands over that dimension stays what it was.

    Args:
        x: float32, bfloat16 or float16, on CPU or CUDA.
        block: a power of two from 1 to 4096 that divides the last dimension.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: the dtype is not one of the above.
        ValueError: ``block`` is not such a number.

    Numerics: additions and subtractions in FP32, for distances 1, 2, 4, ... in turn, then one
        multiplication by ``1 / sqrt(block)`` and one rounding; the same bits on every backend.
        Its own inverse, up to rounding.
    Gradient: the same transform of ``d_out``.
    Moves: ``x`` read once, the result written once. A copy first where ``x`` is not contiguous.
    Source: Fino and Algazi, "Unified matrix treatment of the fast Walsh-Hadamard transform", IEEE
        Transactions on Computers, 1976; to quantize gradients: Xi et al., "Training transformers
        with 4-bit integers", NeurIPS 2023.
    """
    out: Tensor = _Hadamard.apply(x, block)  # type: ignore[no-untyped-call]
    return out
