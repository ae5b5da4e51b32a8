"""halfword.nn.int8_linear in plain torch: quantized rows, exact products, gradients by hand."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Codes, as float64, and the scale of each row; no row is zero or has a NaN."""
    x = x.float()
    scale = x.abs().amax(1) / 127
    return (x * (1 / scale)[:, None]).round().clamp(-127, 127).double(), scale


def hadamard(x: Tensor, block: int | None) -> Tensor:
    """The rows transformed, zeros added to complete their last block."""
    if block is None:
        return x
    x = F.pad(x, (0, -x.shape[1] % block))
    v, h = x.float(), 1
    while h < block:
        low, high = v.reshape(len(x), -1, 2, h).unbind(2)
        v = torch.stack((low + high, low - high), 2).reshape(x.shape)
        h *= 2
    return (v * torch.tensor(1 / block**0.5)).to(x.dtype)


def product(a, b, block=None, bias=None, residual=None) -> Tensor:
    """a @ b.T of their codes, scaled; float32."""
    (codes_a, scale_a), (codes_b, scale_b) = (quantize_rows(hadamard(m, block)) for m in (a, b))
    y = (codes_a @ codes_b.T).float() * scale_b * scale_a[:, None]
    y = y if bias is None else y + bias.float()
    return y if residual is None else y + residual.float()


def int8_linear(x, weight, bias, recipe) -> Tensor:
    """The output for a matrix of tokens."""
    if not recipe.output:
        return F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))
    residual = None
    if recipe.outliers:
        columns = x.float().abs().amax(0).topk(recipe.outliers, sorted=False).indices
        residual = x[:, columns] @ weight[:, columns].to(x.dtype).T
        x = x.clone()
        x[:, columns] = 0
    return product(x, weight, recipe.hadamard, bias, residual).to(x.dtype)


def int8_linear_backward(dy, x, weight, recipe) -> tuple[Tensor, Tensor]:
    """The gradients of x and weight."""
    if recipe.grad_input:
        dx = product(dy, weight.T, recipe.hadamard).to(x.dtype)
    else:
        dx = dy @ weight.to(dy.dtype)
    if recipe.grad_weight:
        dw = product(dy.T, x.T, recipe.hadamard).to(weight.dtype)
    else:
        dw = (dy.T @ x).to(weight.dtype)
    return dx, dw
