"""The race checker inside a block: what it reports, and what it must not."""

import pytest

from .engine_cases import SCHEDULES, error_of, place, run

CLEAN = [
    "with_barrier",
    "warp_synchronized",
    "everybody_reads",
    "neighbouring_bytes",
    "bytes_then_words_with_barrier",
    "atomics_do_not_race",
    "atomic_and_later_load",
    "block_scope_atomics_in_a_block",
    "volatile_flag_in_a_block",
    "arrive_orders",
    "helper_called_twice",
    "named_barriers",
    "early_exit",
    "lock",
    "barrier_reductions",
    "dynamic_in_bounds",
]
RACES = [
    "no_barrier",
    "second_barrier_missing",
    "warp_barrier_is_too_narrow",
    "shuffle_does_not_order",
    "write_after_many_reads",
    "byte_and_its_word",
    "atomic_and_store",
    "atomic_and_early_load",
    "block_scope_atomics_between_blocks",
    "volatile_flag_without_fence",
    "store_after_arrive",
]


@pytest.fixture(autouse=True, params=SCHEDULES)
def _adversary(softgpu, request):
    with softgpu.adversary(schedule=request.param, race=True):
        yield


@pytest.mark.parametrize("case", CLEAN)
def test_what_is_ordered_is_no_race(case):
    run(case)


@pytest.mark.parametrize("case", RACES)
def test_a_race_is_found_under_every_schedule(case):
    assert "data race" in error_of(case)


def test_a_race_is_told_with_both_lines_both_threads_and_the_object():
    message = error_of("no_barrier")
    assert place("no_barrier_store") in message
    assert place("no_barrier_load") in message
    assert "shared variable" in message
    assert "(256 bytes)" in message
    assert message.count("block (0,0,0), thread (") == 2
