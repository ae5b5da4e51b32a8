"""Counters of the software GPU: bytes, sectors, bank conflicts."""

import pytest

from . import counters
from .engine_cases import SCHEDULES, run


@pytest.fixture
def counts_of(softgpu):
    def counts_of(case):
        counters.reset()
        with softgpu.adversary(count=True):
            run(case)
        (counts,) = counters.counts().values()
        return counts

    return counts_of


def test_a_copy_moves_each_byte_once(counts_of):
    counts = counts_of("count_copy")
    assert counts.launches == 1
    assert counts.global_bytes_loaded == counts.global_bytes_stored == 512
    assert counts.sectors_loaded == counts.sectors_stored == 16
    assert counts.sectors_load_requests == counts.sectors_store_requests == 16


def test_a_strided_load_takes_a_sector_a_lane(counts_of):
    counts = counts_of("count_strided")
    assert counts.global_bytes_loaded == 128
    assert counts.sectors_loaded == counts.sectors_load_requests == 32
    assert counts.sectors_stored == 4


def test_what_is_read_again_counts_once_for_dram(counts_of):
    counts = counts_of("count_reread")
    assert counts.sectors_loaded == 4
    assert counts.sectors_load_requests == 16


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_bank_conflicts_do_not_depend_on_the_schedule(softgpu, counts_of, schedule):
    with softgpu.adversary(schedule=schedule):
        assert counts_of("count_conflicts").bank_conflicts == 31
