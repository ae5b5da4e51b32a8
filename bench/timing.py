"""One clock for everything: interleaved rounds, medians, ratios pair by pair, the machine's limits.

A noisy machine slows whatever happens to run. So the contestants take turns, A B C A B C, and are
compared within each round; and the probes of the machine's limits run in the same rounds.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import torch

from .peak import INSTRUCTIONS, dot_products, dot_products_on

SHORTEST_SAMPLE_S = 0.005  # of calls repeated until the clock's own cost is nothing
LEAD_IN_S = 0.01  # of calls before a sample: by then the threads of others have stopped to spin
LONG_CALL_S = 10 * LEAD_IN_S  # that makes so little difference to these that they do without
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


class Sample(NamedTuple):
    """One call, averaged over several in a row."""

    seconds: float
    host: float | None  # until the call has returned, where that is not when its work is done


class Clock(Protocol):
    """What times calls on a device."""

    def lead_in(self, run: Callable[[], object], call_s: float) -> None: ...

    def sample(self, run: Callable[[], object], calls: int = 1) -> Sample: ...


class CpuClock:
    """Of calls that return when their work is done."""

    def lead_in(self, run: Callable[[], object], call_s: float) -> None:
        """Every library has its own threads, and they wait for more work on cores that the next
        contestant needs, some for milliseconds."""
        if call_s < LONG_CALL_S:
            until = time.perf_counter() + LEAD_IN_S
            while time.perf_counter() < until:
                run()

    def sample(self, run: Callable[[], object], calls: int = 1) -> Sample:
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return Sample((time.perf_counter() - start) / calls, None)


class CudaClock:
    """Of calls that only queue work: the device's time between an event before the first and one
    after the last, and the host's until the last has returned."""

    def lead_in(self, run: Callable[[], object], call_s: float) -> None:
        """Nothing: a device has no threads that wait for work."""

    def sample(self, run: Callable[[], object], calls: int = 1) -> Sample:
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        first.record()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        host = (time.perf_counter() - start) / calls
        last.record()
        last.synchronize()
        return Sample(first.elapsed_time(last) * 1e-3 / calls, host)


def clock_of(device: torch.device) -> Clock:
    return CudaClock() if device.type == "cuda" else CpuClock()


@dataclass
class Times:
    """Of one contestant: an entry a round."""

    seconds: list[float] = field(default_factory=list)
    host: list[float] = field(default_factory=list)  # empty where calls wait for their work

    def append(self, sample: Sample) -> None:
        self.seconds.append(sample.seconds)
        if sample.host is not None:
            self.host.append(sample.host)


def warm_up(contestant: Contestant, clock: Clock) -> tuple[int, float]:
    """Call it a few times; how many calls make a sample long enough to time, and how long one
    takes. A sample of them tells better than one: the caches are as others left them only once."""
    last = math.inf
    for _ in range(WARMUP_CALLS):
        last = clock.sample(contestant.run).seconds
    calls = max(1, math.ceil(SHORTEST_SAMPLE_S / last))
    if calls > 1:
        last = clock.sample(contestant.run, calls).seconds
        calls = math.ceil(SHORTEST_SAMPLE_S / last)
    return calls, last


def interleave(
    contestants: Sequence[Contestant], rounds: int, clock: Clock | None = None
) -> dict[str, Times]:
    """The times of each contestant in each round; they take turns within a round."""
    clock = clock or CpuClock()
    calls = {each.name: warm_up(each, clock) for each in contestants}
    samples = {each.name: Times() for each in contestants}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for each in contestants:
                count, call_s = calls[each.name]
                clock.lead_in(each.run, call_s)
                samples[each.name].append(clock.sample(each.run, count))
    finally:
        gc.enable()
    return samples


# --- limits of the machine ------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """Moves bytes through memory, or does operations, as fast as something simple can."""

    kind: str  # read, update, copy, int8 or bf16
    how: str
    amount: int  # of bytes, or of operations
    run: Callable[[], object]

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.how}"


def unit_of(kind: str) -> str:
    return "GOP/s" if kind in INSTRUCTIONS else "GB/s"


@dataclass(frozen=True)
class Limits:
    """The fastest probe of each kind, and how fast every probe was."""

    best: dict[str, Probe]
    speeds: dict[str, Spread]  # GB/s or GOP/s, by probe name
    fastest: dict[str, float]  # the same in the best round of the best probe, by kind


def make_probes(mib: int) -> list[Probe]:
    """Several ways to do each kind, since none is the fastest on every machine.

    read: every byte is read once. update: every byte is read and written back, both counted, in
    one stream and (as an optimizer does) in four. copy: bytes read and written are counted. A CPU
    fetches the lines that it writes first, which is not counted, as nobody asked for it; a GPU
    does not, so that there a copy is one more way to update.
    """
    x = torch.zeros(mib * MIB // 4)
    half, quarters = x.chunk(2), x.chunk(4)
    full, x16 = x.nbytes, x.view(torch.bfloat16)
    inv_scale, found_inf = torch.ones(1), torch.zeros(1)
    copy = "update" if x.is_cuda else "copy"

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
        Probe(copy, "torch copy_", full, lambda: half[0].copy_(half[1])),
    ]  # fmt: skip


def dot_product_probes() -> list[Probe]:
    """On as many threads as torch uses, for the instructions that the machine has."""
    threads = torch.get_num_threads()
    return [
        Probe(kind, how, dot_products_on(threads, kind), partial(dot_products_on, threads, kind))
        for kind, how in INSTRUCTIONS.items()
        if dot_products(kind) is not None
    ]


def measure_limits(mib: int, rounds: int, device: torch.device) -> Limits:
    """Time every probe over a buffer of this size; far larger than the last cache to mean much."""
    with device:
        probes = make_probes(mib)
    if device.type == "cpu":
        probes += dot_product_probes()
    contestants = [Contestant(each.name, each.run) for each in probes]
    samples = interleave(contestants, rounds, clock_of(device))
    seconds = {name: times.seconds for name, times in samples.items()}
    speeds = {
        each.name: Spread.of([each.amount / s / 1e9 for s in seconds[each.name]]) for each in probes
    }
    best: dict[str, Probe] = {}
    for probe in sorted(probes, key=lambda each: speeds[each.name].median):
        best[probe.kind] = probe
    fastest = {kind: each.amount / min(seconds[each.name]) / 1e9 for kind, each in best.items()}
    return Limits(best, speeds, fastest)
