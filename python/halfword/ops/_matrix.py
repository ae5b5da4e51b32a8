"""A tensor of any shape as the matrix that quantizers see."""

import math
from collections.abc import Sequence

from torch import Tensor


def matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """The last dimension gives the columns, all others the rows; a scalar is 1 x 1."""
    return math.prod(shape[:-1]), shape[-1] if len(shape) else 1


def as_matrix(x: Tensor) -> Tensor:
    """A view of ``x`` as that matrix; a copy where its columns would not be consecutive."""
    matrix = x.reshape(matrix_shape(x.shape))
    return matrix if matrix.shape[1] <= 1 or matrix.stride(1) == 1 else matrix.contiguous()
