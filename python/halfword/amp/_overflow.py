"""Does a gradient of an optimizer overflow, on any device or rank?"""

from __future__ import annotations  # dist.ProcessGroup does not exist in every build of torch

from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist
from torch import Tensor

from ..ops.unscale_check import unscale_check

Reduction = Callable[[Tensor], None]


def zero(device: torch.device) -> Tensor:
    """A found_inf to begin with."""
    return torch.zeros((), dtype=torch.float32, device=device)


def check_gradients(
    optimizer: torch.optim.Optimizer, scale: Tensor, reduction: Reduction | None, *, write: bool
) -> Tensor | None:
    """0 or 1 on the scale's device: is a gradient divided by `scale` inf or NaN?

    None if there is no gradient, here or on the other ranks. With `write` the gradients are left
    divided.
    """
    inv_scale = scale.reciprocal()
    found: Tensor | None = None
    with torch.no_grad():
        for device, grads in _gradients_by_device(optimizer).items():
            here = zero(device)
            unscale_check(grads, inv_scale.to(device, non_blocking=True), here, write=write)
            here = here.to(scale.device, non_blocking=True)
            # The maximum, not the sum: torch's kernels skip on exactly 1.
            found = here if found is None else torch.maximum(found, here)
    if reduction is not None:
        found = zero(scale.device) if found is None else found  # every rank must take part
        reduction(found)
    return found


def reduction_over_ranks(
    optimizer: torch.optim.Optimizer, process_group: dist.ProcessGroup | None
) -> Reduction | None:
    """What makes the ranks agree on a found_inf, in place; None if nothing is to be agreed on."""
    groups = _shard_groups(optimizer)
    if process_group is not None:
        groups.append(process_group)
    if not groups:
        return None

    def reduce(found_inf: Tensor) -> None:
        for group in groups:
            dist.all_reduce(found_inf, op=dist.ReduceOp.MAX, group=group)

    return reduce


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _gradients_by_device(optimizer: torch.optim.Optimizer) -> dict[torch.device, list[Tensor]]:
    """The strided tensors that hold the gradients' numbers.

    Of a sparse gradient that is its values, coalesced first if they are float16: adding scaled
    values of the same index may overflow, and the check has to see it. Of a DTensor, this rank's
    part.
    """
    grads: dict[torch.device, list[Tensor]] = {}
    for parameter in _parameters(optimizer):
        grad = parameter.grad
        if grad is None:
            continue
        if grad.is_sparse:
            if grad.dtype is torch.float16:
                grad = parameter.grad = grad.coalesce()
            grad = grad._values()
        elif hasattr(grad, "to_local"):
            grad = grad.to_local()
        grads.setdefault(grad.device, []).append(grad)
    return grads


def _shard_groups(optimizer: torch.optim.Optimizer) -> list[dist.ProcessGroup]:
    """The groups over which DTensor parameters are spread, in the same order on every rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return []
    groups: dict[str, dist.ProcessGroup] = {}
    for parameter in _parameters(optimizer):
        mesh = getattr(parameter, "device_mesh", None)
        for group in [] if mesh is None else mesh.get_all_groups():
            groups.setdefault(group.group_name, group)
    return list(groups.values())
