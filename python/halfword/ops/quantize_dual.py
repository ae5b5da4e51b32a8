"""One matrix quantized for both products of a backward: as it is and transposed."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..quant.spec import Spec
from ._library import call, define
from ._matrix import as_matrix
from .quantize import Quantized, seed_tensor

_OP = define(
    "quantize_dual(Tensor x, int block_rows, int block_cols, int block_rows_t, int block_cols_t, "
    "int mapping, int bits, Tensor? seed, Tensor(a!) scale, Tensor(b!)? zero_point, "
    "Tensor(c!) codes, Tensor(d!) scale_t, Tensor(e!)? zero_point_t, Tensor(f!) codes_t) -> ()",
    fake=lambda *_: None,
)


def quantize_dual(
    x: Tensor,
    spec: Spec = Spec(),  # noqa: B008 - a constant
    *,
    seed: int | Tensor | None = None,
) -> tuple[Quantized, Quantized]:
    """Quantize a matrix and its transpose, as ``(quantize(x, spec), quantize(x.t(), spec))``.

    Each has scales of its own: a ``"row"`` scale is one a row of ``x`` and one a column of ``x``
    (a row of ``x.t()``). With ``block`` or ``"tensor"`` both share theirs, and the second codes are
    the first ones transposed; a block of (r, c) is one of (c, r) there.

    Args:
        x: float32, bfloat16 or float16, of any shape and strides; its last dimension gives the
            columns, all others the rows.
        spec: bits, which elements share a scale, mapping and rounding.
        seed: of stochastic rounding: an int, or an int64 tensor of one element on the device of
            ``x``. ``None`` takes one from torch's generator of that device.

    Returns:
        Two ``Quantized``: codes of the shape of ``x``, and codes ``[cols, rows]`` with consecutive
        columns. Shapes of scales and zero points: ``spec.scale_shape``.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: ``seed`` is given to a ``spec`` that rounds to nearest, or is not one element on
            that device, or ``block`` is used for what is not a matrix.

    Numerics: bit for bit that of ``quantize`` of ``x`` and of ``x.t()``, the same on every backend.
        Stochastic rounding of a transposed code takes other bits than that of its twin, and the
        same where they share a scale.
    Gradient: none.
    Moves: 2 bytes written an element; ``x`` read once with groups or blocks that fit a cache, else
        twice. A copy first, where columns of ``x`` are not consecutive.
    Source: the three products of INT8 training in Xi et al., "Jetfire", ICML 2024.
    """
    matrix = as_matrix(x.detach())
    rows, cols = matrix.shape
    spec_t = spec if spec.block is None else replace(spec, block=spec.block[::-1])
    make = x.new_zeros if x.numel() == 0 else x.new_empty  # blocks that have no elements get 0

    def outputs(spec: Spec, shape: Sequence[int]) -> Quantized:
        scale_shape = spec.scale_shape(shape)
        zero_point = make(scale_shape, dtype=torch.int32) if spec.mapping_code == 1 else None
        codes = x.new_empty(shape, dtype=torch.int8)
        return Quantized(codes, make(scale_shape, dtype=torch.float32), zero_point)

    first, second = outputs(spec, x.shape), outputs(spec_t, (cols, rows))
    call(
        _OP,
        matrix,
        *spec.blocks(rows, cols),
        *spec_t.blocks(cols, rows),
        spec.mapping_code,
        spec.bits,
        seed_tensor("quantize_dual", seed, spec, x.device),
        first.scale,
        first.zero_point,
        first.codes.view(rows, cols),
        second.scale,
        second.zero_point,
        second.codes,
    )
    return first, second
