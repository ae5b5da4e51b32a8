"""The product of int8 activations and 4-bit weights, and what usually follows it."""

import torch
from torch import Tensor

from ._gemm import Activation, Product, activation_code, dense
from ._library import call, define, mark_written
from .pack_int4 import PackedInt4

_OP = define(
    "gemm_w4a8(Tensor a, Tensor b, int b_layout, Tensor b_scale, Tensor? b_zero_point, "
    "Tensor? b_offset, int group_size, Tensor? scale_a, Tensor? bias, Tensor? residual, "
    "int activation, float beta, Tensor? scale_out, Tensor? zero_point_out, Tensor(a!) out) -> ()",
    fake=lambda *args: None,
)


def gemm_w4a8(
    a: Tensor,
    b: PackedInt4,
    scale_a: Tensor | None = None,
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
    """``a @ b.T`` by integer products, an ``a`` that is not int8 quantized first.

    ``acc[m, n, g] = sum over k of group g of a[m, k] * (codes[n, k] - zero_point[n, g])``

    ``sum[m, n] = sum over g of acc[m, n, g] * scale[n, g]``, and with offsets also of
    ``(sum over k of group g of a[m, k]) * offset[n, g]``

    ``y = activation(sum * scale_a[m] + bias[n] + residual[m, n])``

    ``out = y + beta * out``, or for int8 ``clamp(round(y / scale_out) + zero_point_out)``.

    Args:
        a: ``[..., k]``, on CPU or CUDA: int8; or float32, bfloat16 or float16, whose codes and
            scales are those of ``quantize(a)``. ``...`` are the rows ``m``.
        b: the weight, from ``pack_int4`` (on CUDA with ``activation_bits=8``).
        scale_a: float32, one value or one for each row of an int8 ``a``; ``None`` for 1.
        bias: ``[n]``, float32, bfloat16 or float16.
        residual: ``[..., n]``, float32, bfloat16 or float16.
        activation: ``"relu"``, ``"gelu"``, ``"gelu_tanh"``, ``"silu"`` or ``None``.
        out_dtype: of the result: float32, bfloat16, float16 or int8. By default the dtype of
            ``out``, else int8 if there is a ``scale_out``, else that of an ``a`` that is not int8,
            else float32.
        out: ``[..., n]``, where to write the result. It must not overlap what is read.
        beta: what ``out`` is multiplied by before the result is added to it; float32 only.
        scale_out: float32, one element: the scale of int8 results.
        zero_point_out: int32 in [-128, 127], one element, of int8 results; ``None`` for 0.

    Returns:
        ``out``, or a new tensor ``[..., n]``.

    Raises:
        TypeError: a dtype is not one of the above, or does not go with ``beta``, ``scale_out`` or
            the other ones.
        ValueError: shapes do not fit; ``b`` is packed for other activations or another kind of
            device; ``scale_a`` is given for an ``a`` that is not int8; ``out`` overlaps something.

    Numerics: ``acc`` is exact. It is rounded to FP32, and FMAs add its products in the order of the
        groups; those with an offset follow right after their group's. (A group of more than 65,536
        columns is cut there.) Each operation after that is rounded once, in the order above. The
        same bits on every device and for every number of threads; a row of the result does not
        depend on the other rows. A row of ``a`` with NaN or inf has scale NaN, and is NaN.
    Gradient: none. ``halfword.nn.Int4Linear`` is a layer of it.
    Moves: half a byte for each weight and its group's scale, ``a`` and the result once. An operand
        without consecutive columns is copied first.
    Source: Lin et al., "QServe: W4A8KV4 quantization and system co-design for efficient LLM
        serving", MLSys 2025, section 4, with FP32 scales in place of their two levels.
    """
    code = activation_code("gemm_w4a8", activation)
    dtype = a.dtype if a.is_floating_point() else torch.float32
    if scale_out is not None:
        dtype = torch.int8
    p = Product("gemm_w4a8", a, b, dtype, out_dtype, out)
    call(
        _OP, p.a, *p.weight, p.each_row(scale_a), dense(bias), p.residual(residual), code, beta,
        scale_out, zero_point_out, p.written(),
    )  # fmt: skip
    if out is not None:
        mark_written([out])
    return p.out
