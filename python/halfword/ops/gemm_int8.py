"""The exact product of two int8 matrices, and what usually stands before and behind it."""

import math

import torch
from torch import Tensor

from ._gemm import Activation, activation_code, consecutive, dense, each_row, rows_of_out
from ._library import call, define, mark_written
from .pack_int8 import PackedInt8

_OP = define(
    "gemm_int8(Tensor a, Tensor b, int b_layout, Tensor? b_sums, Tensor? scale_a, Tensor? scale_b, "
    "Tensor? zero_point_a, Tensor? bias, Tensor? residual, int activation, float beta, "
    "Tensor? scale_out, Tensor? zero_point_out, Tensor(a!) out) -> ()",
    fake=lambda *args: None,
)


def gemm_int8(
    a: Tensor,
    b: Tensor | PackedInt8,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    *,
    zero_point_a: Tensor | None = None,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    activation: Activation | None = None,
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
    beta: float = 0.0,
    scale_out: Tensor | None = None,
    zero_point_out: Tensor | None = None,
) -> Tensor:
    """``a @ b.T`` of int8 matrices, exact, then scaled, shifted, activated and rounded once.

    An ``a`` that is not int8 becomes the codes and ``scale_a`` the scales of ``quantize(a)``.

    ``acc[m, n] = sum_k (a[m, k] - zero_point_a[m]) * b[n, k]``

    ``y = activation(acc * scale_b[n] * scale_a[m] + bias[n] + residual[m, n])``

    ``out = y + beta * out``, or for int8 ``clamp(round(y / scale_out) + zero_point_out)``, or for
    int32 ``acc``.

    Args:
        a: int8, float32, bfloat16 or float16 ``[..., k]``, on CPU or CUDA. ``...`` are the rows
            ``m``.
        b: int8 ``[n, k]``, or ``pack_int8`` of it.
        scale_a: float32, one value or one for each row of ``a``; ``None`` for 1. With an int8
            ``a`` only, as ``zero_point_a``.
        scale_b: float32, one value or one for each row of ``b``; ``None`` for 1.
        zero_point_a: int32 in [-128, 127], one value or one for each row of ``a``; ``None`` for 0.
        bias: ``[n]``, float32, bfloat16 or float16.
        residual: ``[..., n]``, float32, bfloat16 or float16.
        activation: ``"relu"``, ``"gelu"``, ``"gelu_tanh"``, ``"silu"`` or ``None``.
        out_dtype: of the result: float32, bfloat16, float16, int8 or int32. By default the dtype of
            ``out``, else int8 if there is a ``scale_out``, else that of an ``a`` that is not int8,
            else int32 if there is nothing to scale or add, else float32.
        out: ``[..., n]``, where to write the result. It must not overlap what is read.
        beta: what ``out`` is multiplied by before the result is added to it; float32 only. With
            ``beta=1`` a weight gradient is added to the main gradient by the product itself.
        scale_out: float32, one element: the scale of int8 results.
        zero_point_out: int32 in [-128, 127], one element, of int8 results; ``None`` for 0.

    Returns:
        ``out``, or a new tensor ``[..., n]``.

    Raises:
        TypeError: a dtype is not one of the above, or does not go with ``beta``, ``scale_out`` or
            an ``a`` that is not int8.
        ValueError: shapes do not fit; a scale lies along ``k``, where no product could take it; an
            int32 result could overflow (``k`` over 131,071, or 65,536 with a zero point); something
            is given that int32 results or an ``a`` that is not int8 do not take; ``out`` overlaps
            something.

    Numerics: the sum is exact for every ``k``. It is rounded to FP32, and each operation after it
        is rounded once, in the order above. The same bits on every device, for every number of
        threads, packed or not; a row of the result does not depend on the other rows. One of an
        ``a`` with NaN or inf has scale NaN, and is NaN, or as int8 the code of 0.
    Gradient: none. Of ``Y = X W^T`` both gradients are products of this form (``halfword.nn``).
    Moves: ``a``, ``b`` and the result once, 1 byte for each code. On CUDA, codes that are made of
        ``a`` are written and read once more. An operand without consecutive columns is copied
        first. Several products with one ``b`` are faster with a packed one.
    Source: Jacob et al., "Quantization and training of neural networks for efficient
        integer-arithmetic-only inference", CVPR 2018, section 2.
    """
    code = activation_code("gemm_int8", activation)
    if a.dim() == 0:
        raise ValueError("gemm_int8: a must have rows; got a tensor without dimensions")
    *lead, k = a.shape
    if isinstance(b, PackedInt8):
        data, layout, sums, n = b.data, b.layout, b.sums, b.n
        if b.k != k:
            raise ValueError(f"gemm_int8: b must have as many columns as a ({k}); got {b}")
    else:
        data, layout, sums, n = consecutive(b), 0, None, b.shape[0] if b.dim() else 0
    shape = [*lead, n]
    given = out
    if out is None:
        if out_dtype is None:
            out_dtype = _default_dtype(a, scale_out, scale_a, scale_b, bias, residual, activation)
        out = a.new_empty(shape, dtype=out_dtype)
    elif out_dtype is not None and out.dtype != out_dtype:
        raise TypeError(f"gemm_int8: out must be of out_dtype, {out_dtype}; got {out.dtype}")
    elif list(out.shape) != shape:
        raise ValueError(f"gemm_int8: out must have shape {shape}; got {list(out.shape)}")
    matrix = out
    if a.requires_grad:
        a = a.detach()
    if len(lead) != 1:
        m = math.prod(lead)
        a, matrix = a.reshape(m, k), rows_of_out("gemm_int8", out, m, n)
        scale_a, zero_point_a = each_row(scale_a, lead, m), each_row(zero_point_a, lead, m)
        if residual is not None and list(residual.shape) == shape:
            residual = residual.reshape(m, n)
    call(
        _OP, consecutive(a), data, layout, sums, dense(scale_a), dense(scale_b),
        dense(zero_point_a), dense(bias), None if residual is None else consecutive(residual),
        code, beta, scale_out, zero_point_out, matrix,
    )  # fmt: skip
    if given is not None:
        mark_written([given])
    return out


def _default_dtype(a: Tensor, scale_out: Tensor | None, *scalings: object) -> torch.dtype:
    if scale_out is not None:
        return torch.int8
    if a.dtype != torch.int8:
        return a.dtype
    return torch.int32 if all(each is None for each in scalings) else torch.float32
