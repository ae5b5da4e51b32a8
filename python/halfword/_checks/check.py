"""What a check of the doctor is made of.

Nothing here imports torch before it runs: the doctor reports why it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Fault = str | None
Check = Callable[[Callable[..., Any]], Iterator[Fault]]
ODD = ((67, 31), (1027,), (1,), (0,))  # full vectors, tails, one, none


def first_fault(op: Callable[..., None], check: Check) -> Fault:
    try:
        return next((fault for fault in check(op) if fault), None)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def differs(what: str, got: Any, want: Any, bound: Any = 0.0) -> Fault:
    """A line if any |got - want| exceeds its bound."""
    wrong = ~((got.double() - want.double()).abs() <= bound)  # NaN counts
    return f"{what}: {int(wrong.sum())} of {got.numel()} values are wrong" if wrong.any() else None


def normal(dtype: Any, seed: int) -> list[Any]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    drawn = (torch.randn(shape, generator=generator, device="cpu") for shape in ODD)
    return [x.to(torch.get_default_device(), dtype) for x in drawn]
