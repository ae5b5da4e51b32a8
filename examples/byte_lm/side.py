"""One side of a run: a model, its optimizer and scaler, and what they measured.

Our side holds 16-bit linear layers and gradients; the optimizer keeps the FP32 masters. Torch's
side is its own recipe for the same precision: FP32 parameters under autocast.
"""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any, Protocol

import torch
from torch import Tensor

import halfword.amp
import halfword.optim
from halfword.quant import Int8Training

from .config import Config
from .model import ByteGPT, ModelConfig

PHASES = ("forward_backward", "optimizer")
STATE = ("model", "optimizer", "scaler", "history")
Batch = tuple[Tensor, Tensor]


class Scaler(Protocol):
    """What halfword.amp.GradScaler and torch.amp.GradScaler share."""

    def scale(self, outputs: Tensor, /) -> Any: ...
    def unscale_(self, optimizer: Any, /) -> Any: ...
    def step(self, optimizer: Any, /) -> Any: ...
    def update(self) -> Any: ...
    def get_scale(self) -> float: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


class Side:
    """Trains a model one step at a time and remembers losses and times."""

    name: str

    def __init__(self, config: Config, model: ByteGPT) -> None:
        self.config, self.model = config, model
        self.optimizer: torch.optim.Optimizer
        self.scaler: Scaler
        self.history = History(config.torch_device)

    def step(self, batches: list[Batch], lr: float) -> None:
        """One optimizer step on the mean loss of `batches`; never waits for the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.history.mark()
        losses = [self._backward(batch, len(batches)) for batch in batches]
        self.history.mark()
        self._update()
        self.optimizer.zero_grad(set_to_none=True)
        self.history.mark()
        self.history.add_loss(torch.stack(losses).mean())

    def evaluate(self, text: Tensor, target: Tensor) -> float:
        """Bits per byte on `text`, a training batch at a time."""
        with self._autocast():
            return bits_per_byte(self.model, text, target, self.config.batch)

    def skipped_steps(self) -> int:
        """Steps whose gradients overflowed: those that the optimizer did not count."""
        counted = [int(state["step"]) for state in self.optimizer.state.values()]
        return self.history.steps - max(counted, default=0)

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, and the history."""
        return {part: getattr(self, part).state_dict() for part in STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        for part in STATE:
            getattr(self, part).load_state_dict(state[part])

    def _backward(self, batch: Batch, parts: int) -> Tensor:
        with self._autocast():
            loss = self.model.loss(*batch)
        self.scaler.scale(loss / parts).backward()
        return loss.detach()

    def _update(self) -> None:
        raise NotImplementedError

    def _autocast(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def _scaler_options(self) -> dict[str, Any]:
        return {
            "device": self.config.torch_device.type,
            "enabled": self.config.dtype is torch.float16,
        }

    def _optimizer_options(self) -> dict[str, Any]:
        return {
            "lr": self.config.lr,
            "betas": (0.9, self.config.beta2),
            "weight_decay": self.config.weight_decay,
        }


class HalfwordSide(Side):
    """16-bit linear layers, with INT8 products if asked for; the optimizer does all the rest, from
    unscaling and the overflow check to AdamW."""

    name = "halfword"

    def __init__(self, config: Config, model: ByteGPT) -> None:
        super().__init__(config, model.to_mixed(config.dtype))
        if config.int8:
            self.model.to_int8(Int8Training())
        if config.accumulate > 1:
            for param in self.model.parameters():
                param.grad_dtype = torch.float32  # micro-batches add up in FP32
        self.optimizer = halfword.optim.AdamW(
            self.model.parameters(),
            **self._optimizer_options(),
            master_weights=True,
            max_grad_norm=config.max_grad_norm,
        )
        self.scaler = halfword.amp.GradScaler(**self._scaler_options())

    def _update(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()


class TorchSide(Side):
    """FP32 parameters under autocast, torch's fused AdamW, clip_grad_norm_ and GradScaler."""

    name = "torch"

    def __init__(self, config: Config, model: ByteGPT) -> None:
        super().__init__(config, model)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), **self._optimizer_options(), fused=True
        )
        self.scaler = torch.amp.GradScaler(**self._scaler_options())

    def _update(self) -> None:
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _autocast(self) -> AbstractContextManager[Any]:
        mixed = self.config.dtype is not torch.float32
        return torch.autocast(self.config.torch_device.type, self.config.dtype, enabled=mixed)


@torch.no_grad()
def bits_per_byte(model: ByteGPT, text: Tensor, target: Tensor, batch: int) -> float:
    """What a model needs to encode each byte of `target`, in batches of this many rows."""
    total = 0.0
    for start in range(0, len(text), batch):
        rows = slice(start, start + batch)
        total += model.loss(text[rows], target[rows]).item() * len(text[rows])
    return total / len(text) / math.log(2)


class History:
    """Losses and times of every step, left on the device until someone reads them."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.losses: list[float] = []  # mean cross entropy of a step, in bits per byte
        self.times: dict[str, list[float]] = {phase: [] for phase in PHASES}  # seconds
        self.evaluations: list[tuple[int, float]] = []  # step, bits per byte
        self._new_losses: list[Tensor] = []
        self._new_marks: list[Any] = []

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return len(self.losses) + len(self._new_losses)

    def mark(self) -> None:
        """Note the time at a boundary: start, after backward, after the optimizer."""
        if self.device.type == "cuda":
            event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record()
            self._new_marks.append(event)
        else:
            self._new_marks.append(time.perf_counter())

    def add_loss(self, loss: Tensor) -> None:
        """Keep the loss of a step, in nats, without reading it."""
        self._new_losses.append(loss)

    def collect(self) -> None:
        """Read what the device holds; the only place where a step is waited for."""
        if not self._new_losses:
            return
        self.losses += (torch.stack(self._new_losses).cpu().double() / math.log(2)).tolist()
        marks = self._new_marks
        for start, middle, end in zip(marks[::3], marks[1::3], marks[2::3], strict=True):
            for phase, pair in zip(PHASES, ((start, middle), (middle, end)), strict=True):
                self.times[phase].append(self._seconds(*pair))
        self._new_losses, self._new_marks = [], []

    def state_dict(self) -> dict[str, Any]:
        """Everything read so far."""
        self.collect()
        return {"losses": self.losses, "times": self.times, "evaluations": self.evaluations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Replace what was read."""
        self.losses, self.times = state["losses"], state["times"]
        self.evaluations = state["evaluations"]

    def _seconds(self, start: Any, end: Any) -> float:
        if self.device.type == "cuda":
            end.synchronize()
            return float(start.elapsed_time(end)) / 1e3
        return float(end - start)


def make_sides(config: Config) -> list[Side]:
    """Our side and, to compare, torch's, both from the same initial weights."""
    kinds: list[type[Side]] = [HalfwordSide, TorchSide] if config.compare else [HalfwordSide]
    return [kind(config, initial_model(config)) for kind in kinds]


def initial_model(config: Config) -> ByteGPT:
    """The FP32 model that the seed describes, on the run's device."""
    torch.manual_seed(config.seed)
    return empty_model(config)


def empty_model(config: Config) -> ByteGPT:
    """A model of these sizes, on the run's device, with weights of no meaning."""
    sizes = {field.name: getattr(config, field.name) for field in fields(ModelConfig)}
    return ByteGPT(ModelConfig(**sizes)).to(config.torch_device)
