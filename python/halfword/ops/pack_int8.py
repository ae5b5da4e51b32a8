"""An int8 matrix as gemm_int8 reads it fastest."""

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from ._library import call, define, mark_written

_OP = define(
    "pack_int8(Tensor b, Tensor(a!) packed, Tensor(b!) sums) -> ()",
    fake=lambda b, packed, sums: None,
)


class Layout(IntEnum):
    """How the bytes of a matrix lie (csrc/ops/pack_int8.h); a number keeps its meaning for good."""

    ROWS = 0
    PANELS = 1
    PITCHED = 2


_PANEL, _PANEL_STEP, _PITCH = 64, 16, 16


def layout_of(device: torch.device) -> Layout:
    """The packed layout of a kind of device."""
    return Layout.PANELS if device.type == "cpu" else Layout.PITCHED


@dataclass(frozen=True, repr=False, eq=False)
class PackedInt8:
    """An int8 matrix ``[n, k]``, packed for one kind of device. ``gemm_int8`` takes it as ``b``.

    All of it is ``data``, ``sums`` and three integers: store those, and make the same again with
    ``PackedInt8(data, sums, n, k, layout)``.

    Args:
        data: uint8, the packed bytes.
        sums: int32 ``[n]``, the sum of each row.
        n: rows.
        k: columns.
        layout: a number of ``Layout``.
    """

    data: Tensor
    sums: Tensor
    n: int
    k: int
    layout: int

    def unpack(self) -> Tensor:
        """The int8 matrix ``[n, k]`` that was packed."""
        if self.layout == Layout.PITCHED:
            pitch = -(-self.k // _PITCH) * _PITCH
            rows = self.data.view(self.n, pitch)[:, : self.k]
            return rows.contiguous().view(torch.int8)
        steps = -(-self.k // 4)
        whole = self.n // _PANEL
        rest = -(-(self.n - whole * _PANEL) // _PANEL_STEP) * _PANEL_STEP
        panels, last = self.data.tensor_split([whole * _PANEL * steps * 4])
        panels = panels.view(whole, steps, _PANEL, 4).transpose(1, 2)
        last = last.view(steps, rest, 4).transpose(0, 1)
        rows = torch.cat(
            [panels.reshape(whole * _PANEL, steps * 4), last.reshape(rest, steps * 4)]
        )[: self.n, : self.k]
        return (rows ^ 128).view(torch.int8)

    def to(self, device: torch.device | str) -> "PackedInt8":
        """The same on another device; packed anew where its kind has another layout."""
        device = torch.device(device)
        if layout_of(device) == self.layout:
            return PackedInt8(
                self.data.to(device), self.sums.to(device), self.n, self.k, self.layout
            )
        return pack_int8(self.unpack().to(device))

    def __repr__(self) -> str:
        return (
            f"PackedInt8([{self.n}, {self.k}], layout={Layout(self.layout).name}, "
            f"device={str(self.data.device)!r})"
        )


def pack_int8(b: Tensor) -> PackedInt8:
    """Pack an int8 matrix that many products will read, such as a weight.

    Args:
        b: int8 ``[n, k]``, on CPU or CUDA.

    Returns:
        A ``PackedInt8``. It holds what ``b`` held when it was packed: pack again after a change.

    Raises:
        TypeError: ``b`` is not int8.
        ValueError: ``b`` is not a matrix.

    Numerics: exact; ``pack_int8(b).unpack()`` is ``b``.
    Gradient: none.
    Moves: one read and one write of ``b``. A ``b`` without consecutive columns is copied first.
    """
    if b.dim() == 2 and b.stride(1) != 1:
        b = b.contiguous()
    layout = layout_of(b.device)
    n, k = b.shape if b.dim() == 2 else (0, 0)
    if layout == Layout.PANELS:
        size = -(-n // _PANEL_STEP) * _PANEL_STEP * -(-k // 4) * 4
    else:
        size = n * -(-k // _PITCH) * _PITCH
    data = torch.empty(size, dtype=torch.uint8, device=b.device)
    sums = torch.empty(n, dtype=torch.int32, device=b.device)
    call(_OP, b, data, sums)
    mark_written([data, sums])
    return PackedInt8(data, sums, n, k, int(layout))
