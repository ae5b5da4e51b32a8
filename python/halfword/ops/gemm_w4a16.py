"""The product of floating activations and 4-bit weights, and what usually follows it."""

import torch
from torch import Tensor

from ._gemm import Activation, Product, activation_code, dense
from ._library import call, define, mark_written
from .pack_int4 import PackedInt4

_OP = define(
    "gemm_w4a16(Tensor a, Tensor b, int b_layout, Tensor b_scale, Tensor? b_zero_point, "
    "Tensor? b_offset, int group_size, Tensor? bias, Tensor? residual, int activation, float beta, "
    "Tensor? scale_out, Tensor? zero_point_out, Tensor(a!) out) -> ()",
    fake=lambda *args: None,
)


def gemm_w4a16(
    a: Tensor,
    b: PackedInt4,
    *,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    activation: Activation | None = None,
    out_dtype: torch.dtype | None = None,
    out: Tensor | None = None,
    beta: float = 0.0,
    scale_out: Tensor | None = None,
    zero_point_out: Tensor | None = None,
) -> Tensor:
    """``a @ w.T`` of floating activations and 4-bit weights, then shifted, activated and rounded.

    ``w[n, k] = (code[n, k] - zero_point[n, g]) * scale[n, g]``, or ``code * scale + offset``

    ``y = activation(sum_k a[m, k] * w[n, k] + bias[n] + residual[m, n])``

    ``out = y + beta * out``, or for int8 ``clamp(round(y / scale_out) + zero_point_out)``

    Args:
        a: float32, bfloat16 or float16 ``[..., k]``, on CPU or CUDA. ``...`` are the rows ``m``.
        b: ``pack_int4`` of a weight ``[n, k]``, on the device of ``a``.
        bias: ``[n]``, float32, bfloat16 or float16.
        residual: ``[..., n]``, float32, bfloat16 or float16.
        activation: ``"relu"``, ``"gelu"``, ``"gelu_tanh"``, ``"silu"`` or ``None``.
        out_dtype: of the result: float32, bfloat16, float16 or int8. By default the dtype of
            ``out``, else int8 if there is a ``scale_out``, else the dtype of ``a``.
        out: ``[..., n]``, where to write the result. It must not overlap what is read.
        beta: what ``out`` is multiplied by before the result is added to it; float32 only.
        scale_out: float32, one element: the scale of int8 results.
        zero_point_out: int32 in [-128, 127], one element, of int8 results; ``None`` for 0.

    Returns:
        ``out``, or a new tensor ``[..., n]``.

    Raises:
        TypeError: ``b`` is no ``PackedInt4``; a dtype is not one of the above, or does not go with
            ``beta`` or ``scale_out``.
        ValueError: shapes do not fit; ``b`` is packed for another kind of device or for
            activations of 8 bits; ``out`` overlaps something.

    Numerics: activations and codes lose nothing, sums are FP32. With ``G`` groups a sum is off by
        at most ``(k + 2 G) * 2**-23`` of the sum of magnitudes ``|a * w|``, or of
        ``|a * code * scale| + |a * offset|`` with offsets. Activations and sums below ``2**-126``
        may count as 0, and a sum over a group that leaves FP32 is infinite. A row of the result
        depends neither on the other rows nor on the number of threads. Bits differ between
        instruction sets and devices.
    Gradient: none. For frozen weights that of ``a`` is the product with ``w`` (``halfword.nn``).
    Moves: ``a`` and the result once, half a byte for each code. An operand without consecutive
        columns is copied first.
    Source: Frantar et al., "MARLIN: mixed-precision auto-regressive parallel inference on large
        language models", PPoPP 2025: weights of 4 bits that become floats next to the products.
    """
    code = activation_code("gemm_w4a16", activation)
    dtype = a.dtype if scale_out is None else torch.int8
    product = Product("gemm_w4a16", a, b, dtype, out_dtype, out)
    call(
        _OP, product.a, *product.weight, dense(bias), product.residual(residual), code, beta,
        scale_out, zero_point_out, product.written(),
    )  # fmt: skip
    if out is not None:
        mark_written([out])
    return product.out
