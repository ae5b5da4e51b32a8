"""The loss scale and its counters."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Counters:
    """The state as numbers, for checkpoints and until there is a device."""

    scale: float
    growth_tracker: int
    hysteresis_tracker: int
    skipped: int


class Tensors(NamedTuple):
    """The state on the device, 0-d each."""

    scale: Tensor  # float32
    growth_tracker: Tensor  # int32
    hysteresis_tracker: Tensor  # int32
    skipped: Tensor  # int64


class ScaleState:
    """Numbers first; tensors as soon as a tensor is scaled, on its device. Pickles as numbers."""

    def __init__(self, counters: Counters) -> None:
        self._start = counters
        self.tensors: Tensors | None = None

    def on(self, device: torch.device) -> Tensors:
        """The tensors; made on `device` if there are none."""
        if self.tensors is None:
            dtypes = (torch.float32, torch.int32, torch.int32, torch.int64)
            self.tensors = Tensors(*(torch.empty((), dtype=t, device=device) for t in dtypes))
            self.load(self._start)
        return self.tensors

    def load(self, counters: Counters) -> None:
        """Take these numbers; tensors are written in place, for captured graphs."""
        self._start = counters
        if self.tensors is not None:
            for tensor, value in zip(self.tensors, asdict(counters).values(), strict=True):
                tensor.fill_(value)

    def read(self) -> Counters:
        """The state as numbers. Synchronises."""
        if self.tensors is None:
            return self._start
        scale, *counts = self.tensors
        return Counters(scale.item(), *(int(count.item()) for count in counts))

    def __getstate__(self) -> dict[str, Any]:
        return {"_start": self.read(), "tensors": None}
