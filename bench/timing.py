"""One clock for everything: interleaved rounds, medians, ratios pair by pair, the machine's limits.

A noisy machine slows whatever happens to run. So the contestants take turns, A B C A B C, and are
compared within each round; and the probes of the machine's limits run in the same rounds.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

SHORTEST_SAMPLE_S = 0.005  # of calls repeated until the clock's own cost is nothing
WARMUP_CALLS = 2  # pages, thread pools and compilers are ready; the last one is timed
MIB = 2**20


@dataclass(frozen=True)
class Contestant:
    """Something to time."""

    name: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """The middle of a sample, and its quartiles."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> "Spread":
        if len(values) == 1:
            return Spread(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(median, low, high)


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Pair by pair: round i against round i."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]


def seconds_of(run: Callable[[], object], calls: int = 1) -> float:
    """Time of one call, averaged over `calls` in a row."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def warm_up(contestant: Contestant) -> int:
    """Call it a few times; how many calls make a sample long enough to time."""
    last = math.inf
    for _ in range(WARMUP_CALLS):
        last = seconds_of(contestant.run)
    return max(1, math.ceil(SHORTEST_SAMPLE_S / last))


def interleave(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[float]]:
    """Seconds a call of each contestant in each round; they take turns within a round."""
    calls = {each.name: warm_up(each) for each in contestants}
    samples: dict[str, list[float]] = {each.name: [] for each in contestants}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for each in contestants:
                samples[each.name].append(seconds_of(each.run, calls[each.name]))
    finally:
        gc.enable()
    return samples


# --- limits of the machine ------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """Moves `bytes` through memory as fast as something simple can."""

    kind: str  # read, update or copy
    how: str
    bytes: int
    run: Callable[[], object]

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.how}"


@dataclass(frozen=True)
class Limits:
    """The fastest probe of each kind, and how fast every probe was."""

    best: dict[str, Probe]
    gb_per_s: dict[str, Spread]  # by probe name
    fastest: dict[str, float]  # GB/s in the best round of the best probe, by kind


def make_probes(mib: int) -> list[Probe]:
    """Several ways to do each kind, since none is the fastest on every machine.

    read: every byte is read once. update: every byte is read and written back, both counted, in
    one stream and (as an optimizer does) in four. copy: bytes read and written are counted; the
    lines written are also fetched first, which is not counted, as nobody asked for it.
    """
    x = torch.zeros(mib * MIB // 4)
    half, quarters = x.chunk(2), x.chunk(4)
    full, x16 = x.nbytes, x.view(torch.bfloat16)
    inv_scale, found_inf = torch.ones(1), torch.zeros(1)

    def check() -> None:
        torch.ops.halfword.unscale_check([x16], inv_scale, found_inf, None, False)

    return [
        Probe("read", "torch sum of fp32", full, lambda: x.sum()),
        Probe("read", "torch max of fp32", full, lambda: x.max()),
        Probe("read", "halfword overflow check of bf16", full, check),
        Probe("update", "torch add_", 2 * full, lambda: x.add_(1.0)),
        Probe("update", "torch mul_", 2 * full, lambda: x.mul_(0.5)),
        Probe("update", "torch _foreach_mul_ of 4 streams", 2 * full,
              lambda: torch._foreach_mul_(quarters, 0.5)),
        Probe("copy", "torch copy_", full, lambda: half[0].copy_(half[1])),
    ]  # fmt: skip


def measure_limits(mib: int, rounds: int) -> Limits:
    """Time every probe over a buffer of this size; far larger than the last cache to mean much."""
    probes = make_probes(mib)
    samples = interleave([Contestant(each.name, each.run) for each in probes], rounds)
    speeds = {
        each.name: Spread.of([each.bytes / s / 1e9 for s in samples[each.name]]) for each in probes
    }
    best: dict[str, Probe] = {}
    for probe in sorted(probes, key=lambda each: speeds[each.name].median):
        best[probe.kind] = probe
    fastest = {kind: each.bytes / min(samples[each.name]) / 1e9 for kind, each in best.items()}
    return Limits(best, speeds, fastest)
