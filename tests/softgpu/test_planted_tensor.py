"""Bugs planted in two INT8 GEMMs are caught, and the right kernels pass, whatever the schedule.

The table of who catches what is left in build/softgpu/planted_tensor.txt.
"""

import ctypes
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from .build import TREE

KERNELS = Path(__file__).parent / "kernels"
SHAPE = (130, 72, 400)  # two and three tiles with tails; K of more tiles than there are stages
PATIENCE = 20_000  # switches without progress; the right kernels never need that many

RESULT, RACE, BOUNDS, HANG, RULE = "result", "race", "bounds", "hang", "rule"


class Run(NamedTuple):
    schedule: str
    landing: str
    race: bool

    def __str__(self) -> str:
        return f"{self.schedule}, {self.landing}{', race' if self.race else ''}"


RUNS = [
    Run("first-in", "early", False),
    Run("first-in", "late", False),
    Run("last-in", "late", False),
    Run("random", "mixed", False),
    Run("priority", "mixed", False),
    Run("first-in", "early", True),
    Run("random", "late", True),
]


class Planted(NamedTuple):
    """A bug by its name in the kernel's source, and by what it must be caught at least."""

    name: str
    what: str
    caught_by: set[str]

    def __str__(self) -> str:
        return self.name


SM80 = [
    Planted("NoBarrierAfterWait", "other threads' copies are read unsynchronised", {RESULT, RACE}),
    Planted("NoBarrierBeforeReuse", "a stage is overwritten under its readers", {RESULT, RACE}),
    Planted("WaitOneGroupEarly", "wait_group 2 instead of 1", {RESULT, RACE}),
    Planted("NoWait", "no wait_group", {RESULT, RACE}),
    Planted("NoCommit", "no commit_group, so that waits wait for nothing", {RESULT, RACE}),
    Planted("UnguardedRows", "rows beyond the end are read", {BOUNDS}),
    Planted("NoZeroFill", "src-size 16 where the tail needs 0", {RESULT}),
    Planted("SourceSizeOfRow", "src-size too small at the end of a row", {RESULT}),
    Planted("NoColumnGuard", "columns beyond the end are stored", {BOUNDS, RACE}),
    Planted("NoRowGuard", "rows beyond the end are stored", {BOUNDS}),
    Planted("OffByOneRow", "the row after the last is read", {BOUNDS}),
    Planted("SwizzleOnStoreOnly", "ldmatrix reads without the swizzle", {RESULT}),
    Planted("SwizzleOutOfTile", "the swizzle leaves its row", {BOUNDS}),
    Planted("SwappedARegisters", "the middle registers of A change places", {RESULT}),
    Planted("SwappedBRegisters", "the registers of B change places", {RESULT}),
    Planted("LostLastTile", "K / 64 rounded down", {RESULT}),
    Planted("WrongStage", "the stage being filled is read", {RESULT, RACE}),
    Planted("BarrierInBranch", "__syncthreads in half of the warps", {RULE, RACE}),
]

SM90 = [
    Planted("NoInitSync", "mbarriers are used before all know they are there", {RULE}),
    Planted("NoInitFence", "no fence.mbarrier_init", {RULE}),
    Planted("NoEmptyWait", "the producer never waits for a free stage", {RULE, RACE}),
    Planted("ExpectTooFew", "expect_tx without the bytes of B", {RACE}),
    Planted("ExpectTooMany", "expect_tx of 16 bytes more", {HANG}),
    Planted("NoFullWait", "the consumers never wait for data", {RESULT, RACE}),
    Planted("WrongParity", "the consumers wait for the phase before", {RACE}),
    Planted("ParityNeverFlips", "the consumers wait for phase 0 for ever", {HANG}),
    Planted("InvertedTryWait", "loops while try_wait is true", {HANG}),
    Planted("NoWgmmaFence", "no wgmma.fence", {RULE}),
    Planted("ReleasedEarly", "a stage is released before its products are done", {RESULT, RACE}),
    Planted("NoLastWait", "no wgmma.wait_group 0 before the accumulators are read", {RULE}),
    Planted("WrongStride", "half the stride offset in the descriptors", {RESULT}),
    Planted("WrongSwizzle", "64-byte swizzle in the descriptors", {RESULT}),
    Planted("SwappedDescriptors", "B times A", {RESULT}),
    Planted("SameSliceOfK", "descriptors do not advance along K", {RESULT}),
    Planted("DescriptorsDiffer", "each warp has its own descriptor", {RULE}),
    Planted("TooManyArrivals", "all 32 lanes release a stage", {HANG}),
    Planted("TooFewArrivals", "the empty barriers count one too many", {HANG}),
    Planted("LostLastTile", "K / 128 rounded down", {RESULT}),
    Planted("NoRowGuard", "rows beyond the end are stored", {BOUNDS}),
    Planted("MisalignedStage", "TMA to 64 bytes beyond an aligned address", {BOUNDS}),
    Planted("OneThreadReleases", "one thread releases a stage for four warps", {RACE}),
    Planted("NoExitBarrier", "a block exits while the other still uses its memory", {BOUNDS}),
    Planted("MulticastToOne", "half of B goes to block 0 only", {HANG}),
    Planted("SameHalfTwice", "both blocks load the first half of B", {RESULT, RACE}),
    Planted("ReleasesOwnOnly", "the other block's producer is not told", {HANG}),
    Planted("NoProxyFence", "no fence.proxy.async before the TMA store", {RACE}),
    Planted("NoStoreBarrier", "the TMA store does not wait for all threads", {RESULT, RACE}),
    Planted("NoStoreWait", "exits while the TMA store may still read", {RULE}),
    Planted("StoreTransposed", "the coordinates of the TMA store change places", {RESULT}),
]

RIGHT = [("sm80", 0), ("sm90", 0), ("sm90", 1), ("sm90", 2)]
RIGHT_NAMES = ["sm80", "sm90-plain", "sm90-cluster", "sm90-tensor-store"]
TAILS = [(1, 4, 16), (65, 60, 144), SHAPE]


def numbers(kernel: str) -> dict[str, int]:
    """The bugs of a kernel by the enumeration in its source."""
    source = {"sm80": "gemm_sm80.cu", "sm90": "gemm_sm90a.cu"}[kernel]
    body = re.search(r"enum Bug \{(.*?)\}", (KERNELS / source).read_text(), re.DOTALL)[1]
    found: dict[str, int] = {}
    following = 0
    for name, _, alias in (item.strip().partition(" = ") for item in body.strip(",\n ").split(",")):
        if not name.endswith("Bugs"):  # those only mark where a part begins
            found[name.removeprefix("k")] = found.get(alias, following)
            following += 1
    return found


class Gemms:
    """The GEMMs on fixed random operands."""

    def __init__(self, softgpu):
        self.softgpu = softgpu
        self.library = softgpu.load("softgpu_kernels")

    def catch(self, kernel: str, bug: int, variant: int, shape: tuple[int, int, int]) -> str | None:
        """Run once; returns what caught an error, or None."""
        m, n, k = shape
        a = torch.randint(-128, 128, (m, k), dtype=torch.int8)
        b = torch.randint(-128, 128, (n, k), dtype=torch.int8)
        c = torch.full((m, n), 0x55555555, dtype=torch.int32)
        pointers = [ctypes.c_void_p(x.data_ptr()) for x in (a, b, c)]
        with self.softgpu.lend(a, b, writable=False), self.softgpu.lend(c):
            if kernel == "sm80":
                status = self.library.run_gemm_sm80(bug, *pointers, m, n, k)
            else:
                status = self.library.run_gemm_sm90(bug, variant, *pointers, m, n, k)
            message = self.softgpu.last_error() if status != 0 else ""
            self.softgpu.reset()  # an error would stay
        if status != 0:
            return kind_of(message)
        return None if torch.equal(c.double(), a.double() @ b.double().T) else RESULT


def kind_of(message: str) -> str:
    """Which part of the engine speaks."""
    for words, kind in (
        ("data race", RACE),
        ("out of bounds|misaligned|has exited", BOUNDS),
        ("deadlock|livelock", HANG),
    ):
        if re.search(words, message):
            return kind
    return RULE


@pytest.fixture
def gemms(softgpu):
    torch.manual_seed(1)
    with softgpu.settings(patience=PATIENCE):
        yield Gemms(softgpu)


@pytest.fixture(scope="module")
def table():
    rows: list[str] = []
    yield rows
    (TREE / "planted_tensor.txt").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("run", RUNS, ids=str)
@pytest.mark.parametrize(("kernel", "variant"), RIGHT, ids=RIGHT_NAMES)
def test_right_kernel_passes(gemms, softgpu, kernel, variant, run):
    for shape in TAILS:
        with softgpu.settings(**run._asdict(), seed=7):
            assert gemms.catch(kernel, 0, variant, shape) is None, softgpu.last_error()


def check_caught(gemms, softgpu, table, kernel: str, bug: Planted):
    number = numbers(kernel)[bug.name]
    caught = {}
    for run in RUNS:
        with softgpu.settings(**run._asdict(), seed=7):
            caught[run] = gemms.catch(kernel, number, 0, SHAPE)
    table.append(f"{kernel} {bug.name}: {bug.what}")
    table.extend(f"    {run!s:24} {by or '-'}" for run, by in caught.items())
    assert bug.caught_by <= set(caught.values())
    if RACE in bug.caught_by:  # independent of the schedule
        assert all(by is not None for run, by in caught.items() if run.race)


@pytest.mark.parametrize("bug", SM80, ids=str)
def test_sm80_bug_is_caught(gemms, softgpu, table, bug):
    check_caught(gemms, softgpu, table, "sm80", bug)


@pytest.mark.parametrize("bug", SM90, ids=str)
def test_sm90_bug_is_caught(gemms, softgpu, table, bug):
    check_caught(gemms, softgpu, table, "sm90", bug)


@pytest.mark.parametrize(("kernel", "bugs"), [("sm80", SM80), ("sm90", SM90)])
def test_every_planted_bug_is_in_the_table(kernel, bugs):
    assert set(numbers(kernel)) - {"Right"} == {bug.name for bug in bugs}
