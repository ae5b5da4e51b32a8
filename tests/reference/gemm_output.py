"""What follows a product of matrices in plain torch."""

import torch
from torch import Tensor

ACTIVATIONS = {
    None: lambda y: y,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda y: torch.nn.functional.gelu(y, approximate="tanh"),
    "silu": torch.nn.functional.silu,
}


def gemm_output(
    y: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    *,
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
    rounded."""
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
