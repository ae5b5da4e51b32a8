"""Real numbers to codes of a few bits."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..quant.spec import Spec
from ._library import call, define
from ._matrix import as_matrix

_OP = define(
    "quantize(Tensor x, int block_rows, int block_cols, int mapping, int bits, Tensor? seed, "
    "Tensor? scale, Tensor? zero_point, Tensor(a!)? new_scale, Tensor(b!)? new_zero_point, "
    "Tensor(c!) codes, Tensor(d!)? row_sums) -> ()",
    fake=lambda *_: None,
)


class Quantized(NamedTuple):
    """Codes and what they are to be read with. A field that there is no use for is ``None``."""

    codes: Tensor
    """int8, of the shape of what was quantized."""
    scale: Tensor
    """float32, one a block; see ``Spec.scale_shape``."""
    zero_point: Tensor | None
    """int32, of the shape of ``scale``; affine specs only."""
    row_sums: Tensor | None = None
    """int32 ``x.shape[:-1]``: the sum of each row's codes, if it was asked for."""


def quantize(
    x: Tensor,
    spec: Spec = Spec(),  # noqa: B008 - a constant
    *,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    seed: int | Tensor | None = None,
    row_sums: bool = False,
) -> Quantized:
    """Quantize a tensor to int8 codes with one scale a row, column, group, block or tensor.

    ``codes = clamp(round(x * (1 / scale)) + zero_point)``; docs/quant.md has the scales.

    Args:
        x: float32, bfloat16 or float16, of any shape and strides.
        spec: bits, which elements share a scale, mapping and rounding.
        scale: float32, of shape ``spec.scale_shape(x.shape)``: quantize with these instead of
            computing them. Any value; where 1 / scale is 0, inf or NaN the codes are those of 0.
        zero_point: int32 codes, of the shape of ``scale``; with a ``scale`` and an affine ``spec``.
        seed: of stochastic rounding: an int, or an int64 tensor of one element on the device of
            ``x``. ``None`` takes one from torch's generator of that device.
        row_sums: whether to return the sum of each row's codes too, which the product with a zero
            point needs.

    Returns:
        ``Quantized(codes, scale, zero_point, row_sums)``; ``zero_point`` and ``row_sums`` are
        ``None`` where there is none.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape or device is not the one above, ``block`` is used for what is not a
            matrix, ``zero_point`` lacks or should not be there, or ``seed`` is given to a ``spec``
            that rounds to nearest.

    Numerics: FP32, rounded to nearest even; the same bits on every backend, for every number of
        threads. A computed ``scale`` that is given again gives the same codes. A symmetric code is
        never -128. A block with NaN or inf gets scale NaN and codes 0; a block of zeros, or so
        small that 1 / scale overflows, scale 0 and codes 0. With a given scale inf saturates and
        NaN gets the code of 0. Stochastic: up with the probability of the part that is cut off, to
        2^-17, by random bits of the seed and the element's number; an integer stays what it is.
    Gradient: none; see ``fake_quantize``.
    Moves: ``x`` read once, or twice where a block has more rows than a core's cache holds; 1 byte
        written an element. Columns that are not consecutive are copied first.
    Source: Jacob et al., "Quantization and training of neural networks for efficient
        integer-arithmetic-only inference", CVPR 2018; Gupta et al., "Deep learning with limited
        numerical precision", ICML 2015, for stochastic rounding.
    """
    shape, matrix = x.shape, as_matrix(x.detach())
    scale_shape = spec.scale_shape(shape)
    for given, name in ((scale, "scale"), (zero_point, "zero_point")):
        check_shape("quantize", given, name, scale_shape)
    new_scale = new_zero_point = None
    if scale is None:  # blocks that have no elements get 0
        make = x.new_zeros if x.numel() == 0 else x.new_empty
        new_scale = make(scale_shape, dtype=torch.float32)
        if spec.mapping_code == 1:
            new_zero_point = make(scale_shape, dtype=torch.int32)
    given_scale = None if scale is None else scale.detach().contiguous()
    given_zero_point = None if zero_point is None else zero_point.contiguous()
    codes = x.new_empty(matrix.shape, dtype=torch.int8)
    sums = x.new_empty(matrix.shape[0], dtype=torch.int32) if row_sums else None
    call(
        _OP,
        matrix,
        *spec.blocks(*matrix.shape),
        spec.mapping_code,
        spec.bits,
        seed_tensor("quantize", seed, spec, x.device),
        given_scale,
        given_zero_point,
        new_scale,
        new_zero_point,
        codes,
        sums,
    )  # fmt: skip
    if new_scale is not None:
        scale, zero_point = new_scale, new_zero_point
    assert scale is not None
    return Quantized(
        codes.view(shape), scale, zero_point, None if sums is None else sums.view(shape[:-1])
    )


def check_shape(op: str, tensor: Tensor | None, name: str, shape: tuple[int, ...]) -> None:
    """ValueError if a tensor has not the shape of the scales."""
    if tensor is not None and tuple(tensor.shape) != tuple(shape):
        raise ValueError(f"{op}: {name} must have shape {list(shape)}; got {list(tensor.shape)}")


def seed_tensor(
    op: str, seed: int | Tensor | None, spec: Spec, device: torch.device
) -> Tensor | None:
    """The seed as the kernels take it: on the device, so that a graph can draw another."""
    if spec.rounding == "nearest":
        if seed is not None:
            raise ValueError(f"{op}: seed must be None with rounding to nearest; got a seed")
        return None
    if seed is None:
        return torch.randint(2**63 - 1, (1,), device=device)
    if isinstance(seed, Tensor):
        return seed
    return torch.full((1,), seed, dtype=torch.int64, device=device)
