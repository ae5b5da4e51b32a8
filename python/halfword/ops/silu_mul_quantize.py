"""The gated product of an MLP, quantized."""

import torch
from torch import Tensor

from ._library import call, define
from ._matrix import as_matrix
from .quantize import Quantized

_OP = define(
    "silu_mul_quantize(Tensor gate, Tensor up, Tensor? scale, Tensor(a!)? new_scale, "
    "Tensor(b!) codes, Tensor(c!)? row_sums) -> ()",
    fake=lambda *_: None,
)


def silu_mul_quantize(
    gate: Tensor, up: Tensor, *, scale: Tensor | None = None, row_sums: bool = False
) -> Quantized:
    """Quantize ``silu(gate) * up`` to int8 with one scale a row, in one pass.

    Args:
        gate: float32, bfloat16 or float16, of any shape and strides.
        up: of the dtype and shape of ``gate``. Both may be halves of one tensor: rows need not lie
            behind one another.
        scale: float32, one element: quantize all rows with it instead of computing theirs.
        row_sums: whether to return the sum of each row's codes too, which the product with a zero
            point needs.

    Returns:
        ``Quantized(codes, scale, None, row_sums)``; ``scale`` is float32 ``gate.shape[:-1]``, or
        the given one.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape or device is not the one above.

    Numerics: FP32, the product not rounded to the dtype of ``gate``; silu within 3 ulp, by the same
        steps on every backend, so that the bits are the same. A row whose product has a NaN or inf
        gets scale NaN and codes 0, one of zeros scale 0. With a given scale as ``quantize``.
    Gradient: none.
    Moves: of 16-bit types, 4 bytes read and 1 written an element. Columns that are not consecutive
        are copied first; CUDA reads rows of more than 8192 elements again.
    Source: Shazeer, "GLU variants improve transformer", 2020.
    """
    shape, matrix = gate.shape, as_matrix(gate.detach())
    if up.shape != shape:
        raise ValueError(
            f"silu_mul_quantize: up must have the shape of gate, {list(shape)}; got "
            f"{list(up.shape)}"
        )
    computed = scale is None
    out_scale = matrix.new_empty(matrix.shape[0], dtype=torch.float32) if scale is None else scale
    codes = matrix.new_empty(matrix.shape, dtype=torch.int8)
    sums = matrix.new_empty(matrix.shape[0], dtype=torch.int32) if row_sums else None
    call(
        _OP,
        matrix,
        as_matrix(up.detach()),
        None if computed else out_scale.detach(),
        out_scale if computed else None,
        codes,
        sums,
    )
    return Quantized(
        codes.view(shape),
        out_scale.view(shape[:-1]) if computed else out_scale,
        None,
        None if sums is None else sums.view(shape[:-1]),
    )
