"""Gradients before the step: ``python -m bench unscale``.

The overflow check, with the global norm and with unscaling in place, and accumulation into FP32.
torch has one kernel for the check, which always writes; a norm is another read.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from halfword import ops
from tests.cases.models import few_odd

from .lists import lists_for, small_lists_for
from .problem import Bound, Outcome, Row, Shapes, Side, Traffic, random_list

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
EXACT = Bound(0.0)
# n squares added in FP32 in any order err by n eps at most, and the root halves that.
CHECKED_ELEMENTS = sum(torch.Size(shape).numel() for shape in few_odd())
NORM = Bound(CHECKED_ELEMENTS * torch.finfo(torch.float32).eps / 2)


class Unscale:
    """Gradients that are halved and doubled in turn, so that they stay what they are."""

    def __init__(self, grads: list[Tensor]) -> None:
        self.grads = grads
        self.found_inf, self.norm, self.one = torch.zeros(1), torch.zeros(1), torch.ones(1)
        self.factors = [torch.tensor([0.5]), torch.tensor([2.0])]

    def next_factor(self) -> Tensor:
        self.factors.reverse()
        return self.factors[-1]

    def results(self) -> dict[str, Sequence[Tensor]]:
        return {"grads": self.grads, "found_inf": [self.found_inf], "norm": [self.norm]}


def halfword_unscale(case: Unscale, *, write: bool, norm: bool) -> Side:
    out = case.norm if norm else None

    def step() -> None:
        factor = case.next_factor() if write else case.one
        ops.unscale_check(case.grads, factor, case.found_inf, write=write, norm=out)

    return Side("halfword", step, case.results)


def total_norm(grads: list[Tensor]) -> Tensor:
    """What torch.nn.utils.get_total_norm does, but in FP32: it would round to the gradients' type,
    and fp16 overflows."""
    norms = torch._foreach_norm(grads, 2, torch.float32)
    total: Tensor = torch.stack(norms).norm()
    return total


def torch_unscale(case: Unscale, *, write: bool, norm: bool) -> Side:
    """torch's fused check; with a norm, a norm after that."""

    def step() -> None:
        factor = case.next_factor() if write else case.one
        torch._amp_foreach_non_finite_check_and_unscale_(case.grads, case.found_inf, factor)
        if norm:
            case.norm.copy_(total_norm(case.grads))

    return Side("torch unscale" + (" + total norm" if norm else ""), step, case.results)


def torch_norm_only(case: Unscale) -> Side:
    """The norm alone finds overflow too: one inf or NaN makes it inf or NaN."""

    def step() -> None:
        case.norm.copy_(total_norm(case.grads))
        case.found_inf.copy_(~case.norm.isfinite())

    return Side("torch total norm, isfinite", step, case.results)


def unscale_sides(shapes: Shapes, *, dtype: torch.dtype, write: bool, norm: bool) -> list[Outcome]:
    grads = random_list(shapes, dtype, 1.0, seed=5)
    theirs = Unscale([grad.clone() for grad in grads])
    sides: list[Outcome] = [
        halfword_unscale(Unscale(grads), write=write, norm=norm),
        torch_unscale(theirs, write=write, norm=norm),
    ]
    if norm and not write:
        sides.append(torch_norm_only(theirs))
    return sides


def accumulate_sides(shapes: Shapes, *, dtype: torch.dtype) -> list[Outcome]:
    """Into FP32, adding and taking away in turn so that sums stay small."""
    grads = random_list(shapes, dtype, 1.0, seed=6)
    floats = [torch.empty(shape) for shape in shapes] if dtype != torch.float32 else grads

    def side(name: str, add: Callable[[list[Tensor], float], object]) -> Side:
        mains, signs = [torch.zeros(shape) for shape in shapes], [-1.0, 1.0]

        def step() -> None:
            add(mains, signs[-1])
            signs.reverse()

        return Side(name, step, lambda: {"main_grads": mains})

    def ours(mains: list[Tensor], alpha: float) -> None:
        ops.accumulate_grads(mains, grads, alpha=alpha)

    def direct(mains: list[Tensor], alpha: float) -> None:
        torch._foreach_add_(mains, grads, alpha=alpha)

    def converted(mains: list[Tensor], alpha: float) -> None:
        torch._foreach_copy_(floats, grads)
        torch._foreach_add_(mains, floats, alpha=alpha)

    sides: list[Outcome] = [side("halfword", ours), side("torch _foreach_add_", direct)]
    if dtype != torch.float32:
        sides.append(side("torch _foreach_copy_, _foreach_add_", converted))
    return sides


KINDS = {
    "check": (False, False),
    "check + norm": (False, True),
    "check + unscale": (True, False),
    "check + unscale + norm": (True, True),
}
BOUNDS = {"grads": EXACT, "found_inf": EXACT, "norm": NORM}


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows; nothing here is worth compiling."""
    lists = lists_for(device, tiny)
    for name, shapes in lists.items():
        for dtype_name, dtype in DTYPES.items():
            for kind, (write, norm) in KINDS.items():
                sides = partial(unscale_sides, dtype=dtype, write=write, norm=norm)
                size = dtype.itemsize
                traffic = Traffic(update=2 * size) if write else Traffic(read=size)
                yield Row(f"{kind}, {dtype_name}, {name}", shapes, traffic, sides, BOUNDS)
    for name, shapes in lists.items():
        for dtype_name, dtype in DTYPES.items():
            yield Row(
                f"accumulate into FP32, {dtype_name}, {name}", shapes,
                Traffic(update=dtype.itemsize + 8), partial(accumulate_sides, dtype=dtype),
                {"main_grads": EXACT},
            )  # fmt: skip
    sides = partial(unscale_sides, dtype=torch.float16, write=False, norm=False)
    for name, shapes in small_lists_for(device, tiny).items():
        yield Row(f"check, fp16, {name}", shapes, Traffic(read=2), sides, BOUNDS)
