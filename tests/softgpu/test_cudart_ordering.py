"""Streams and events: work that nothing orders comes in every order, and only such work."""

import ctypes

import pytest

COUNT = 100  # elements of the programs (cudart/programs/program.h)
SEEDS = range(8)
SCENARIOS = [
    "event_between_streams",
    "event_after_copy",
    "wait_on_the_stream_of_the_kernel",
    "free_after_use",
    "use_after_malloc_async",
    "synchronize_before_reading",
    "synchronize_the_right_stream",
    "keep_the_source_of_a_copy",
    "pageable_copy_is_in_the_default_stream",
    "memory_of_the_device",
    "host_function_in_its_stream",
]


@pytest.fixture
def programs(softgpu):
    return softgpu.load("softgpu_programs")


def run(softgpu, programs, name, bug):
    """Whether the scenario gave the right result, and without an error."""
    softgpu.reset()
    result = (ctypes.c_int * COUNT)()
    status = getattr(programs, name)(bug, result)
    return status == 0 and list(result) == [2 * i + 1 for i in range(COUNT)]


@pytest.mark.parametrize("schedule", ["first-in", "last-in", "random", "priority"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_ordered_work_is_right_in_every_schedule(softgpu, programs, name, schedule):
    for seed in SEEDS:
        with softgpu.settings(schedule=schedule, seed=seed):
            assert run(softgpu, programs, name, bug=False), (seed, softgpu.last_error())


@pytest.mark.parametrize("name", SCENARIOS)
def test_missing_order_is_seen(softgpu, programs, name):
    with softgpu.settings(schedule="last-in"):
        assert not run(softgpu, programs, name, bug=True)


@pytest.mark.parametrize("name", SCENARIOS)
def test_missing_order_is_seen_by_some_seed(softgpu, programs, name):
    found = []
    for seed in SEEDS:
        with softgpu.settings(schedule="random", seed=seed):
            found.append(not run(softgpu, programs, name, bug=True))
    assert any(found)


def test_stream_may_be_destroyed_while_it_has_work(softgpu, programs):
    assert run(softgpu, programs, "destroyed_stream_finishes_its_work", bug=False)


def test_same_seed_gives_the_same_order(softgpu, programs):
    def order(seed):
        with softgpu.settings(schedule="random", seed=seed):
            run(softgpu, programs, "event_between_streams", bug=True)
            return [operation.name for operation in softgpu.executed()]

    orders = [order(seed) for seed in SEEDS]
    assert orders == [order(seed) for seed in SEEDS]
    assert len({tuple(names) for names in orders}) > 1


def test_eager_mode_runs_work_at_once(softgpu, programs):
    with softgpu.settings(eager=True, schedule="last-in"):
        assert run(softgpu, programs, "synchronize_before_reading", bug=True)


@pytest.mark.parametrize("bug", [False, True])
def test_default_stream_orders_blocking_streams_only(softgpu, programs, bug):
    result = (ctypes.c_int * COUNT)()
    with softgpu.settings(schedule="last-in"):
        assert programs.default_stream_orders_blocking_streams(bug, result) == 0
    right = list(result) == [4 * i + 3 for i in range(COUNT)]
    assert right == (not bug)


def test_message_says_whose_memory_it_was(softgpu, programs):
    result = (ctypes.c_int * COUNT)()
    assert programs.memory_of_the_device(True, result) != 0
    assert "twice_plus_one" in softgpu.last_error()
    assert "program.h:" in softgpu.last_error()
    assert "; it is memory of device 0\n" in softgpu.last_error()


def test_message_says_that_memory_was_freed(softgpu, programs):
    result = (ctypes.c_int * COUNT)()
    with softgpu.settings(schedule="last-in"):
        assert programs.free_after_use(True, result) != 0
    assert "; it was freed\n" in softgpu.last_error()


def test_executed_operations_name_kernel_stream_and_device(softgpu, programs):
    run(softgpu, programs, "event_between_streams", bug=False)
    operations = {operation.name: operation for operation in softgpu.executed()}
    kernel = operations["twice_plus_one"]
    assert kernel.device == 0
    copies = [op for op in softgpu.executed() if op.name == "memcpy"]
    assert copies[0].stream not in (0, kernel.stream)
