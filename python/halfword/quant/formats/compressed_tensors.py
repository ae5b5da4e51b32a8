"""The tensors of compressed-tensors checkpoints of the format pack-quantized."""

import torch
from torch import Tensor

from ...ops import Int4Weight
from ._check import (
    FLOATS,
    INTEGERS,
    check,
    check_finite,
    check_group,
    check_one_device,
    check_range,
    check_tensor,
    check_weight,
    stored_zeros,
    zero_points,
)
from ._order import group_of_each, order_of
from ._words import NIBBLES, pack_words, unpack_words


def from_compressed_tensors(
    weight_packed: Tensor,
    weight_scale: Tensor,
    weight_shape: Tensor,
    weight_zero_point: Tensor | None = None,
    weight_g_idx: Tensor | None = None,
    *,
    group_size: int | None = None,
) -> tuple[Int4Weight, Tensor | None]:
    """A 4-bit weight out of a compressed-tensors checkpoint of the format pack-quantized.

    ``value[n, k] = (code[n, k] - zero_point[n, g]) * weight_scale[n, g]``, ``g = k / group`` or
    ``weight_g_idx[k]``

    The codes are eight a word along k, the first in the lowest nibble, as ``code + 8``. Zero points
    are packed in the same way, along n, or lie in a byte each, as older versions left them.

    Args:
        weight_packed: int32 ``[n, ceil(k / 8)]``.
        weight_scale: ``[n, groups]``, floating; one group where there is a scale a channel.
        weight_shape: int32 or int64 ``[2]``: n and k.
        weight_zero_point: int32 ``[ceil(n / 8), groups]``, or int8 ``[n, groups]``; None for a
            symmetric weight.
        weight_g_idx: int32 or int64 ``[k]``, the group of each column; None, or -1 throughout, if
            they are in order.
        group_size: columns of a group, -1 for all; without one, that of ``weight_g_idx`` or of
            equal groups.

    Returns:
        The weight, and the order of its columns or None, as :func:`from_gptq` has them. Zero points
        that are all 0 are left out.

    Raises:
        TypeError: a tensor has another dtype.
        ValueError: a shape does not fit, a scale is NaN or inf, a zero point is not -8 to 7,
            ``weight_g_idx`` names a group that does not exist or gives groups different sizes, or
            the group size is neither a multiple of 32 nor a whole row.

    Numerics: exact.
    Source: compressed-tensors 0.20, ``compressors/pack_quantized``; ``weight_g_idx`` and zero
        points in a byte each: 0.9
    """
    place = "from_compressed_tensors"
    check_tensor(place, "weight_shape", weight_shape, INTEGERS, [2])
    n, k = (int(size) for size in weight_shape)
    check(n >= 0 and k >= 1, place, "weight_shape", "be rows and columns", [n, k])
    words = -(-k // NIBBLES)
    check_tensor(place, "weight_packed", weight_packed, [torch.int32], [n, words])
    check_tensor(place, "weight_scale", weight_scale, FLOATS, [n, "groups"])
    groups = weight_scale.shape[1]
    if weight_zero_point is not None:
        packed = getattr(weight_zero_point, "dtype", None) == torch.int32
        shape = [-(-n // NIBBLES) if packed else n, groups]
        dtypes = [torch.int32, torch.int8]
        check_tensor(place, "weight_zero_point", weight_zero_point, dtypes, shape)
    if weight_g_idx is not None:
        check_tensor(place, "weight_g_idx", weight_g_idx, INTEGERS, [k])
    tensors = {
        "weight_packed": weight_packed,
        "weight_scale": weight_scale,
        "weight_zero_point": weight_zero_point,
        "weight_g_idx": weight_g_idx,
    }
    check_one_device(place, tensors)
    if weight_g_idx is None or bool((weight_g_idx == -1).all()):
        order, size = None, check_group(place, "weight_scale", k, groups, group_size)
    else:
        order, size = order_of(
            place, "weight_g_idx", weight_g_idx, "weight_scale", groups, group_size
        )
    check_finite(place, "weight_scale", weight_scale)
    points = _read_zero_points(place, weight_zero_point, n)

    codes = unpack_words(weight_packed)[:, :k] - 8
    if order is not None:
        codes = codes[:, order]
    return Int4Weight(codes, weight_scale.contiguous(), points, None, size), order


def to_compressed_tensors(weight: Int4Weight, order: Tensor | None = None) -> dict[str, Tensor]:
    """The tensors of a pack-quantized checkpoint for a 4-bit weight; the inverse of
    :func:`from_compressed_tensors`.

    Args:
        weight: an ``Int4Weight`` without offsets.
        order: int32 or int64 ``[k]``: column ``j`` of the weight is column ``order[j]`` of the
            layer. Releases of compressed-tensors after August 2026 no longer read it.

    Returns:
        ``weight_packed``, ``weight_scale`` in its own dtype, ``weight_shape`` (int64);
        ``weight_zero_point``, packed, if the weight has zero points; ``weight_g_idx`` if there is
        an order.

    Raises:
        TypeError: ``weight`` is no ``Int4Weight``, or one of its tensors has a wrong dtype.
        ValueError: ``weight`` is not valid; it has offsets or a zero point of 8; ``order`` is no
            permutation.

    Numerics: exact.
    """
    place = "to_compressed_tensors"
    check_weight(place, weight)
    n, k = weight.codes.shape
    device = weight.codes.device
    g_idx, inverse = group_of_each(place, order, k, weight.group_size, device)
    zeros = stored_zeros(place, weight)
    codes = weight.codes if inverse is None else weight.codes[:, inverse]
    tensors = {
        "weight_packed": pack_words(codes + 8),
        "weight_scale": weight.scale.contiguous(),
        "weight_shape": torch.tensor([n, k]),
    }
    if weight.zero_point is not None:
        tensors["weight_zero_point"] = pack_words(zeros.t()).t().contiguous()
    if order is not None:
        tensors["weight_g_idx"] = g_idx
    return tensors


def _read_zero_points(place: str, stored: Tensor | None, n: int) -> Tensor | None:
    if stored is None:
        return None
    if stored.dtype == torch.int32:
        return zero_points(unpack_words(stored.t())[:, :n].t())
    check_range(place, "weight_zero_point", stored, -8, 7)
    return zero_points(stored + 8)
