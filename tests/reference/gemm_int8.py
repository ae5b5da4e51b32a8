"""The product of int8 matrices in plain torch."""

import torch
from torch import Tensor

from halfword.quant import Spec

from .quantize import quantize

ACTIVATIONS = {
    None: lambda y: y,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda y: torch.nn.functional.gelu(y, approximate="tanh"),
    "silu": torch.nn.functional.silu,
}


def product(a: Tensor, b: Tensor, zero_point_a: Tensor | None = None) -> Tensor:
    """The exact sums, int64."""
    a = a.double()
    if zero_point_a is not None:
        a = a - zero_point_a.reshape(-1, 1)
    return (a @ b.double().t()).long()  # doubles are exact below 2^53


def gemm_int8(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    *,
    zero_point_a: Tensor | None = None,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    activation: str | None = None,
    out_dtype: torch.dtype = torch.float32,
    out: Tensor | None = None,
    beta: float = 0.0,
    scale_out: Tensor | None = None,
    zero_point_out: Tensor | None = None,
) -> Tensor:
    """One FP32 operation after the other, in the order of the contract; the activation in double,
    rounded. Rows of real numbers are quantized first."""
    if a.is_floating_point():
        a, scale_a, _ = quantize(a, Spec())
    y = product(a, b, zero_point_a).float()
    if scale_b is not None:
        y = y * scale_b.reshape(1, -1)
    if scale_a is not None:
        y = y * scale_a.reshape(-1, 1)
    if bias is not None:
        y = y + bias.float()
    if residual is not None:
        y = y + residual.float()
    y = ACTIVATIONS[activation](y.double()).float()
    if beta != 0:
        y = y + torch.tensor(beta, dtype=torch.float32) * out
    if scale_out is None:
        return y.to(out_dtype)
    codes = (y * (1 / scale_out)).round()
    return (
        (codes + (0 if zero_point_out is None else zero_point_out)).clamp(-128, 127).to(out_dtype)
    )
