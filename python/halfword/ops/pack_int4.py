"""4-bit weights as the kernels of a device read them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._int4 import Int4Layout, Int4Weight, arranged, check_weight, packed_bytes
from ._library import call, define, mark_written
from .unpack_int4 import unpack_int4, unpack_nibbles

__all__ = [
    "Int4Layout",
    "Int4Weight",
    "PackedInt4",
    "layout_of",
    "pack_int4",
    "pack_nibbles",
    "pack_weight",
    "unpack_nibbles",
]

_OP = define(
    "pack_int4(Tensor codes, int layout, Tensor(a!) packed) -> ()",
    fake=lambda codes, layout, packed: None,
)


def layout_of(device: torch.device, activation_bits: int = 16) -> Int4Layout:
    """The layout that the kernels of a kind of device read."""
    if device.type == "cpu":
        return Int4Layout.PANELS
    return Int4Layout.FRAGMENTS8 if activation_bits == 8 else Int4Layout.FRAGMENTS16


@dataclass(frozen=True, repr=False, eq=False)
class PackedInt4:
    """A weight of 4 bits, packed for one kind of device: what ``gemm_w4a8`` and ``gemm_w4a16`` take
    as ``b``.

    It is a form to compute with; what is stored in a file is rather an ``Int4Weight``.

    Args:
        data: uint8, the packed bytes.
        scale: in the order of the layout (csrc/core/int4.h).
        zero_point: uint8 in the order of ``scale``, where 8 stands for 0; or None.
        offset: in the order and of the dtype of ``scale``; or None.
        n: rows.
        k: columns.
        group_size: so many columns share a scale.
        layout: a number of ``Int4Layout``.
    """

    data: Tensor
    scale: Tensor
    zero_point: Tensor | None
    offset: Tensor | None
    n: int
    k: int
    group_size: int
    layout: int

    def unpack(self) -> Int4Weight:
        """The weight that was packed."""
        return unpack_int4(self)

    def to(self, device: torch.device | str, *, activation_bits: int | None = None) -> "PackedInt4":
        """The same on another device, or for activations of other bits: packed anew if need be."""
        device = torch.device(device)
        bits = activation_bits
        if bits is None:
            bits = 8 if self.layout == Int4Layout.FRAGMENTS8 else 16
        _check_bits(bits)
        if layout_of(device, bits) != self.layout:
            return pack_weight(_weight_to(self.unpack(), device), bits)
        return replace(
            self,
            data=self.data.to(device),
            scale=self.scale.to(device),
            zero_point=_to(self.zero_point, device),
            offset=_to(self.offset, device),
        )

    def __repr__(self) -> str:
        return (
            f"PackedInt4([{self.n}, {self.k}], group_size={self.group_size}, "
            f"layout={Int4Layout(self.layout).name}, device={str(self.data.device)!r})"
        )


def pack_int4(
    codes: Tensor | Int4Weight,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    *,
    offset: Tensor | None = None,
    group_size: int | None = None,
    activation_bits: int = 16,
) -> PackedInt4:
    """Pack a weight of 4 bits, which many products will read.

    It stands for ``(codes - zero_point) * scale``, or for ``codes * scale + offset``.

    Args:
        codes: int8 ``[n, k]`` in -8..7, on CPU or CUDA; or an ``Int4Weight``, and nothing of the
            following up to ``group_size``.
        scale: float32, bfloat16 or float16 ``[n, groups]``, ``groups = ceil(k / group_size)``. May
            be negative.
        zero_point: int32 ``[n, groups]`` in -8..8. ``None`` is 0.
        offset: ``[n, groups]`` of the dtype of ``scale``, in place of a zero point.
        group_size: so many columns share a scale: a multiple of 32, or a whole row, as ``None`` is.
        activation_bits: 16 to pack for ``gemm_w4a16``, 8 for ``gemm_w4a8``. On the CPU both read
            the same.

    Returns:
        A ``PackedInt4``. It holds what its arguments held when it was packed: pack again after a
        change.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape, a device or a range is not one of the above. Ranges are looked at,
            which waits for the device; in a compiled function they are not.

    Numerics: exact; ``pack_int4(weight).unpack()`` is ``weight``.
    Gradient: none.
    Moves: 1 byte read and half a byte written for each code, and one read to check their range.
        Codes without consecutive columns are copied first.
    """
    if isinstance(codes, Int4Weight):
        named = {
            "scale": scale,
            "zero_point": zero_point,
            "offset": offset,
            "group_size": group_size,
        }
        for name, value in named.items():
            if value is not None:
                raise ValueError(f"pack_int4: {name} must be None beside an Int4Weight; it is not")
        weight = codes
    else:
        if scale is None:
            raise TypeError("pack_int4: scale must be a tensor; got None")
        if group_size is None:
            is_tensor = isinstance(codes, Tensor) and codes.dim() == 2
            group_size = max(codes.shape[1], 1) if is_tensor else 1
        weight = Int4Weight(codes, scale, zero_point, offset, group_size)
    check_weight("pack_int4", weight)
    _check_bits(activation_bits)
    return pack_weight(weight, activation_bits)


def pack_weight(weight: Int4Weight, activation_bits: int) -> PackedInt4:
    """The same for a weight that is known to be good."""
    codes, scale, zero_point, offset, group = weight
    layout = layout_of(codes.device, activation_bits)
    biased = None if zero_point is None else (zero_point + 8).to(torch.uint8)
    return PackedInt4(
        data=_pack(codes, layout),
        scale=arranged(scale, layout),
        zero_point=None if biased is None else arranged(biased, layout),
        offset=None if offset is None else arranged(offset, layout),
        n=codes.shape[0],
        k=codes.shape[1],
        group_size=group,
        layout=int(layout),
    )


def pack_nibbles(codes: Tensor) -> Tensor:
    """int8 codes ``[n, k]`` to be stored, as uint8 ``[n, ceil(k / 2)]``: the nibbles are code + 8,
    that of an even column is the low one."""
    return _pack(codes, Int4Layout.NIBBLES).view(codes.shape[0], -(-codes.shape[1] // 2))


def _pack(codes: Tensor, layout: Int4Layout) -> Tensor:
    if codes.dim() == 2 and codes.stride(1) != 1:
        codes = codes.contiguous()
    n, k = codes.shape
    size = packed_bytes(layout, n, k)
    packed = torch.empty(size, dtype=torch.uint8, device=codes.device)
    call(_OP, codes, int(layout), packed)
    mark_written([packed])
    return packed


def _check_bits(bits: int) -> None:
    if bits not in (8, 16):
        raise ValueError(f"pack_int4: activation_bits must be 8 or 16; got {bits!r}")


def _weight_to(weight: Int4Weight, device: torch.device) -> Int4Weight:
    return weight._replace(
        codes=weight.codes.to(device),
        scale=weight.scale.to(device),
        zero_point=_to(weight.zero_point, device),
        offset=_to(weight.offset, device),
    )


def _to(t: Tensor | None, device: torch.device) -> Tensor | None:
    return None if t is None else t.to(device)
