"""CUDA graphs: what is captured, what a capture forbids, and that a replay keeps its order."""

import ctypes

import pytest

COUNT = 100  # elements of the programs (cudart/programs/program.h)
SEEDS = range(8)
TWICE = [2 * i + 1 for i in range(COUNT)]

ILLEGAL_STATE = 401
UNSUPPORTED = 900
INVALIDATED = 901
UNJOINED = 904
ISOLATION = 905
IMPLICIT = 906

# enum While of cudart/programs/graphs.cu: the call, its error, and that of the end of the capture.
FORBIDDEN = [
    ("synchronize", UNSUPPORTED, INVALIDATED),
    ("malloc", UNSUPPORTED, INVALIDATED),
    ("query", UNSUPPORTED, INVALIDATED),
    ("memcpy", UNSUPPORTED, INVALIDATED),
    ("launch on the default stream", IMPLICIT, INVALIDATED),
    ("event from outside", ISOLATION, INVALIDATED),
    ("second capture", ILLEGAL_STATE, 0),
]


@pytest.fixture
def programs(softgpu):
    return softgpu.load("softgpu_programs")


def array(count=COUNT):
    return (ctypes.c_int * count)()


@pytest.mark.parametrize("schedule", ["first-in", "last-in", "random", "priority"])
def test_replay_keeps_the_order_between_streams(softgpu, programs, schedule):
    for seed in SEEDS:
        result = array()
        with softgpu.settings(schedule=schedule, seed=seed):
            softgpu.check(programs.fork_and_join(0, result))
        assert list(result) == TWICE


def test_kernel_of_a_stream_that_was_not_forked_off_is_not_in_the_graph(softgpu, programs):
    result = array()
    with softgpu.settings(schedule="first-in"):  # its kernel is queued before the graph
        softgpu.check(programs.fork_and_join(1, result))
    assert list(result) != TWICE


def test_stream_that_was_not_joined_is_an_error(softgpu, programs):
    assert programs.fork_and_join(2, array()) == UNJOINED
    assert "'twice_plus_one'" in softgpu.last_error()


def test_missing_order_in_a_graph_is_seen(softgpu, programs):
    seen = []
    for seed in SEEDS:
        result = array()
        with softgpu.settings(schedule="random", seed=seed):
            softgpu.check(programs.fork_and_join(3, result))
        seen.append(list(result) != TWICE)
    assert any(seen)
    assert not all(seen)


def test_replay_reads_what_its_input_holds_then(softgpu, programs):
    result = array(3 * COUNT)
    softgpu.check(programs.replay_with_new_input(result))
    expected = [2 * (2 * (1000 * replay + i) + 1) + 1 for replay in range(3) for i in range(COUNT)]
    assert list(result) == expected


def test_capture_runs_nothing(softgpu, programs):
    result, nodes = array(), ctypes.c_size_t()
    softgpu.check(programs.capture_runs_nothing(result, ctypes.byref(nodes)))
    assert list(result) == [0] * COUNT
    assert nodes.value == 2
    assert "fill" not in [operation.name for operation in softgpu.executed()]


@pytest.mark.parametrize("number", range(len(FORBIDDEN)), ids=[case[0] for case in FORBIDDEN])
def test_call_that_a_capture_forbids(softgpu, programs, number):
    _, status, at_end = FORBIDDEN[number]
    end = ctypes.c_int()
    assert programs.while_capturing(number, ctypes.byref(end)) == status
    assert end.value == at_end


def test_relaxed_capture_allows_malloc(softgpu, programs):
    softgpu.check(programs.relaxed_capture_allows_malloc())


def test_graph_in_a_graph(softgpu, programs):
    result = array()
    softgpu.check(programs.graph_in_a_graph(result))
    assert list(result) == [2 * (2 * (2 * i + 1) + 1) + 1 for i in range(COUNT)]
