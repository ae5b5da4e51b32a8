"""Scales of activations, found by looking at some."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


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


class Calibrated:
    """A layer that quantizes its input by a scale found beforehand."""

    seen: Range | None = None  # while calibrating

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
            layer.seen = Range()
        yield
        found = {name: layer.seen.ends for name, layer in layers.items() if layer.seen is not None}
        for name, ends in found.items():
            if ends is not None and not bool(ends.isfinite().all()):
                raise ValueError(f"calibrate: inputs of {name} must be finite; got {ends.tolist()}")
        for name, ends in found.items():
            if ends is not None:
                layers[name].freeze(ends)
    finally:
        for layer in layers.values():
            layer.seen = None
