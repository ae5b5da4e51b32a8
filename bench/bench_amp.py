"""A whole training step after the backward: ``python -m bench amp``.

Unscale and look for overflow, clip the norm of all gradients, AdamW, new loss scale, by the
objects that a user calls. Bytes are the least that any implementation must move: a read of the
gradients for the norm, and the update.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from . import graphs
from .bench_adam import FLOAT_BOUNDS, rounded_bounds
from .lists import lists_for
from .optimizers import halfword_amp, torch_amp
from .others import FUSED_ADAM, fused_adam
from .problem import (
    LOSS_SCALE,
    Bound,
    Outcome,
    Row,
    Shapes,
    Traffic,
    adam_problem,
    shares_state,
    twins,
)

# Below the norm of any list here, and above it: clipping in place by 1 changes nothing, so that the
# gradients stay what they are where a rival works on them in place.
CLIPS, CLIPS_NOTHING = 0.05, 1e6


def amp_sides(
    shapes: Shapes, *, dtype: torch.dtype, masters: bool, scale: float, **options: Any
) -> list[Outcome]:
    """Ours against torch's, each also as a CUDA graph on CUDA."""
    problem = adam_problem(shapes, dtype, masters=masters, scale=scale)
    twin = twins(problem)
    sides = [halfword_amp(problem, **options), torch_amp(twin(), **options)]
    if graphs.on_cuda(problem.params):
        ours = problem if shares_state(problem) else twin()
        sides.insert(1, halfword_amp(ours, **options, graph=True))
        sides.append(torch_amp(twin(), **options, graph=True))
    return sides


def unclipped_sides(shapes: Shapes, *, dtype: torch.dtype, masters: bool) -> list[Outcome]:
    """With the packages whose FusedAdam takes a scaler, but not a norm to clip to."""
    problem = adam_problem(shapes, dtype, masters=masters, scale=1.0)
    twin = twins(problem)
    sides = [halfword_amp(problem, max_norm=None), torch_amp(twin(), max_norm=None)]
    if graphs.on_cuda(problem.params):
        sides += [fused_adam(twin(), name, scaled=True) for name in FUSED_ADAM]
    return sides


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows; nothing here is worth compiling."""
    masters = {"masters": True, "scale": LOSS_SCALE, "max_norm": CLIPS}
    fp16 = partial(amp_sides, dtype=torch.float16, **masters)
    bf16 = partial(amp_sides, dtype=torch.bfloat16, **{**masters, "scale": 1.0, "scaled": False})
    fp32 = partial(amp_sides, dtype=torch.float32, masters=False, scale=1.0, max_norm=CLIPS_NOTHING)
    unclipped = partial(unclipped_sides, dtype=torch.float16, masters=True)
    checked16, checked32 = Traffic(read=2, update=28), Traffic(read=4, update=28)
    bounds16 = rounded_bounds(torch.float16, "params")
    bounds_b16 = rounded_bounds(torch.bfloat16, "params")
    Sides = Callable[[Shapes], list[Outcome]]  # noqa: N806
    kinds: list[tuple[str, Traffic, Sides, dict[str, Bound]]] = [
        ("AMP step, fp16 + FP32 masters, clipped", checked16, fp16, bounds16),
        ("step, bf16 + FP32 masters, clipped", checked16, bf16, bounds_b16),
        ("AMP step, fp32, clipped", checked32, fp32, FLOAT_BOUNDS),
        ("AMP step, fp16 + FP32 masters, not clipped", checked16, unclipped, bounds16),
    ]
    for name, shapes in lists_for(device, tiny).items():
        for kind, traffic, sides, bounds in kinds:
            yield Row(f"{kind}, {name}", shapes, traffic, sides, bounds)
