"""What products have in common: the shapes and layouts that their kernels take."""

import math
from typing import Literal

import torch
from torch import Tensor

from .pack_int4 import PackedInt4

Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]

_ACTIVATIONS = {None: 0, "relu": 1, "gelu": 2, "gelu_tanh": 3, "silu": 4}


class Product:
    """``a`` by a packed weight: its operands as the kernels take them, and its result.

    Args:
        op: whose errors these are.
        a: ``[..., k]``.
        b: the weight.
        dtype: of the result by default.
        out_dtype: of the result, or None.
        out: where to write it, or None.
    """

    def __init__(
        self,
        op: str,
        a: Tensor,
        b: PackedInt4,
        dtype: torch.dtype,
        out_dtype: torch.dtype | None,
        out: Tensor | None,
    ) -> None:
        if a.dim() == 0:
            raise ValueError(f"{op}: a must have rows; got a tensor without dimensions")
        if not isinstance(b, PackedInt4):
            raise TypeError(f"{op}: b must be a PackedInt4; got {type(b).__name__}")
        *lead, k = a.shape
        if b.k != k:
            raise ValueError(f"{op}: b must have as many columns as a ({k}); got {b}")
        shape = [*lead, b.n]
        if out is None:
            out = a.new_empty(shape, dtype=out_dtype or dtype)
        elif out_dtype is not None and out.dtype != out_dtype:
            raise TypeError(f"{op}: out must be of out_dtype, {out_dtype}; got {out.dtype}")
        elif list(out.shape) != shape:
            raise ValueError(f"{op}: out must have shape {shape}; got {list(out.shape)}")
        self.op, self.lead, self.shape, self.out = op, lead, shape, out
        self.m = math.prod(lead)
        self.a = self.matrix(a, k)
        self.weight = (b.data, b.layout, b.scale, b.zero_point, b.offset, b.group_size)

    def matrix(self, x: Tensor, columns: int) -> Tensor:
        """x as a matrix with consecutive columns, copied if need be."""
        return consecutive(x if x.dim() == 2 else x.reshape(self.m, columns))

    def residual(self, x: Tensor | None) -> Tensor | None:
        """The same for what is added, if it has the shape of the result."""
        if x is None or list(x.shape) != self.shape:
            return x
        return self.matrix(x, self.shape[-1])

    def each_row(self, x: Tensor | None) -> Tensor | None:
        """Values of the rows of a, where x has one for each."""
        return dense(each_row(x, self.lead, self.m))

    def written(self) -> Tensor:
        """The result as a matrix in the same memory."""
        if len(self.lead) == 1:
            return self.out
        return rows_of_out(self.op, self.out, self.m, self.shape[-1])


def activation_code(op: str, activation: str | None) -> int:
    """The number of an activation (csrc/core/activation_math.h)."""
    if activation not in _ACTIVATIONS:
        known = ", ".join(map(repr, _ACTIVATIONS))
        raise ValueError(f"{op}: activation must be one of {known}; got {activation!r}")
    return _ACTIVATIONS[activation]


def dense(x: Tensor | None) -> Tensor | None:
    """x without gaps, copied if need be."""
    return x if x is None or x.is_contiguous() else x.contiguous()


def consecutive(x: Tensor) -> Tensor:
    """x with consecutive columns, copied if it is a matrix that has none."""
    return x if x.is_contiguous() or x.dim() != 2 or x.stride(1) == 1 else x.contiguous()


def each_row(x: Tensor | None, lead: list[int], m: int) -> Tensor | None:
    """Values of the m rows of a, where x has one for each."""
    return x if x is None or list(x.shape) != lead else x.reshape(m)


def rows_of_out(op: str, out: Tensor, m: int, n: int) -> Tensor:
    """out as a matrix in the same memory."""
    try:
        return out.view(m, n)
    except RuntimeError:
        raise ValueError(
            f"{op}: out must have rows that a matrix can have; got strides "
            f"{list(out.stride())} of shape {list(out.shape)}"
        ) from None
