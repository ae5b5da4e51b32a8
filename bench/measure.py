"""One row: its sides checked against each other, built at full size, timed, forgotten."""

import gc
from collections.abc import Sequence
from dataclasses import asdict

import torch

from .problem import Bound, Row, Shapes, Side
from .report import Line, RowReport, at_limit, make_line
from .timing import Contestant, Limits, clock_of, interleave


class DifferentResultsError(Exception):
    """Two sides do not compute the same thing, so that comparing their times means nothing."""


def compare(ours: Side, theirs: Side, bounds: dict[str, Bound]) -> float:
    """One step of each from the same state; the worst error as a fraction of its bound."""
    left, right, worst = ours.results(), theirs.results(), 0.0
    common = left.keys() & right.keys()
    if not common:
        raise DifferentResultsError(f"{theirs.name}: has no result in common with {ours.name}")
    for name in common:
        for a, b in zip(left[name], right[name], strict=True):
            worst = max(worst, bounds[name].excess(a, b))
    if not worst <= 1:
        raise DifferentResultsError(f"{theirs.name}: {worst:.3g} times the allowed difference")
    return worst


CPU = torch.device("cpu")


def check_row(row: Row, device: torch.device = CPU) -> tuple[dict[str, float], dict[str, str]]:
    """Every rival against ours, over a few odd shapes: the errors, and why some are left out."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus), device:
        sides = [side for side in row.sides(row.check) if isinstance(side, Side)]
    errors: dict[str, float] = {}
    refused: dict[str, str] = {}
    ours = sides[0]
    ours.step()
    for rival in sides[1:]:
        try:
            rival.step()
            errors[rival.name] = compare(ours, rival, row.bounds)
        except Exception as error:
            if not rival.optional:
                raise
            refused[rival.name] = f"{rival.name}: does not do the same here ({error})"
    return errors, refused


def run_row(row: Row, limits: Limits, rounds: int, device: torch.device = CPU) -> RowReport:
    """Check, then time over as many of the row's tensors as the device has memory for."""
    errors, refused = check_row(row, device)
    shapes = row.shapes
    while True:
        try:
            return time_row(row, shapes, limits, rounds, device, errors, refused)
        except torch.OutOfMemoryError:
            if len(shapes) == 1:
                raise
        shapes = shapes[: len(shapes) // 2]
        release(device)


def release(device: torch.device) -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def time_row(
    row: Row, shapes: Shapes, limits: Limits, rounds: int, device: torch.device,
    errors: dict[str, float], refused: dict[str, str],
) -> RowReport:  # fmt: skip
    """Build the sides over these shapes, and let them take turns with the probes."""
    with device:
        outcomes = row.sides(shapes)
    sides = [side for side in outcomes if isinstance(side, Side) and side.name not in refused]
    probes = [limits.best[kind] for kind in row.traffic.kinds]
    contestants = [*(Contestant(side.name, side.step) for side in sides),
                   *(Contestant(probe.name, probe.run) for probe in probes)]  # fmt: skip
    samples = interleave(contestants, rounds, clock_of(device))
    elements = count(shapes)
    limit = at_limit(row.traffic, elements, limits, samples)
    ours = samples[sides[0].name].seconds
    lines: list[Line] = [
        make_line(row.traffic, elements, side.name, samples[side.name],
                  None if side is sides[0] else ours, limit, errors.get(side.name))
        for side in sides
    ]  # fmt: skip
    absent = [line for line in outcomes if isinstance(line, str)]
    return RowReport(
        row.name, elements, len(shapes), asdict(row.traffic),
        {name: asdict(bound) for name, bound in row.bounds.items()}, lines,
        [*absent, *refused.values()], len(row.shapes), row.group,
    )  # fmt: skip


def count(shapes: Sequence[tuple[int, ...]]) -> int:
    return sum(torch.Size(shape).numel() for shape in shapes)
