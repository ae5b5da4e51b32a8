"""Steps with a limit each, under one limit for all: what tools/gpu_check.py runs, and what it says.

A step that fails does not stop the others; one for which there is no time left is skipped, and so
is one that lacks something here. Each has a line that says so.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PASSED, FAILED, STOPPED, SKIPPED = "passed", "failed", "stopped", "skipped"
SECONDS = "{seconds}"  # in a command: what the step may take, for programs that can plan
SPARE_S = 15.0  # that such a program is given less, to finish what it has begun
GRACE_S = 5.0  # between asking a step to end and ending it
KEPT_BYTES = 2 << 20  # of a step's output
TAIL_CHARACTERS = 2000


@dataclass(frozen=True)
class Step:
    """A command, and how long it may take."""

    name: str
    command: list[str]
    limit_s: float
    least_s: float = 10.0  # it is not begun with less than this left
    missing: str = ""  # what it lacks here; it is skipped then
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What came of a step."""

    name: str
    state: str
    seconds: float
    note: str
    output: str = ""


@dataclass(frozen=True)
class Finished:
    """A command that has ended, or was ended."""

    status: int | None  # None: it was stopped at its limit
    output: str


Runner = Callable[[list[str], dict[str, str], float], Finished]


def run_command(command: list[str], environment: dict[str, str], limit_s: float) -> Finished:
    """Run it in a process group of its own, which ends with it."""
    try:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=listen,
        )  # fmt: skip
    except OSError as error:
        return Finished(127, f"{command[0]}: {error.strerror}")
    status: int | None = None
    try:
        output, _ = process.communicate(timeout=limit_s)
        status = process.returncode
    except subprocess.TimeoutExpired:
        output = stop(process)
    return Finished(status, output[-KEPT_BYTES:].decode(errors="replace"))


def listen() -> None:
    """Let the process be asked to end: who starts us in the background may have us ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop(process: "subprocess.Popen[bytes]") -> bytes:
    """End a process and all that it started: asked first, so that it can write what it has."""
    output = b""
    for signal_ in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_)
        try:
            output = process.communicate(timeout=GRACE_S)[0] or output
        except subprocess.TimeoutExpired as late:  # or something else holds its output open
            output = late.output or output
    return output


def run_steps(
    steps: Iterable[Step], total_s: float, run: Runner = run_command,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Result]:  # fmt: skip
    """One after the other, in the order given, until `total_s` seconds are over."""
    end = clock() + total_s
    for step in steps:
        left = end - clock()
        if step.missing:
            yield Result(step.name, SKIPPED, 0.0, step.missing)
        elif left < step.least_s:
            note = f"needs {step.least_s:.0f} s, {max(left, 0):.0f} s are left"
            yield Result(step.name, SKIPPED, 0.0, note)
        else:
            yield run_step(step, min(step.limit_s, left), run, clock)


def run_step(step: Step, limit_s: float, run: Runner, clock: Callable[[], float]) -> Result:
    planned = str(int(max(limit_s - SPARE_S, 1)))
    command = [word.replace(SECONDS, planned) for word in step.command]
    start = clock()
    done = run(command, step.environment, limit_s)
    seconds = clock() - start
    if done.status is None:
        note = f"stopped after {limit_s:.0f} s; {last_line(done.output)}"
        return Result(step.name, STOPPED, seconds, note, done.output)
    state = PASSED if done.status == 0 else FAILED
    note = last_line(done.output) or f"exit status {done.status}"
    return Result(step.name, state, seconds, note, done.output)


def last_line(output: str) -> str:
    """Where pytest and the others say what came out."""
    lines = [line.strip(" =") for line in output.splitlines()]
    return next((line for line in reversed(lines) if line), "")


def summary(results: Iterable[Result]) -> str:
    """A line for each step."""
    lines = [
        f"{each.state:8} {each.name:14} {each.seconds:6.1f} s  {each.note}" for each in results
    ]
    return "\n".join(lines) + "\n"


def tails(results: Iterable[Result]) -> str:
    """The end of the output of what failed or was stopped, for who sees only this."""
    bad = [each for each in results if each.state in (FAILED, STOPPED)]
    return "".join(f"\n==== {each.name}\n{each.output[-TAIL_CHARACTERS:]}" for each in bad)


def all_well(results: Iterable[Result]) -> bool:
    """Nothing failed or was stopped, and something was run."""
    states = [each.state for each in results]
    return PASSED in states and not {FAILED, STOPPED} & set(states)


def write_log(path: Path, results: Iterable[Result]) -> None:
    """The output of every step."""
    path.write_text("".join(f"\n==== {each.name}\n{each.output}" for each in results))
