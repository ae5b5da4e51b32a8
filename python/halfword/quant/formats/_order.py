"""Columns that are in any order, each with the number of its group."""

import torch
from torch import Tensor

from ._check import INTEGERS, check, check_group, check_range, check_tensor


def order_of(
    place: str, name: str, group_of_column: Tensor, scale_name: str, groups: int,
    group_size: int | None,
) -> tuple[Tensor | None, int]:  # fmt: skip
    """The columns sorted by their group, and how many a group has; None if they lie so."""
    columns = len(group_of_column)
    check_range(place, name, group_of_column, 0, groups - 1)
    counts = torch.bincount(group_of_column, minlength=groups)
    if group_size is None:
        size = int(counts.max())
    else:
        size = check_group(place, scale_name, columns, groups, group_size)
    order = torch.argsort(group_of_column, stable=True)
    sorted_groups = torch.arange(columns, device=order.device) // size
    equal = torch.equal(group_of_column[order].long(), sorted_groups)
    rule = f"give {size} columns to every group, but for the last"
    check(equal, place, name, rule, f"{counts.tolist()[:8]} for the first")
    size = check_group(place, scale_name, columns, groups, size)
    in_order = torch.equal(group_of_column.long(), sorted_groups)
    return None if in_order else order.int(), size


def group_of_each(place: str, order: Tensor | None, columns: int, group_size: int,
                  device: torch.device) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The group of each column, int32, and the inverse of the order; checks the order."""
    groups = torch.arange(columns, dtype=torch.int32, device=device) // group_size
    if order is None:
        return groups, None
    check_tensor(place, "order", order, INTEGERS, [columns])
    check(order.device == device, place, "order", f"be on {device}, as codes are", order.device)
    check_range(place, "order", order, 0, columns - 1)
    inverse = torch.argsort(order)
    once = torch.equal(order[inverse].long(), torch.arange(columns, device=device))
    check(once, place, "order", "name each column once", "a column twice")
    return groups[inverse], inverse
