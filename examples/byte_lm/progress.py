"""What a run says while it trains: a live bar, periodic lines, or nothing."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from .side import Side

LIVE_SECONDS = 0.5
LINE_SECONDS = 10.0
WIDE = 120  # columns that leave room for a bar beside the numbers
SMOOTHED_STEPS = 20  # losses averaged for display


class Progress:
    """Says nothing; the base of those that do."""

    period = float("inf")

    def __init__(self, console: Console, steps: int, tokens_per_step: int) -> None:
        self.console, self.steps, self.tokens_per_step = console, steps, tokens_per_step
        self.first_step: int | None = None

    def __enter__(self) -> "Progress":
        self.started = self.shown = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def update(self, sides: list[Side]) -> None:
        """Note a step; reads the device only when something is due to be shown."""
        done = sides[0].history.steps
        if self.first_step is None:
            self.first_step = done - 1
        now = time.monotonic()
        if now - self.shown < self.period and done < self.steps:
            return
        self.shown = now
        self.show(done, self.describe(sides), (done - self.first_step) / (now - self.started))

    def show(self, done: int, text: str, steps_per_second: float) -> None:
        """Show the state after `done` steps."""

    def describe(self, sides: list[Side]) -> str:
        """Loss of each side; scale and skipped steps of ours."""
        for side in sides:
            side.history.collect()
        recent = [side.history.losses[-SMOOTHED_STEPS:] for side in sides]
        means = [sum(losses) / len(losses) for losses in recent]
        loss = " ".join(f"{side.name} {mean:.3f}" for side, mean in zip(sides, means, strict=True))
        ours = sides[0]
        return (
            f"bits/byte {loss if len(sides) > 1 else f'{means[0]:.3f}'}  "
            f"scale {ours.scaler.get_scale():g}  skipped {ours.skipped_steps()}"
        )


class LineProgress(Progress):
    """A line every few seconds, for logs and pipes."""

    period = LINE_SECONDS

    def show(self, done: int, text: str, steps_per_second: float) -> None:
        minutes, seconds = divmod(round((self.steps - done) / steps_per_second), 60)
        rate = steps_per_second * self.tokens_per_step
        self.console.out(
            f"step {done}/{self.steps}  {text}  {rate:,.0f} tokens/s  eta {minutes}:{seconds:02}",
            highlight=False,
        )


class LiveProgress(Progress):
    """A bar that redraws itself, for terminals."""

    period = LIVE_SECONDS

    def __enter__(self) -> "LiveProgress":
        super().__enter__()
        columns = [MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[text]}")]
        if self.console.width >= WIDE:
            columns.insert(0, BarColumn(bar_width=20))
        self.bar = Bar(*columns, console=self.console)
        self.bar.start()
        self.task = self.bar.add_task("train", total=self.steps, text="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def show(self, done: int, text: str, steps_per_second: float) -> None:
        rate = steps_per_second * self.tokens_per_step
        self.bar.update(self.task, completed=done, text=f"{text}  {rate:,.0f} tokens/s")


def make_progress(console: Console, quiet: bool, steps: int, tokens_per_step: int) -> Progress:
    """The kind that suits where the output goes."""
    kind = Progress if quiet else LiveProgress if console.is_terminal else LineProgress
    return kind(console, steps, tokens_per_step)
