"""The tensors of AWQ checkpoints of the kind GEMM, as AutoAWQ writes them."""

import torch
from torch import Tensor

from ...ops import Int4Weight
from ._check import (
    FLOATS,
    check,
    check_exact,
    check_finite,
    check_group,
    check_one_device,
    check_tensor,
    check_weight,
    stored_zeros,
    zero_points,
)
from ._words import NIBBLES, pack_words, unpack_words

_PLACES = (0, 2, 4, 6, 1, 3, 5, 7)  # the column of each nibble, from the lowest


def from_awq(
    qweight: Tensor, qzeros: Tensor | None, scales: Tensor, *, group_size: int | None = None
) -> Int4Weight:
    """A 4-bit weight out of an AWQ checkpoint of the kind GEMM.

    ``value[n, k] = (u[k, n] - z[k / group, n]) * scales[k / group, n]``

    Codes and zero points are eight a word along n. From the lowest nibble, a word has columns 0, 2,
    4, 6, 1, 3, 5, 7 of its eight.

    Args:
        qweight: int32 ``[k, n / 8]``.
        qzeros: int32 ``[groups, n / 8]``; None stands for 8 throughout.
        scales: ``[groups, n]``, floating.
        group_size: columns of a group, -1 for all; without one, that of equal groups.

    Returns:
        The weight. Zero points that are all 8 are left out: it is symmetric.

    Raises:
        TypeError: a tensor has another dtype.
        ValueError: a shape does not fit, a scale is NaN or inf, or the group size is neither a
            multiple of 32 nor a whole row.

    Numerics: exact.
    Source: AutoAWQ 0.2.7, ``modules/linear/gemm.py``
    """
    place = "from_awq"
    check_tensor(place, "qweight", qweight, [torch.int32], ["k", "n / 8"])
    k, n = qweight.shape[0], qweight.shape[1] * NIBBLES
    check(k >= 1, place, "qweight", "have rows", list(qweight.shape))
    check_tensor(place, "scales", scales, FLOATS, ["groups", n])
    groups = scales.shape[0]
    if qzeros is not None:
        check_tensor(place, "qzeros", qzeros, [torch.int32], [groups, n // NIBBLES])
    size = check_group(place, "scales", k, groups, group_size)
    check_one_device(place, {"qweight": qweight, "qzeros": qzeros, "scales": scales})
    check_finite(place, "scales", scales)

    codes = unpack_words(qweight, _PLACES).t().contiguous() - 8
    points = None if qzeros is None else zero_points(unpack_words(qzeros, _PLACES).t())
    return Int4Weight(codes, scales.t().contiguous(), points, None, size)


def to_awq(weight: Int4Weight) -> dict[str, Tensor]:
    """The tensors of an AWQ checkpoint for a 4-bit weight; the inverse of :func:`from_awq`.

    Args:
        weight: an ``Int4Weight`` without offsets, of a multiple of 8 rows.

    Returns:
        ``qweight``, ``qzeros`` and ``scales`` (float16).

    Raises:
        TypeError: ``weight`` is no ``Int4Weight``, or one of its tensors has a wrong dtype.
        ValueError: ``weight`` is not valid; its scales are not exact in float16; it has offsets or
            a zero point of 8, which is 16 for unsigned codes.

    Numerics: exact.
    """
    place = "to_awq"
    check_weight(place, weight)
    n = weight.codes.shape[0]
    check(n % NIBBLES == 0, place, "codes", "have a multiple of 8 rows", n)
    zeros = stored_zeros(place, weight)
    scales = check_exact(place, "scale", weight.scale, torch.float16)
    return {
        "qweight": pack_words((weight.codes + 8).t(), _PLACES),
        "qzeros": pack_words(zeros.t(), _PLACES),
        "scales": scales.t().contiguous(),
    }
