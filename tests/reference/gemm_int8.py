"""The product of int8 matrices in plain torch."""

from torch import Tensor

from halfword.quant import Spec

from .gemm_output import gemm_output
from .quantize import quantize


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
    **rest,
) -> Tensor:
    """Exact sums, rounded, and what follows. Rows of real numbers are quantized first."""
    if a.is_floating_point():
        a, scale_a, _ = quantize(a, Spec())
    return gemm_output(product(a, b, zero_point_a).float(), scale_a, scale_b, **rest)
