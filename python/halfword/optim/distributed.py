"""Sharded parameters (DTensor: FSDP2, tensor parallelism): kernels see what lies on this rank, and
a norm or an overflow is that of all ranks. The communication is torch.distributed's."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor

Groups: TypeAlias = tuple[Any, ...]  # process groups


def has_sharded(params: list[Tensor]) -> bool:
    """Whether any of these is a DTensor."""
    if not (dist.is_available() and dist.is_initialized()):
        return False  # and DTensor's module, slow to import, is not needed
    from torch.distributed.tensor import DTensor

    return any(isinstance(p, DTensor) for p in params)


def local(tensors: list[Tensor]) -> list[Tensor]:
    """What of each tensor lies on this rank."""
    from torch.distributed.tensor import DTensor

    return [t.to_local() if isinstance(t, DTensor) else t for t in tensors]


def shard_groups(param: Tensor) -> Groups:
    """The process groups over which a parameter is split: one a mesh dimension that shards it.

    ValueError for a placement whose parts do not simply lie side by side.
    """
    from torch.distributed.tensor import DTensor

    if not isinstance(param, DTensor):
        return ()
    groups = []
    for dimension, placement in enumerate(param.placements):
        if placement.is_partial():
            raise ValueError(f"step: gradients must be sharded or replicated; got {placement}")
        if placement.is_shard():
            groups.append(param.device_mesh.get_group(dimension))
    return tuple(groups)


def by_shard_groups(grads: list[Tensor]) -> list[tuple[Groups, list[Tensor]]]:
    """Local gradients, put together by the process groups that hold their other parts."""
    classes: dict[Groups, list[Tensor]] = {}
    for grad in grads:
        classes.setdefault(shard_groups(grad), []).append(grad)
    return [(groups, local(members)) for groups, members in classes.items()]


def all_reduce(value: Tensor, groups: Groups, op: Any) -> None:
    """Reduce in place over each of the groups in turn."""
    for group in groups:
        dist.all_reduce(value, op=op, group=group)


def total_norm(norms: list[tuple[Groups, Tensor]]) -> Tensor:
    """The norm of everything, from each class's norm on this rank: float32, 0-d."""
    total = torch.zeros((), dtype=torch.float64, device=norms[0][1].device)
    for groups, norm in norms:
        square = norm.double().square()
        all_reduce(square, groups, dist.ReduceOp.SUM)
        total += square
    return total.sqrt().float()
