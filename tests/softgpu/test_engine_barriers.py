"""Barriers of a block on the software GPU, and launches that never end."""

import pytest

from .engine_cases import SCHEDULES, error_of, place, run

PATIENCE = 20_000  # switches: enough for any case here, and soon over

pytestmark = pytest.mark.parametrize("schedule", SCHEDULES)


@pytest.fixture(autouse=True)
def _adversary(softgpu, schedule):
    with softgpu.adversary(schedule=schedule, patience=PATIENCE):
        yield


def test_reductions():
    data = run("barrier_reductions")
    assert data[:96] == [32] * 96
    assert data[96:192] == [1] * 96
    assert data[192:288] == [1] * 96


def test_an_inlined_barrier_may_have_two_copies():
    assert run("helper_called_twice")[:64] == [63 - (t + 1) % 64 for t in range(64)]


def test_threads_that_left_are_not_waited_for():
    assert run("early_exit")[:40] == list(range(39, -1, -1))


def test_named_barriers_hand_over():
    data = run("named_barriers")
    assert data[:128] == [(31 - lane) * 10 + i for i in range(4) for lane in range(32)]


def test_counts_are_of_whole_warps():
    assert run("count_of_a_partial_warp")[:40] == list(range(39, -1, -1))


def test_threads_that_meet_in_different_syncthreads():
    message = error_of("different_barriers")
    assert "threads of a block meet in different __syncthreads" in message
    assert place("first_of_two") in message
    assert place("second_of_two") in message


def test_counts_that_disagree(schedule):
    message = error_of("counts_disagree")
    # Where the 32 come first, they are a barrier of their own, and the 64 wait for ever.
    assert ("deadlock" if schedule == "last-in" else "thread count") in message
    if schedule == "last-in":
        return
    assert place("count_64") in message
    assert place("count_32") in message


def test_a_deadlock_tells_what_everybody_waits_in():
    message = error_of("deadlock")
    assert "deadlock: no thread can go on" in message
    assert "20 threads wait in bar.sync" in message
    assert "108 threads wait in __syncthreads" in message
    assert place("ten_wait") in message
    assert place("the_rest_wait") in message


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("spins_on_volatile", "32 threads spin in a volatile load"),
        ("spins_on_ordinary_load", "must read volatile or with an order"),
        ("spins_on_lock", "spin in an atomic"),
        ("spins_asleep", "1 threads spin in"),
    ],
)
def test_a_livelock_tells_who_spins_where(case, what):
    message = error_of(case)
    assert "livelock" in message
    assert what in message
    assert place(case) in message


def test_spinning_does_not_starve_the_one_that_all_wait_for():
    assert run("all_wait_for_one")[10:110] == list(range(100))


def test_spinning_does_not_starve_the_holder_of_a_lock():
    assert run("lock")[:2] == [0, 128]


def test_an_error_tells_how_to_see_it_again(softgpu, schedule):
    with softgpu.adversary(seed=77):
        assert f"seed 77, schedule {schedule}, landing late" in error_of("deadlock")


def test_after_a_failed_launch_the_next_one_runs():
    for case in ("deadlock", "spins_on_volatile", "different_barriers"):
        error_of(case)
        assert run("good_launch")[:128] == [b * 64 + 63 - t for b in range(2) for t in range(64)]
