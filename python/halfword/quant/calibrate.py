"""Scales of activations, found by looking at some."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..ops.histogram import histogram

BINS = 1 << 14
SMALLEST_LIMIT = 2.0**-100  # so that a bin has a width in float32
SHRINKS = 32  # how many ranges are tried, or how many of each end


class Range:
    """The smallest and the largest element seen; stays on the device."""

    def __init__(self) -> None:
        self.ends: Tensor | None = None  # [2], float32

    @torch.no_grad()
    def add(self, x: Tensor) -> None:
        """Widen the range to the elements of a tensor."""
        if x.numel() == 0:
            return
        ends = torch.stack(x.aminmax()).float()
        if self.ends is not None:
            ends = torch.cat((ends, self.ends))
            ends = torch.stack(ends.aminmax())
        self.ends = ends

    def best(self) -> Tensor | None:
        """The ends to quantize with; None if nothing was seen."""
        return self.ends


class BestRange(Range):
    """The same, and how many elements were where, to find the range with the least squared error.

    Bins are even over ``[-limit, limit]``, a power of two. It doubles where elements lie outside:
    then two bins become one, and nothing that was counted is lost.
    """

    def __init__(self, symmetric: bool) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.limit = 0.0
        self.counts: Tensor | None = None  # int64 [BINS]

    @torch.no_grad()
    def add(self, x: Tensor) -> None:
        """Widen the range to the elements of a tensor, and count them."""
        super().add(x)
        if x.numel() == 0 or self.ends is None:
            return
        largest = float(self.ends.abs().max())  # waits for the device
        if not math.isfinite(largest):
            return  # calibrate says so at the end
        if self.counts is None:
            self.counts = torch.zeros(BINS, dtype=torch.int64, device=x.device)
            self.limit = max(2.0 ** math.frexp(largest)[1], SMALLEST_LIMIT)
        while self.limit < largest:
            pairs = self.counts.view(-1, 2).sum(1)
            self.counts = torch.nn.functional.pad(pairs, (BINS // 4, BINS // 4))
            self.limit *= 2
        histogram(x, self.counts, -self.limit, self.limit)

    def best(self) -> Tensor | None:
        """Of ranges between the elements seen, the one whose codes are nearest to them."""
        if self.ends is None or self.counts is None:
            return self.ends
        used = self.counts.nonzero().flatten()
        width = 2 * self.limit / BINS
        centres = (used.double() + 0.5) * width - self.limit
        counts = self.counts[used].double()
        low, high = self.ends.double().clamp(max=0)[0], self.ends.double().clamp(min=0)[1]
        shrinks = torch.arange(1, SHRINKS + 1, device=used.device).double() / SHRINKS
        if self.symmetric:
            highs = shrinks * torch.maximum(-low, high)
            lows = -highs
        else:
            lows = (shrinks * low).repeat_interleave(SHRINKS)
            highs = (shrinks * high).repeat(SHRINKS)
        steps = 254 if self.symmetric else 255
        errors = torch.stack(
            [
                _squared_error(centres, counts, low, high, steps)
                for low, high in zip(lows, highs, strict=True)
            ]
        )
        # Of equal errors the widest range, which is that of the elements seen.
        least = len(errors) - 1 - int(errors.flip(0).argmin())
        return torch.stack((lows[least], highs[least])).float()


def _squared_error(x: Tensor, counts: Tensor, low: Tensor, high: Tensor, steps: int) -> Tensor:
    """Of all elements, from their counts, if the range from low to high is cut into steps."""
    step = (high - low) / steps
    lowest = (low / step).round()
    codes = (x / step).round().clamp(lowest, lowest + steps)
    error = torch.where(step > 0, codes * step - x, x)
    return (counts * error.square()).sum()


class Calibrated:
    """A layer that quantizes its input by a scale found beforehand."""

    seen: Range | None = None  # while calibrating

    def observer(self) -> Range:
        """What looks at the inputs."""
        return Range()

    def freeze(self, ends: Tensor) -> None:
        """Take the scale for inputs between these two values from now on."""
        raise NotImplementedError


@contextmanager
def calibrate(model: nn.Module) -> Iterator[None]:
    """Run a model on typical inputs under this, and its static layers know their ranges after it.

    ::

        quantize_(model, Int8Static())
        with calibrate(model), torch.no_grad():
            for batch in batches:
                model(batch)

    Meanwhile the layers quantize their inputs dynamically. Ranges of an earlier calibration are
    forgotten; a layer that sees no input keeps what it had. An exception leaves all as they were.

    Raises:
        ValueError: no layer of the model is made by :class:`Int8Static`, or a layer has seen a NaN
            or inf.
    """
    layers = {name: each for name, each in model.named_modules() if isinstance(each, Calibrated)}
    if not layers:
        raise ValueError("calibrate: model must have a layer made by Int8Static; it has none")
    try:
        for layer in layers.values():
            layer.seen = layer.observer()
        yield
        found = {name: layer.seen for name, layer in layers.items() if layer.seen is not None}
        for name, seen in found.items():
            ends = seen.ends
            if ends is not None and not bool(ends.isfinite().all()):
                raise ValueError(f"calibrate: inputs of {name} must be finite; got {ends.tolist()}")
        chosen = {name: seen.best() for name, seen in found.items()}
        for name, ends in chosen.items():
            if ends is not None:
                layers[name].freeze(ends)
    finally:
        for layer in layers.values():
            layer.seen = None
