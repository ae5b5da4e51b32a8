"""What importers and exporters of all formats check, and how they say it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...ops import Int4Weight, _int4

FLOATS = (torch.float16, torch.bfloat16, torch.float32)
INTEGERS = (torch.int32, torch.int64)
GROUP_STEP = 32  # what a group is a multiple of, unless it is a whole row


def check(valid: bool, place: str, name: str, rule: str, got: Any) -> None:
    """Raise a ValueError that names the function, the argument, its rule and the value."""
    if not valid:
        raise ValueError(f"{place}: {name} must {rule}; got {got}")


def check_each(valid: Tensor, place: str, name: str, rule: str, got: Tensor | str) -> None:
    """Check that all are valid; tells the first that is not, and where."""
    if bool(valid.all()):
        return
    at = (~valid).nonzero()[0].tolist()
    value = got if isinstance(got, str) else got[tuple(at)].item()
    check(False, place, name, rule, f"{value} at {at}")


def check_tensor(
    place: str, name: str, tensor: Any, dtypes: Sequence[torch.dtype], shape: Sequence[int | str]
) -> None:
    """Check that this is a tensor of one of the dtypes; a size that is a word may be any."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{place}: {name} must be a tensor; got {type(tensor).__name__}")
    if tensor.dtype not in dtypes:
        names = [_name(dtype) for dtype in dtypes]
        known = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        raise TypeError(f"{place}: {name} must be {known}; got {_name(tensor.dtype)}")
    sizes = list(tensor.shape)
    fits = len(sizes) == len(shape) and all(
        isinstance(rule, str) or rule == size for rule, size in zip(shape, sizes, strict=True)
    )
    wanted = f"have shape [{', '.join(map(str, shape))}]"
    check(fits, place, name, wanted, sizes)


def check_one_device(place: str, tensors: dict[str, Tensor | None]) -> None:
    """Check that all that are given are where the first one is."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first, *others = given
    for name in others:
        here = given[name].device == given[first].device
        rule = f"be on {given[first].device}, where {first} is"
        check(here, place, name, rule, given[name].device)


def check_finite(place: str, name: str, tensor: Tensor) -> None:
    """Check that there is no NaN and no inf."""
    check_each(torch.isfinite(tensor), place, name, "be finite", tensor)


def check_range(place: str, name: str, tensor: Tensor, low: int, high: int) -> None:
    """Check that all integers are from low to high."""
    valid = (tensor >= low) & (tensor <= high)
    check_each(valid, place, name, f"lie in {low}..{high}", tensor)


def check_exact(place: str, name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The same numbers in another dtype, which must hold them."""
    cast = tensor.to(dtype)
    rule = f"be exact in {_name(dtype)}: round it first where that is meant"
    check_each(cast.to(tensor.dtype) == tensor, place, name, rule, tensor)
    return cast


def check_group(
    place: str, scale_name: str, columns: int, groups: int, group_size: int | None
) -> int:
    """How many columns a group has; without a group size, as many as in all other groups."""
    if group_size is None:
        rule = f"be given where {groups} groups of {columns} columns are not equal"
        groups_or_one = max(groups, 1)
        check(columns % groups_or_one == 0, place, "group_size", rule, None)
        group_size = columns // groups_or_one
    if group_size == -1:
        group_size = columns
    rule = f"be a multiple of {GROUP_STEP}, or the whole row (-1)"
    integer = isinstance(group_size, int) and group_size >= 1
    fits = integer and (group_size >= columns or group_size % GROUP_STEP == 0)
    check(fits, place, "group_size", rule, repr(group_size))
    group_size = min(group_size, columns)
    rule = f"have a group for every {group_size} of {columns} columns"
    check(groups == -(-columns // group_size), place, scale_name, rule, f"{groups} groups")
    return group_size


def check_weight(place: str, weight: Any) -> None:
    """Check all of an Int4Weight."""
    if not isinstance(weight, Int4Weight):
        raise TypeError(f"{place}: weight must be an Int4Weight; got {type(weight).__name__}")
    _int4.check_weight(place, weight)
    check(weight.codes.shape[1] >= 1, place, "codes", "have columns", list(weight.codes.shape))
    check_finite(place, "scale", weight.scale)
    if weight.offset is not None:
        check_finite(place, "offset", weight.offset)


def stored_zeros(place: str, weight: Int4Weight, low: int = 0, high: int = 15) -> Tensor:
    """The zero points plus 8, as formats of unsigned codes store them: int8, low to high."""
    check(weight.offset is None, place, "offset", "be None in this format", "a tensor")
    if weight.zero_point is None:
        return torch.full_like(weight.scale, 8, dtype=torch.int8)
    check_range(place, "zero_point", weight.zero_point, low - 8, high - 8)
    return weight.zero_point.to(torch.int8) + 8


def zero_points(zeros: Tensor) -> Tensor | None:
    """The inverse: int32; None where all are 0, which is what a symmetric weight has."""
    points = zeros.int() - 8
    return points.contiguous() if bool(points.any()) else None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
