"""The tensors of GPTQ checkpoints, as AutoGPTQ and GPTQModel write them."""

import torch
from torch import Tensor

from ...ops import Int4Weight
from ._check import (
    FLOATS,
    INTEGERS,
    check,
    check_each,
    check_exact,
    check_finite,
    check_group,
    check_one_device,
    check_tensor,
    check_weight,
    stored_zeros,
    zero_points,
)
from ._order import group_of_each, order_of
from ._words import NIBBLES, pack_words, unpack_words

_ONES = 0x11111111  # a 1 in each nibble


def from_gptq(
    qweight: Tensor,
    qzeros: Tensor,
    scales: Tensor,
    g_idx: Tensor | None = None,
    *,
    version: int = 1,
    group_size: int | None = None,
    borrow: bool | None = None,
) -> tuple[Int4Weight, Tensor | None]:
    """A 4-bit weight out of a GPTQ checkpoint.

    ``value[n, k] = (u[k, n] - z[g_idx[k], n]) * scales[g_idx[k], n]``

    The codes ``u`` are eight a word along k, the zero points ``z`` eight a word along n, the first
    in the lowest nibble. Version 1 stores ``z - 1``. In it a 0 has no nibble: GPTQModel subtracts 1
    from all eight in one subtraction of words, so that a 0 borrows from its neighbor; the kernels
    of ExLlama and vLLM read every nibble by itself, and 15 as 16. Both agree where no nibble is 15.

    Args:
        qweight: int32 ``[k / 8, n]``.
        qzeros: int32 ``[groups, n / 8]``.
        scales: ``[groups, n]``, floating.
        g_idx: int32 or int64 ``[k]``, the group of each column; None if they are in order.
        version: 1, which a config calls ``"gptq"``, or 2, ``"gptq_v2"``.
        group_size: columns of a group, -1 for all; without one, that of ``g_idx`` or of equal
            groups.
        borrow: how a nibble of 15 in version 1 is read: True as GPTQModel does, False as ExLlama;
            None refuses it.

    Returns:
        The weight, and the order of its columns or None: column ``j`` of the weight multiplies
        column ``order[j]`` (int32) of the input. It is not None after act-order, when columns of a
        group lie apart; here they are sorted by group. Zero points that are all 8 are left out: the
        weight is symmetric.

    Raises:
        TypeError: a tensor has another dtype.
        ValueError: a shape does not fit, a scale is NaN or inf, ``g_idx`` names a group that does
            not exist or gives groups different sizes, the group size is neither a multiple of 32
            nor a whole row, or a nibble of ``qzeros`` is 15 in version 1 without ``borrow``.

    Numerics: exact.
    Source: AutoGPTQ 0.7.1, ``nn_modules/qlinear``; GPTQModel, ``convert_gptq_v1_to_v2_format``
    """
    place = "from_gptq"
    check_version(place, version)
    check_tensor(place, "qweight", qweight, [torch.int32], ["k / 8", "n"])
    k, n = qweight.shape[0] * NIBBLES, qweight.shape[1]
    check(k >= 1, place, "qweight", "have rows", list(qweight.shape))
    check(n % NIBBLES == 0, place, "qweight", "have a multiple of 8 columns", n)
    check_tensor(place, "scales", scales, FLOATS, ["groups", n])
    groups = scales.shape[0]
    check_tensor(place, "qzeros", qzeros, [torch.int32], [groups, n // NIBBLES])
    if g_idx is not None:
        check_tensor(place, "g_idx", g_idx, INTEGERS, [k])
    tensors = {"qweight": qweight, "qzeros": qzeros, "scales": scales, "g_idx": g_idx}
    check_one_device(place, tensors)
    if g_idx is None:
        order, size = None, check_group(place, "scales", k, groups, group_size)
    else:
        order, size = order_of(place, "g_idx", g_idx, "scales", groups, group_size)
    check_finite(place, "scales", scales)
    zeros = _read_zeros(place, qzeros, version, borrow)

    codes = unpack_words(qweight.t()) - 8
    if order is not None:
        codes = codes[:, order]
    weight = Int4Weight(codes, scales.t().contiguous(), zero_points(zeros.t()), None, size)
    return weight, order


def to_gptq(
    weight: Int4Weight,
    order: Tensor | None = None,
    *,
    version: int = 1,
    borrow: bool | None = None,
) -> dict[str, Tensor]:
    """The tensors of a GPTQ checkpoint for a 4-bit weight; the inverse of :func:`from_gptq`.

    Args:
        weight: an ``Int4Weight`` without offsets, of a multiple of 8 rows and of 8 columns.
        order: int32 or int64 ``[k]``: column ``j`` of the weight is column ``order[j]`` of the
            layer. Within a group, columns in ascending order are read back as they were.
        version: 1 or 2.
        borrow: how version 1 stores what has no nibble: True lets a zero of 0 borrow as GPTQModel
            does, False has 16 as 15 as ExLlama reads it; None refuses both.

    Returns:
        ``qweight``, ``qzeros``, ``scales`` (float16) and ``g_idx``.

    Raises:
        TypeError: ``weight`` is no ``Int4Weight``, or one of its tensors has a wrong dtype.
        ValueError: ``weight`` is not valid; its scales are not exact in float16; it has offsets or
            a zero point that the version cannot store; ``order`` is no permutation.

    Numerics: exact.
    """
    place = "to_gptq"
    check_version(place, version)
    check_weight(place, weight)
    n, k = weight.codes.shape
    check(n % NIBBLES == 0, place, "codes", "have a multiple of 8 rows", n)
    check(k % NIBBLES == 0, place, "codes", "have a multiple of 8 columns", k)
    device = weight.codes.device
    g_idx, inverse = group_of_each(place, order, k, weight.group_size, device)
    qzeros = _write_zeros(place, weight, version, borrow)
    scales = check_exact(place, "scale", weight.scale, torch.float16)
    codes = weight.codes if inverse is None else weight.codes[:, inverse]
    return {
        "qweight": pack_words(codes + 8).t().contiguous(),
        "qzeros": qzeros,
        "scales": scales.t().contiguous(),
        "g_idx": g_idx,
    }


def check_version(place: str, version: int) -> None:
    """Check that the version is 1 or 2."""
    check(version in (1, 2), place, "version", "be 1 or 2", repr(version))


def _read_zeros(place: str, qzeros: Tensor, version: int, borrow: bool | None) -> Tensor:
    """The zero points that words stand for: int8 ``[groups, n]``, 0 to 16."""
    if version == 2:
        return unpack_words(qzeros)
    if borrow:
        return unpack_words(qzeros + _ONES)  # past 2^31 it wraps, as it did for the writer
    zeros = unpack_words(qzeros) + 1
    if borrow is None:
        rule = "have no nibble of 15 in version 1, unless borrow says how to read it"
        check_each(zeros != 16, place, "qzeros", rule, "one")
    return zeros


def _write_zeros(place: str, weight: Int4Weight, version: int, borrow: bool | None) -> Tensor:
    """The words that stand for the zero points: int32 ``[groups, n / 8]``."""
    if version == 2 or borrow:
        words = pack_words(stored_zeros(place, weight).t())
        return words if version == 2 else words - _ONES
    return pack_words(stored_zeros(place, weight, 1, 15 if borrow is None else 16).t() - 1)
