"""The training loop: schedule, interruption, checkpoints, and a state that resumes exactly."""

import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from .checkpoint import load_checkpoint, save_checkpoint
from .config import Config, UserError
from .data import Batches, Corpus, test_windows
from .progress import Progress
from .side import make_sides

FINAL_LR = 0.05  # of the peak; the loss still falls at this rate
EVALUATIONS = 10  # points on the validation curve
TEST_WINDOWS = 256


class Run:
    """A training run: sides, position in the text, and the step it has reached."""

    def __init__(self, config: Config, corpus: Corpus) -> None:
        self.config, self.corpus = config, corpus
        self.sides = make_sides(config)
        self.batches = Batches(corpus.train, config.context, config.batch, config.seed)
        self.test = self._to_device(test_windows(corpus.held_out, config.context, TEST_WINDOWS))
        self.step = 0

    def train_step(self) -> None:
        """One step of every side on the same bytes, the sides taking turns to go first."""
        batches = [self._to_device(self.batches.next()) for _ in range(self.config.accumulate)]
        lr = learning_rate(self.config, self.step)
        turn = self.step % len(self.sides)
        for side in self.sides[turn:] + self.sides[:turn]:
            side.step(batches, lr)
        self.step += 1
        if self.step % max(1, self.config.steps // EVALUATIONS) == 0 or self.finished:
            self.evaluate()

    def evaluate(self) -> None:
        """Add a point to each side's validation curve."""
        for side in self.sides:
            side.history.evaluations.append((self.step, side.evaluate(*self.test)))

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.config.steps

    def settings(self) -> dict[str, Any]:
        """What a checkpoint must agree on: the settings, and the text by its hash."""
        return self.config.plain() | {"text": self.corpus.sha256}

    def save(self, path: Path) -> None:
        """Write everything the next step depends on."""
        save_checkpoint(
            path,
            {
                "config": self.settings(),
                "step": self.step,
                "batches": self.batches.state_dict(),
                "rng": rng_state(),
                "sides": {side.name: side.state_dict() for side in self.sides},
            },
        )

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of the same settings, bit for bit."""
        state = load_checkpoint(path, self.settings())
        try:
            for side in self.sides:
                side.load_state_dict(state["sides"][side.name])
            self.batches.load_state_dict(state["batches"])
            self.step = state["step"]
            set_rng_state(state["rng"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{path}: damaged checkpoint: {type(error).__name__}") from error

    def _to_device(self, pair: tuple[torch.Tensor, torch.Tensor]) -> Any:
        return tuple(tensor.to(self.config.torch_device) for tensor in pair)


class Interruption:
    """Turns the first Ctrl-C (or a termination) into a request; a second one acts at once."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, minutes: float | None = None) -> None:
        self.reason: str | None = None
        self._deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def requested(self) -> bool:
        """Whether to stop after the step in hand."""
        if self.reason is None and time.monotonic() > self._deadline:
            self.reason = "time is up"
        return self.reason is not None

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self.reason = "interrupted" if number == signal.SIGINT else "terminated"
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def train(run: Run, path: Path, save_every: int, progress: Progress, stop: Interruption) -> bool:
    """Train to the last step, or until `stop`; save either way. True if finished."""
    with stop, progress:
        while not run.finished and not stop.requested():
            run.train_step()
            progress.update(run.sides)
            if run.step % save_every == 0 and not run.finished:
                run.save(path)
        for side in run.sides:
            side.history.collect()
        run.save(path)
    return run.finished


def learning_rate(config: Config, step: int) -> float:
    """Linear warmup, then half a cosine down to a twentieth of the peak."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.lr * (FINAL_LR + (1 - FINAL_LR) * (1 + math.cos(math.pi * share)) / 2)


def rng_state() -> dict[str, Any]:
    """Torch's generators."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_rng_state(state: dict[str, Any]) -> None:
    """Put torch's generators back."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
