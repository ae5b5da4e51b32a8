"""INT32 sums as int8 codes, by integers alone."""

import torch
from torch import Tensor

from ._library import call, define
from ._matrix import matrix_shape

_OP = define(
    "requantize(Tensor acc, Tensor multiplier, Tensor shift, Tensor? zero_point, int lowest, "
    "int highest, Tensor(a!) codes) -> ()",
    fake=lambda acc, multiplier, shift, zero_point, lowest, highest, codes: None,
)


def requantize(
    acc: Tensor,
    multiplier: Tensor,
    shift: Tensor,
    zero_point: Tensor | None = None,
    *,
    lowest: int = -128,
    highest: int = 127,
) -> Tensor:
    """Codes of an integer-only layer from its INT32 sums: a multiplication, a shift, a clamp.

    ``codes = clamp(((int64(acc) * multiplier + 2^(30 + n)) >> (31 + n)) + zero_point, lowest,
    highest)`` with ``n = shift``: what ``round(acc * real_scale) + zero_point`` gives, with
    ``multiplier, shift = quant.quantize_multiplier(real_scale)``, halves rounded up. With
    ``lowest=zero_point`` it has ReLU in it.

    Args:
        acc: int32 ``[..., cols]``, as gemm_int8 gives them.
        multiplier: int32 ``[]``, or one for each column, ``[cols]``; contiguous.
        shift: the same, in [-31, 31]. Checked on the CPU; on CUDA, where that would have to wait
            for the device, others count as the nearest of these.
        zero_point: int32, one element: the code of 0. ``None`` is 0.
        lowest: smallest code, -128 or more.
        highest: largest code, ``lowest`` or more and at most 127.

    Returns:
        int8 codes of acc's shape.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape, a device or a range is not one of the above.

    Numerics: exact integers, the same on every backend.
    Gradient: none.
    Moves: 4 bytes read and 1 written an element; a copy of acc first where it is not contiguous.
    Source: Jacob et al., "Quantization and training of neural networks for efficient
        integer-arithmetic-only inference", CVPR 2018, section 2.2.
    """
    codes = torch.empty(acc.shape, dtype=torch.int8, device=acc.device)
    shape = matrix_shape(acc.shape)
    matrix = acc.reshape(shape).contiguous()
    call(_OP, matrix, multiplier, shift, zero_point, lowest, highest, codes.view(shape))
    return codes
