"""Warp-wide instructions of the software GPU."""

import pytest

from .engine_cases import SCHEDULES, error_of, place, run

LANES = range(32)
ODD = [lane for lane in LANES if lane % 2 == 1]


def _shuffle(mode, lane, segment):
    """Value and predicate of a shuffle by 3 in segments of so many lanes."""
    first = lane // segment * segment
    source = {"up": lane - 3, "down": lane + 3, "bfly": lane ^ 3, "idx": first + 3}[mode]
    inside = first <= source < first + segment
    return (source + 64) if inside else lane


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_shuffles(softgpu, schedule):
    with softgpu.adversary(schedule=schedule):
        data = run("shuffles")
    for row, mode in enumerate(["up", "down", "bfly", "idx"]):
        for half, segment in enumerate([32, 8]):
            at = (row * 2 + half) * 32
            expected = [_shuffle(mode, lane, segment) for lane in LANES]
            assert data[at : at + 32] == expected, (mode, segment)


def _signed(word):
    return word - 2**32 if word >= 2**31 else word


def _bits(lanes):
    return _signed(sum(1 << lane for lane in lanes))


def _xor(values):
    result = 0
    for value in values:
        result ^= value
    return result


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_votes_matches_and_reductions(softgpu, schedule):
    with softgpu.adversary(schedule=schedule):
        data = run("votes")
    rows = [data[at : at + 32] for at in range(0, 288, 32)]
    assert rows[0] == [_bits(range(0, 32, 3))] * 32
    assert rows[1] == [1] * 32
    assert rows[2] == [1] * 32
    assert rows[3] == [_bits(x for x in LANES if x // 10 == lane // 10) for lane in LANES]
    assert rows[4] == [0] * 32  # all bits of the mask, -1, and the predicate
    for row, value in [
        (5, sum(ODD)),
        (6, 1 - 20),
        (7, -1),  # the greatest without a sign
        (8, _xor(ODD)),
    ]:
        assert [rows[row][lane] for lane in ODD] == [value] * 16


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_halves_of_a_warp_meet_apart(softgpu, schedule):
    with softgpu.adversary(schedule=schedule):
        data = run("halves")
    assert data[:32] == [(lane ^ 1) * (4 + lane // 16) for lane in LANES]


def test_lanes_that_a_block_lacks_do_not_count(softgpu):
    assert run("partial_warp")[:40] == [t ^ 1 for t in range(40)]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("not_in_own_mask", "__syncwarp: lane 5 is not in its own mask 0xffffffdf"),
        ("exited_lane", "exit"),
        ("reads_absent_lane", "reads lane 20, which does not take part (mask 0x0000ffff)"),
    ],
)
def test_misuse_is_named_with_its_line(softgpu, case, what, schedule):
    with softgpu.adversary(schedule=schedule):
        message = error_of(case)
    assert what in message
    assert place(case) in message


def test_masks_that_differ_are_a_deadlock(softgpu):
    message = error_of("different_masks")
    assert "deadlock" in message
    assert "8 threads wait in vote.sync.ballot" in message
    assert "24 threads wait in __syncthreads" in message
    assert place("different_masks") in message
    assert place("waits_elsewhere") in message
