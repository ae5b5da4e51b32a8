"""Launches: what CUDA refuses, and how a failed kernel shows."""

import ctypes

import pytest

INVALID_VALUE = 1
INVALID_CONFIGURATION = 9
INVALID_DEVICE = 101
NO_KERNEL_IMAGE = 209
INVALID_RESOURCE_HANDLE = 400
LAUNCH_FAILURE = 719
COOPERATIVE_TOO_LARGE = 720
INVALID_CLUSTER_SIZE = 912
KIB = 1024


@pytest.fixture
def programs(softgpu):
    return softgpu.load("softgpu_programs")


@pytest.mark.parametrize(
    ("grid_x", "grid_y", "block", "status"),
    [
        (1, 1, 128, 0),
        (0, 1, 128, INVALID_CONFIGURATION),
        (1, 65536, 128, INVALID_CONFIGURATION),
        (1, 1, 0, INVALID_CONFIGURATION),
        (1, 1, 1025, INVALID_CONFIGURATION),
        (1, 1, 129, INVALID_VALUE),  # __launch_bounds__(128)
    ],
)
def test_shape_of_a_launch(programs, grid_x, grid_y, block, status):
    assert programs.launch_bounded(grid_x, grid_y, block, 0) == status


def test_dynamic_shared_memory_above_48_kib_needs_the_attribute(softgpu, programs):
    result = ctypes.c_int()
    assert programs.launch_with_shared(100 * KIB, False, ctypes.byref(result)) == INVALID_VALUE
    assert "cudaFuncSetAttribute" in softgpu.last_error()
    softgpu.check(programs.launch_with_shared(100 * KIB, True, ctypes.byref(result)))
    assert result.value == 100 * KIB // 4 - 1


@pytest.mark.parametrize(("capability", "most"), [(80, 163), (90, 227)])
def test_dynamic_shared_memory_has_a_limit(softgpu, programs, capability, most):
    result = ctypes.c_int()
    with softgpu.settings(capability=capability):
        softgpu.check(programs.launch_with_shared(most * KIB, True, ctypes.byref(result)))
        more = most * KIB + 4
        assert programs.launch_with_shared(more, True, ctypes.byref(result)) == INVALID_VALUE


def test_cluster_must_divide_the_grid(programs):
    assert programs.launch_cluster(4, 2, False) == 0
    assert programs.launch_cluster(5, 2, False) == INVALID_VALUE


def test_cluster_above_eight_blocks_needs_the_attribute(softgpu, programs):
    assert programs.launch_cluster(16, 16, False) == INVALID_CLUSTER_SIZE
    assert programs.launch_cluster(16, 16, True) == 0
    with softgpu.settings(capability=80):
        assert programs.launch_cluster(4, 2, False) == INVALID_CLUSTER_SIZE


def test_cooperative_grid_must_fit(softgpu, programs):
    blocks = ctypes.c_int()
    with softgpu.settings(multiprocessors=2):
        assert programs.launch_cooperative(1, ctypes.byref(blocks)) == 0
        assert blocks.value == 2048 // 128
        assert programs.launch_cooperative(2 * blocks.value, ctypes.byref(blocks)) == 0
        too_many = 2 * blocks.value + 1
        assert programs.launch_cooperative(too_many, ctypes.byref(blocks)) == COOPERATIVE_TOO_LARGE


def test_parameters_of_32764_bytes_arrive(programs):
    result = ctypes.c_int()
    assert programs.launch_with_large_parameters(ctypes.byref(result)) == 0
    assert result.value == (32764 - 8) // 4 - 1


def test_stream_must_be_of_the_current_device(programs):
    assert programs.launch_on_the_stream_of_another_device() == INVALID_RESOURCE_HANDLE


def test_variables_are_each_devices_own(programs):
    def values(device, add):
        result = (ctypes.c_int * 4)()
        assert programs.variables(device, add, result) == 0
        return list(result)

    first = values(0, 1)
    other = values(1, 100)
    again = values(0, 0)
    assert [b - a for a, b in zip(first, again, strict=True)] == [1] * 4  # only the counter
    assert values(1, 0) == [value + 1 for value in other]


def test_error_of_a_kernel_comes_late_and_stays(softgpu, programs):
    statuses = (ctypes.c_int * 5)()
    programs.kernel_that_fails(statuses)
    assert list(statuses) == [0] + [LAUNCH_FAILURE] * 4
    message = softgpu.last_error()
    assert "writes_out_of_bounds" in message
    assert "launches.cu" in message
    softgpu.reset()
    softgpu.synchronize()


def test_error_of_a_call_is_forgotten_once_asked_for(programs):
    statuses = (ctypes.c_int * 4)()
    programs.call_that_fails(statuses)
    assert list(statuses) == [INVALID_DEVICE, INVALID_DEVICE, INVALID_DEVICE, 0]


def test_older_device_has_no_kernels_for_it(softgpu, programs):
    with softgpu.settings(capability=75):
        assert programs.launch_bounded(1, 1, 32, 0) == NO_KERNEL_IMAGE
