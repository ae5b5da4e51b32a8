"""The largest magnitude of each row, column, group, block or tensor."""

import torch
from torch import Tensor

from ..quant.spec import Spec
from ._library import call, define
from ._matrix import as_matrix

_OP = define(
    "absmax(Tensor x, int block_rows, int block_cols, Tensor(a!) out) -> ()",
    fake=lambda *_: None,
)


def absmax(x: Tensor, spec: Spec = Spec()) -> Tensor:  # noqa: B008 - a constant
    """The largest magnitude among the elements that share a scale.

    Args:
        x: float32, bfloat16 or float16, of any shape and strides.
        spec: which elements share a scale; nothing else of it matters.

    Returns:
        float32, of shape ``spec.scale_shape(x.shape)``; 0 where there are no elements.

    Raises:
        TypeError: ``x`` is of another dtype.
        ValueError: ``block`` is used for what is not a matrix.

    Numerics: exact. A NaN among the elements gives NaN; an inf, and no NaN, gives inf.
    Gradient: none.
    Moves: ``x`` read once. Columns that are not consecutive are copied first.
    """
    matrix, shape = as_matrix(x.detach()), spec.scale_shape(x.shape)
    make = x.new_zeros if x.numel() == 0 else x.new_empty
    out = make(shape, dtype=torch.float32)
    call(_OP, matrix, *spec.blocks(*matrix.shape), out)
    return out
