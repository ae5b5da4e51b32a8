"""Weights of 4 bits: what they are, and how their scales lie beside packed codes."""

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

_PANEL, _GROUP_STEP = 64, 32
_SCALES = (torch.float32, torch.bfloat16, torch.float16)


class Int4Layout(IntEnum):
    """How the nibbles of a matrix lie (csrc/core/int4.h); a number keeps its meaning for good."""

    NIBBLES = 0
    PANELS = 1
    FRAGMENTS16 = 2
    FRAGMENTS8 = 3


class Int4Weight(NamedTuple):
    """A weight of 4 bits: ``(codes - zero_point) * scale``, or ``codes * scale + offset``.

    Args:
        codes: int8 ``[n, k]`` in -8..7.
        scale: float32, bfloat16 or float16 ``[n, groups]``, ``groups = ceil(k / group_size)``. May
            be negative.
        zero_point: int32 ``[n, groups]`` in -8..8, or None for 0.
        offset: ``[n, groups]`` of the dtype of ``scale``, in place of a zero point; or None.
        group_size: so many columns share a scale: a multiple of 32, or a whole row.
    """

    codes: Tensor
    scale: Tensor
    zero_point: Tensor | None
    offset: Tensor | None
    group_size: int

    def dequantize(self) -> Tensor:
        """The float32 matrix ``[n, k]`` that it stands for."""
        columns = self.codes.shape[1]

        def each_column(values: Tensor) -> Tensor:
            return values.repeat_interleave(min(self.group_size, max(columns, 1)), 1)[:, :columns]

        codes = self.codes.float()
        if self.zero_point is not None:
            codes = codes - each_column(self.zero_point)
        weight = codes * each_column(self.scale.float())
        return weight if self.offset is None else weight + each_column(self.offset.float())


def check_weight(who: str, weight: Int4Weight) -> None:
    """A TypeError or ValueError that names the field that is not as ``Int4Weight`` says.

    Values are looked at, which waits for the device, but in a graph that is being traced.
    """
    codes, scale, zero_point, offset, group = weight
    _check_dtype(who, "codes", codes, (torch.int8,))
    if codes.dim() != 2:
        raise ValueError(f"{who}: codes must be a matrix; got shape {list(codes.shape)}")
    _check_range(who, "codes", codes, -8, 7)
    n, k = codes.shape
    if isinstance(group, bool) or not isinstance(group, int):
        raise TypeError(f"{who}: group_size must be an int; got {group!r}")
    if group < 1 or (group < k and group % _GROUP_STEP != 0):
        raise ValueError(
            f"{who}: group_size must be a multiple of {_GROUP_STEP}, or a whole row; got {group}"
        )
    shape = [n, -(-k // group)]
    _check_dtype(who, "scale", scale, _SCALES)
    _check_place(who, "scale", scale, shape, codes)
    if zero_point is not None:
        _check_dtype(who, "zero_point", zero_point, (torch.int32,))
        _check_place(who, "zero_point", zero_point, shape, codes)
        _check_range(who, "zero_point", zero_point, -8, 8)
    if offset is not None:
        if zero_point is not None:
            raise ValueError(
                f"{who}: offset must be None where there are zero points; got a tensor"
            )
        _check_dtype(who, "offset", offset, (scale.dtype,))
        _check_place(who, "offset", offset, shape, codes)


def arranged(values: Tensor, layout: int) -> Tensor:
    """Values ``[n, groups]`` in the order of a layout."""
    if layout == Int4Layout.NIBBLES:
        return values.contiguous()
    if layout == Int4Layout.PANELS:
        n, groups = values.shape
        panels = pad(values, (0, 0, 0, -n % _PANEL)).view(-(-n // _PANEL), _PANEL, groups)
        return panels.transpose(1, 2).contiguous()
    return values.t().contiguous()


def in_rows(values: Tensor, layout: int, n: int) -> Tensor:
    """The same as ``[n, groups]`` again."""
    if layout == Int4Layout.NIBBLES:
        return values
    if layout == Int4Layout.PANELS:
        panels, groups, rows = values.shape
        return values.transpose(1, 2).reshape(panels * rows, groups)[:n]
    return values.t().contiguous()


def packed_bytes(layout: int, n: int, k: int) -> int:
    """How many bytes the nibbles of a matrix take in a layout."""
    if layout == Int4Layout.NIBBLES:
        return n * -(-k // 2)
    if layout == Int4Layout.PANELS:
        return -(-n // _PANEL) * _PANEL * -(-k // 8) * 4
    return n * -(-k // 32) * 16


def _check_dtype(who: str, name: str, value: Tensor, dtypes: tuple[torch.dtype, ...]) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{who}: {name} must be a tensor; got {value!r}")
    if value.dtype not in dtypes:
        names = [str(dtype).removeprefix("torch.") for dtype in (*dtypes, value.dtype)]
        raise TypeError(f"{who}: {name} must be {' or '.join(names[:-1])}; got {names[-1]}")


def _check_place(who: str, name: str, value: Tensor, shape: list[int], codes: Tensor) -> None:
    if value.device != codes.device:
        raise ValueError(f"{who}: {name} must be on {codes.device}; got a tensor on {value.device}")
    if list(value.shape) != shape:
        raise ValueError(f"{who}: {name} must have shape {shape}; got {list(value.shape)}")


def _check_range(who: str, name: str, value: Tensor, least: int, most: int) -> None:
    if value.numel() == 0 or value.is_meta or torch.compiler.is_compiling():
        return
    for end in torch.stack(value.aminmax()).tolist():
        if not least <= end <= most:
            raise ValueError(f"{who}: {name} must lie in {least}..{most}; got {end}")
