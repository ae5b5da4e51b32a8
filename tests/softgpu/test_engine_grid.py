"""Blocks of a grid that work together on the software GPU."""

import pytest

from .engine_cases import SCHEDULES, error_of, place, run

SEEDS = range(3)
TICKET_SUM = sum(range(1, 7))


@pytest.fixture(autouse=True, params=SCHEDULES)
def adversary(softgpu, request):
    with softgpu.adversary(schedule=request.param, race=True, patience=50_000):
        yield request.param


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", ["ticket", "ticket_volatile_reads"])
def test_the_last_block_adds_up_what_the_others_left(softgpu, case, seed):
    with softgpu.adversary(seed=seed):
        assert run(case)[:2] == [0, TICKET_SUM]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "case",
    ["ticket_without_writers_fence", "ticket_without_readers_fence", "ticket_block_scope_fence"],
)
def test_tickets_without_the_right_fences_race(softgpu, case, seed):
    with softgpu.adversary(seed=seed):
        message = error_of(case)
    assert "data race (read after write)" in message
    assert place("partial_store") in message


def test_a_missing_fence_of_the_reader_is_suggested():
    assert "a fence after the atomic" in error_of("ticket_without_readers_fence")
    assert "a fence after the atomic" not in error_of("ticket_without_writers_fence")


def test_atomics_are_read_after_a_fence():
    assert run("histogram")[32:40] == [48] * 8


def test_atomics_that_are_read_without_a_fence_race():
    assert "data race" in error_of("histogram_without_fence")


def test_release_and_acquire_order():
    assert run("release_acquire")[2] == 7


def test_a_release_that_ends_with_the_block_does_not_reach_another():
    assert "data race" in error_of("release_in_a_block_only")


def test_a_relaxed_store_does_not_release():
    assert "data race" in error_of("relaxed_flag")


def test_a_store_over_a_released_flag_ends_the_release():
    assert "data race" in error_of("overwritten_release")


def test_what_was_heard_is_passed_on():
    assert run("transitive")[4] == 7


def test_blocks_that_overlap_race():
    message = error_of("blocks_overlap")
    assert "data race (write after write)" in message
    assert message.count(place("blocks_overlap")) == 2


@pytest.mark.parametrize("resident", [1, 2, 8])
def test_look_back_in_the_order_of_tickets(softgpu, resident):
    with softgpu.adversary(resident_blocks=resident):
        assert run("look_back")[64:72] == [1, 3, 6, 10, 15, 21, 28, 36]


def test_look_back_in_the_order_of_indices_hangs(softgpu, adversary):
    with softgpu.adversary(resident_blocks=2, race=False):
        if adversary == "first-in":
            run("look_back_by_index")
        else:
            assert place("look_back_by_index") in error_of("look_back_by_index")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_grid_barrier_joins_all_blocks(softgpu, seed):
    with softgpu.adversary(seed=seed, resident_blocks=1):
        data = run("grid_barrier")
    count = 8 * 48
    assert data[:count] == [(i + 4) % count + 4 for i in range(count)]
