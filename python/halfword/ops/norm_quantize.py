"""RMSNorm and LayerNorm, quantized."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ._library import call, define
from ._matrix import as_matrix

_OP = define(
    "norm_quantize(Tensor x, Tensor weight, Tensor? bias, Tensor? residual, float eps, int kind, "
    "Tensor? scale, Tensor(a!)? new_scale, Tensor(b!) codes, Tensor(c!)? row_sums, "
    "Tensor(d!)? sum) -> ()",
    fake=lambda *_: None,
)

KINDS = ("rms", "layer")


class NormQuantized(NamedTuple):
    """A quantized norm. A field that was not asked for is ``None``."""

    codes: Tensor
    """int8, of the shape of ``x``."""
    scale: Tensor
    """float32 ``x.shape[:-1]``, or the given one."""
    row_sums: Tensor | None
    """int32 ``x.shape[:-1]``: the sum of each row's codes."""
    residual: Tensor | None
    """``x + residual``, of the dtype and shape of ``x``."""


def norm_quantize(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    residual: Tensor | None = None,
    eps: float = 1e-6,
    kind: Literal["rms", "layer"] = "rms",
    scale: Tensor | None = None,
    row_sums: bool = False,
) -> NormQuantized:
    """Add a residual, norm each row and quantize it to int8, in one pass.

    ``h = x + residual``, rounded to the dtype of ``x``; ``rms``: ``y = h / sqrt(mean(h * h) + eps)
    * weight``; ``layer``: ``y = (h - mean(h)) / sqrt(var(h) + eps) * weight + bias``. ``codes,
    scale = quantize(y)``, with a scale a row.

    Args:
        x: float32, bfloat16 or float16, of any shape and strides; the last dimension is normed.
        weight: one element a column, of any of these dtypes.
        bias: the same; LayerNorm only.
        residual: of the dtype and shape of ``x``.
        eps: finite, >= 0; rounded to float32.
        kind: ``"rms"`` or ``"layer"``.
        scale: float32, one element: quantize all rows with it instead of computing theirs.
        row_sums: whether to return the sum of each row's codes too, which the product with a zero
            point needs.

    Returns:
        ``NormQuantized(codes, scale, row_sums, residual)``.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape or device is not the one above, ``eps`` or ``kind`` is not, or an RMS
            norm is given a ``bias``.

    Numerics: FP32, each operation rounded, ``y`` not rounded to the dtype of ``x``; means by a tree
        of additions that is the same on every backend, as the bits are. The variance is that of the
        differences from the mean, not a difference of means. A row with a NaN or inf, or
        that overflows, gets scale NaN and codes 0; one whose ``y`` is 0 scale 0. With a given scale
        codes are 0 there.
    Gradient: none.
    Moves: of a 16-bit ``x``, 2 bytes read and 1 written an element; with a residual 4 and 3. CUDA
        reads rows of more than 8192 elements again. Columns that are not consecutive are copied
        first.
    Source: Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019; Ba et al.,
        "Layer normalization", 2016.
    """
    if kind not in KINDS:
        raise ValueError(f"norm_quantize: kind must be one of {KINDS}; got {kind!r}")
    shape, matrix = x.shape, as_matrix(x.detach())
    if residual is not None and residual.shape != shape:
        raise ValueError(
            f"norm_quantize: residual must have the shape of x, {list(shape)}; got "
            f"{list(residual.shape)}"
        )
    computed = scale is None
    out_scale = matrix.new_empty(matrix.shape[0], dtype=torch.float32) if scale is None else scale
    codes = matrix.new_empty(matrix.shape, dtype=torch.int8)
    sums = matrix.new_empty(matrix.shape[0], dtype=torch.int32) if row_sums else None
    total = None if residual is None else matrix.new_empty(matrix.shape)
    call(
        _OP,
        matrix,
        weight.detach().contiguous(),
        None if bias is None else bias.detach().contiguous(),
        None if residual is None else as_matrix(residual.detach()),
        eps,
        KINDS.index(kind),
        None if computed else out_scale.detach(),
        out_scale if computed else None,
        codes,
        sums,
        total,
    )
    return NormQuantized(
        codes.view(shape),
        out_scale.view(shape[:-1]) if computed else out_scale,
        None if sums is None else sums.view(shape[:-1]),
        None if total is None else total.view(shape),
    )
