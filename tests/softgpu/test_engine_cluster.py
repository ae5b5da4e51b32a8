"""Clusters on the software GPU: their barrier and one another's shared memory."""

import pytest

from .engine_cases import SCHEDULES, error_of, run

SWAPPED = [(block ^ 1) * 100 + 31 - thread for block in range(4) for thread in range(32)]


@pytest.fixture(autouse=True, params=SCHEDULES)
def _adversary(softgpu, request):
    with softgpu.adversary(schedule=request.param, resident_blocks=2):
        yield


@pytest.mark.parametrize("race", [False, True])
@pytest.mark.parametrize("case", ["cluster_swap", "cluster_generic"])
def test_blocks_of_a_cluster_read_each_other(softgpu, case, race):
    with softgpu.adversary(race=race):
        assert run(case)[:128] == SWAPPED


@pytest.mark.parametrize("case", ["cluster_no_first_barrier", "cluster_relaxed_arrive"])
def test_a_barrier_that_does_not_order_memory_is_a_race(softgpu, case):
    with softgpu.adversary(race=True):
        message = error_of(case)
    assert "data race" in message or "has exited" in message


@pytest.mark.parametrize("seed", range(4))
def test_shared_memory_of_a_block_ends_with_the_block(softgpu, seed):
    with softgpu.adversary(seed=seed):
        try:
            assert run("cluster_no_last_barrier")[:128] == SWAPPED
        except softgpu.SoftGpuError as error:
            assert "has exited" in str(error)  # noqa: PT017  (which of them depends on the seed)
            softgpu.reset()


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("cluster_past_the_end", "0 bytes past the end of shared variable"),
        ("cluster_no_such_rank", "the cluster has no block of rank"),
    ],
)
def test_misuse_is_named(case, what):
    assert what in error_of(case)


def test_elect_chooses_one_lane_and_tells_all():
    data = run("elects_one")
    assert sum(data[:32]) == 1
    leader = data[:32].index(1)
    assert data[32:64] == [leader] * 32
