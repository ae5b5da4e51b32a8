"""Codes to the real numbers that they stand for."""

import torch
from torch import Tensor

from ..quant.spec import Spec
from ._library import call, define
from ._matrix import as_matrix
from .quantize import check_shape

_OP = define(
    "dequantize(Tensor codes, Tensor scale, Tensor? zero_point, int block_rows, int block_cols, "
    "int mapping, int bits, Tensor(a!) out) -> ()",
    fake=lambda *_: None,
)


def dequantize(
    codes: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    spec: Spec = Spec(),  # noqa: B008 - a constant
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The numbers that codes stand for: ``(code - zero_point) * scale``.

    For log2: ``sign(code) * scale * 2 ** (abs(code) - Q)``, where ``Q = 2 ** (bits - 1) - 1``.

    Args:
        codes: int8, of any shape; any value, whatever the number of bits.
        scale: float32, of shape ``spec.scale_shape(codes.shape)``.
        zero_point: int32, of the shape of ``scale``; ``None`` for 0. For affine specs only.
        spec: what the codes were made with; its rounding does not matter.
        dtype: of the result: float32, bfloat16 or float16.

    Returns:
        A tensor of the shape of ``codes``.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape or device is not the one above, ``block`` is used for what is not a
            matrix, or a ``zero_point`` is given to a spec that has none.

    Numerics: FP32, rounded once to ``dtype``; the same bits on every backend. A scale of NaN gives
        NaN.
    Gradient: none, neither for the codes, which are integers, nor for ``scale``.
    Moves: 1 byte read and the size of ``dtype`` written an element. Codes that are not contiguous
        are copied first.
    """
    check_shape("dequantize", scale, "scale", spec.scale_shape(codes.shape))
    check_shape("dequantize", zero_point, "zero_point", spec.scale_shape(codes.shape))
    matrix = as_matrix(codes).contiguous()
    out = codes.new_empty(matrix.shape, dtype=dtype)
    call(
        _OP,
        matrix,
        scale.detach().contiguous(),
        None if zero_point is None else zero_point.contiguous(),
        *spec.blocks(*matrix.shape),
        spec.mapping_code,
        spec.bits,
        out,
    )  # fmt: skip
    return out.view(codes.shape)
