"""The codes of packed 4-bit weights again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._int4 import Int4Layout, Int4Weight, in_rows
from ._library import call, define, mark_written

if TYPE_CHECKING:
    from .pack_int4 import PackedInt4

_OP = define(
    "unpack_int4(Tensor packed, int layout, Tensor(a!) codes) -> ()",
    fake=lambda packed, layout, codes: None,
)


def unpack_int4(packed: PackedInt4) -> Int4Weight:
    """The weight that was packed: codes, scales, zero points or offsets, and the group.

    Args:
        packed: as ``pack_int4`` makes it.

    Returns:
        An ``Int4Weight``; zero points are int32 again.

    Raises:
        TypeError: ``packed`` holds another dtype than ``pack_int4`` gives it.
        ValueError: its bytes are not those of its sizes and layout.

    Numerics: exact.
    Gradient: none.
    Moves: half a byte read and 1 written for each code.
    """
    layout, n, zero_point, offset = packed.layout, packed.n, packed.zero_point, packed.offset
    return Int4Weight(
        _unpack(packed.data, layout, n, packed.k),
        in_rows(packed.scale, layout, n),
        None if zero_point is None else in_rows(zero_point, layout, n).int() - 8,
        None if offset is None else in_rows(offset, layout, n),
        packed.group_size,
    )


def unpack_nibbles(nibbles: Tensor, k: int) -> Tensor:
    """int8 codes ``[n, k]`` of uint8 ``[n, ceil(k / 2)]``, as ``pack_nibbles`` makes them."""
    if nibbles.dim() != 2 or nibbles.shape[1] != -(-k // 2):
        shape = list(nibbles.shape)
        raise ValueError(
            f"unpack_int4: nibbles must have {-(-k // 2)} columns for {k} codes; got shape {shape}"
        )
    return _unpack(nibbles.reshape(-1), Int4Layout.NIBBLES, nibbles.shape[0], k)


def _unpack(data: Tensor, layout: int, n: int, k: int) -> Tensor:
    codes = torch.empty(n, k, dtype=torch.int8, device=data.device)
    call(_OP, data, layout, codes)
    mark_written([codes])
    return codes
