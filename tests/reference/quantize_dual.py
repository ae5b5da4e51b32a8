"""Both quantizations of a matrix in plain torch."""

from dataclasses import replace

from torch import Tensor

from halfword.quant import Spec

from .quantize import quantize


def transposed(spec: Spec) -> Spec:
    """What the transposed matrix is quantized with."""
    return spec if spec.block is None else replace(spec, block=spec.block[::-1])


def quantize_dual(x: Tensor, spec: Spec) -> tuple[tuple[Tensor, Tensor, Tensor | None], ...]:
    """Codes, scales and zero points of the matrix and of its transpose, rounded to nearest."""
    matrix = x.reshape(x.shape[:-1].numel(), x.shape[-1] if x.dim() else 1)
    return quantize(x, spec), quantize(matrix.t(), transposed(spec))
