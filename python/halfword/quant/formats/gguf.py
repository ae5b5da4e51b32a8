"""The 4-bit blocks of GGUF files, Q4_0 and Q4_1."""

import torch
from torch import Tensor

from ...ops import Int4Weight
from ._check import check, check_exact, check_finite, check_tensor, check_weight

_BLOCK = 32  # weights
_CODES = _BLOCK // 2  # bytes
_NUMBER = 2  # bytes of a float16, little-endian
_Q4_0 = _NUMBER + _CODES
_Q4_1 = 2 * _NUMBER + _CODES


def from_gguf_q4_0(blocks: Tensor) -> Int4Weight:
    """A 4-bit weight out of GGUF blocks of the type Q4_0.

    ``value = (u - 8) * d``. A block is the float16 ``d`` and 16 bytes: byte j has weight j of 32 in
    the low nibble, and j + 16 in the high one.

    Args:
        blocks: uint8 ``[n, k / 32 * 18]``, the rows of a tensor of such a file.

    Returns:
        A symmetric weight in groups of 32, with float16 scales. They may be negative.

    Raises:
        TypeError: ``blocks`` is not uint8.
        ValueError: it is no matrix, its rows are not whole blocks, or a scale is NaN or inf.

    Numerics: exact.
    Source: gguf 0.19, ``quants.py``; ggml, ``block_q4_0``
    """
    numbers, codes = _split("from_gguf_q4_0", blocks, _Q4_0)
    check_finite("from_gguf_q4_0", "blocks (d)", numbers[0])
    return Int4Weight(codes, numbers[0], None, None, _BLOCK)


def to_gguf_q4_0(weight: Int4Weight) -> Tensor:
    """The Q4_0 blocks of a 4-bit weight; the inverse of :func:`from_gguf_q4_0`.

    Args:
        weight: a symmetric ``Int4Weight`` of a multiple of 32 columns. A group of more than 32
            becomes blocks with the same scale.

    Returns:
        uint8 ``[n, k / 32 * 18]``.

    Raises:
        TypeError: ``weight`` is no ``Int4Weight``, or one of its tensors has a wrong dtype.
        ValueError: ``weight`` is not valid; its scales are not exact in float16; it has zero points
            or offsets; a row is not whole blocks.

    Numerics: exact.
    """
    place = "to_gguf_q4_0"
    _check_blocks(place, weight)
    for name in ("zero_point", "offset"):
        absent = getattr(weight, name) is None
        check(absent, place, name, "be None in this format", "a tensor")
    scale = check_exact(place, "scale", weight.scale, torch.float16)
    return _join(weight, [scale])


def from_gguf_q4_1(blocks: Tensor) -> Int4Weight:
    """A 4-bit weight out of GGUF blocks of the type Q4_1.

    ``value = u * d + m = (u - 8) * d + (m + 8 d)``. A block is the float16 ``d`` and ``m``, and 16
    bytes as in Q4_0.

    Args:
        blocks: uint8 ``[n, k / 32 * 20]``, the rows of a tensor of such a file.

    Returns:
        A weight in groups of 32 with offsets ``m + 8 d``. Scales and offsets are float32, as
        float16 does not hold the sum.

    Raises:
        TypeError: ``blocks`` is not uint8.
        ValueError: it is no matrix, its rows are not whole blocks, or a number is NaN or inf.

    Numerics: exact where the larger of ``8 |d|`` and ``|m|`` is less than 2^12 times the other, or
        one of them is 0: the sum has 24 bits. Elsewhere it is rounded to nearest.
    Source: gguf 0.19, ``quants.py``; ggml, ``block_q4_1``
    """
    (scale, low), codes = _split("from_gguf_q4_1", blocks, _Q4_1)
    check_finite("from_gguf_q4_1", "blocks (d)", scale)
    check_finite("from_gguf_q4_1", "blocks (m)", low)
    return Int4Weight(codes, scale.float(), None, _offset(scale, low), _BLOCK)


def to_gguf_q4_1(weight: Int4Weight) -> Tensor:
    """The Q4_1 blocks of a 4-bit weight; the inverse of :func:`from_gguf_q4_1`.

    Args:
        weight: an ``Int4Weight`` of a multiple of 32 columns, with offsets, zero points or neither.
            A group of more than 32 becomes blocks with the same numbers.

    Returns:
        uint8 ``[n, k / 32 * 20]``.

    Raises:
        TypeError: ``weight`` is no ``Int4Weight``, or one of its tensors has a wrong dtype.
        ValueError: ``weight`` is not valid; its scales, or its offsets less 8 scales, are not exact
            in float16; a row is not whole blocks.

    Numerics: exact; :func:`from_gguf_q4_1` gives the scales and offsets back bit for bit.
    """
    place = "to_gguf_q4_1"
    _check_blocks(place, weight)
    scale = check_exact(place, "scale", weight.scale, torch.float16)
    name, offset = "offset", weight.offset
    if offset is None:
        name, points = "zero_point", weight.zero_point
        offset = -scale.float() * (0 if points is None else points)
    low = (offset.double() - 8 * scale.double()).half()
    exact = torch.equal(_offset(scale, low), offset.float())
    rule = "give a least value, that of code -8, which is exact in float16"
    check(exact, place, name, rule, "one that is not")
    return _join(weight, [scale, low])


def _offset(scale: Tensor, low: Tensor) -> Tensor:
    return low.float() + 8 * scale.float()


def _check_blocks(place: str, weight: Int4Weight) -> None:
    check_weight(place, weight)
    k = weight.codes.shape[1]
    check(k % _BLOCK == 0, place, "codes", f"have a multiple of {_BLOCK} columns", k)


def _split(place: str, blocks: Tensor, size: int) -> tuple[list[Tensor], Tensor]:
    """The float16 numbers before the codes, each ``[n, k / 32]``, and the codes ``[n, k]``."""
    check_tensor(place, "blocks", blocks, [torch.uint8], ["n", "bytes"])
    n, width = blocks.shape
    whole = width > 0 and width % size == 0
    check(whole, place, "blocks", f"have rows of whole blocks of {size} bytes", width)
    count = width // size
    parts = blocks.reshape(n, count, size)
    head = size - _CODES
    numbers = parts[..., :head].contiguous().view(torch.float16)
    pairs = parts[..., head:]
    codes = torch.cat([pairs & 15, pairs >> 4], -1).view(torch.int8) - 8
    return [number.contiguous() for number in numbers.unbind(-1)], codes.view(
        n, width // size * _BLOCK
    )


def _join(weight: Int4Weight, numbers: list[Tensor]) -> Tensor:
    """The inverse; a number of a group is repeated for its blocks."""
    n, k = weight.codes.shape
    count = k // _BLOCK
    repeats = min(weight.group_size, k) // _BLOCK
    heads = [x.repeat_interleave(repeats, 1)[:, :count].unsqueeze(-1) for x in numbers]
    head = torch.cat(heads, -1).view(torch.uint8)
    nibbles = (weight.codes + 8).view(torch.uint8).view(n, count, 2, _CODES)
    codes = nibbles[:, :, 0] | nibbles[:, :, 1] << 4
    blocks = torch.cat([head, codes], -1)
    return blocks.view(n, count * blocks.shape[-1])
