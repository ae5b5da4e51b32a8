"""Memory, copies and device queries, called as a host program would call them."""

import ctypes

import pytest
import torch

INVALID_VALUE = 1
OUT_OF_MEMORY = 2
NOT_READY = 600
HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, DEFAULT = 1, 2, 3, 4
SM_COUNT, MAJOR, SHARED_OPT_IN = 16, 75, 97  # enum cudaDeviceAttr
KIB = 1024


@pytest.fixture
def cuda(softgpu):
    """The runtime, with pointers passed as such."""
    library = softgpu.runtime()
    word = ctypes.c_size_t
    library.cudaMalloc.argtypes = (ctypes.POINTER(ctypes.c_void_p), word)
    library.cudaFree.argtypes = (ctypes.c_void_p,)
    library.cudaMemcpy.argtypes = (ctypes.c_void_p, ctypes.c_void_p, word, ctypes.c_int)
    library.cudaMemset.argtypes = (ctypes.c_void_p, ctypes.c_int, word)
    library.cudaStreamQuery.argtypes = (ctypes.c_void_p,)
    return library


@pytest.fixture
def memory(softgpu, cuda):
    """1 KiB of device memory."""
    pointer = ctypes.c_void_p()
    softgpu.check(cuda.cudaMalloc(ctypes.byref(pointer), KIB))
    yield pointer.value
    cuda.cudaFree(pointer)


def test_copy_in_and_out(softgpu, cuda, memory):
    before = torch.randint(256, (KIB,), dtype=torch.uint8)
    after = torch.zeros_like(before)
    softgpu.check(cuda.cudaMemcpy(memory, before.data_ptr(), KIB, HOST_TO_DEVICE))
    softgpu.check(cuda.cudaMemcpy(after.data_ptr(), memory, KIB, DEFAULT))
    assert torch.equal(before, after)


def test_new_memory_holds_garbage(softgpu, cuda, memory):
    found = torch.zeros(KIB, dtype=torch.uint8)
    softgpu.check(cuda.cudaMemcpy(found.data_ptr(), memory, KIB, DEVICE_TO_HOST))
    assert len(found.unique()) > 1


@pytest.mark.parametrize(
    ("offset", "count"), [(0, KIB + 1), (KIB - 1, 2), (-1, 1), (KIB, 1)], ids=str
)
def test_copy_out_of_bounds_is_refused(softgpu, cuda, memory, offset, count):
    host = (ctypes.c_char * (2 * KIB))()
    assert cuda.cudaMemcpy(memory + offset, host, count, HOST_TO_DEVICE) == INVALID_VALUE
    assert "memory of device 0, which has 1024" in softgpu.last_error()


@pytest.mark.parametrize("kind", [DEVICE_TO_HOST, DEVICE_TO_DEVICE])
def test_copy_of_the_wrong_kind_is_refused(softgpu, cuda, memory, kind):
    host = (ctypes.c_char * KIB)()
    assert cuda.cudaMemcpy(memory, host, KIB, kind) == INVALID_VALUE


def test_copy_to_freed_memory_is_refused(softgpu, cuda, memory):
    host = (ctypes.c_char * KIB)()
    softgpu.check(cuda.cudaFree(memory))
    assert cuda.cudaMemcpy(memory, host, KIB, HOST_TO_DEVICE) == INVALID_VALUE
    assert "freed" in softgpu.last_error()


def test_free_twice_or_inside_is_refused(softgpu, cuda, memory):
    assert cuda.cudaFree(memory + 1) == INVALID_VALUE
    softgpu.check(cuda.cudaFree(memory))
    assert cuda.cudaFree(memory) == INVALID_VALUE
    softgpu.check(cuda.cudaFree(None))


def test_more_memory_than_there_is(cuda):
    pointer = ctypes.c_void_p()
    assert cuda.cudaMalloc(ctypes.byref(pointer), 1 << 40) == OUT_OF_MEMORY
    assert cuda.cudaGetLastError() == OUT_OF_MEMORY
    assert cuda.cudaGetLastError() == 0


def test_memset_runs_when_somebody_waits(softgpu, cuda, memory):
    softgpu.check(cuda.cudaMemset(memory, 7, KIB))
    assert softgpu.executed() == []
    found = torch.zeros(KIB, dtype=torch.uint8)
    softgpu.check(cuda.cudaMemcpy(found.data_ptr(), memory, KIB, DEVICE_TO_HOST))
    assert (found == 7).all()
    assert [operation.name for operation in softgpu.executed()] == ["memset", "memcpy"]


def test_polling_gets_there(softgpu, cuda, memory):
    for _ in range(3):
        softgpu.check(cuda.cudaMemset(memory, 7, KIB))
    statuses = [cuda.cudaStreamQuery(None) for _ in range(4)]
    assert statuses[0] == NOT_READY
    assert statuses[-1] == 0
    assert cuda.cudaGetLastError() == NOT_READY


@pytest.mark.parametrize(("capability", "shared"), [(80, 163), (90, 227)])
def test_device_attributes_follow_the_settings(softgpu, cuda, capability, shared):
    def attribute(number):
        value = ctypes.c_int()
        softgpu.check(cuda.cudaDeviceGetAttribute(ctypes.byref(value), number, 0))
        return value.value

    with softgpu.settings(capability=capability, multiprocessors=7):
        assert attribute(SM_COUNT) == 7
        assert attribute(MAJOR) == capability // 10
        assert attribute(SHARED_OPT_IN) == shared * KIB


def test_number_of_devices_follows_the_settings(softgpu, cuda):
    count = ctypes.c_int()
    for devices in (1, 2, 5):
        with softgpu.settings(devices=devices):
            softgpu.check(cuda.cudaGetDeviceCount(ctypes.byref(count)))
            assert count.value == devices
            assert cuda.cudaSetDevice(devices) != 0
    softgpu.check(cuda.cudaSetDevice(0))


def test_unknown_setting_is_an_error(softgpu):
    with pytest.raises(KeyError, match="no setting 'seeds'"):
        softgpu.put("seeds", 1)


def test_tensor_is_usable_while_it_is_lent(softgpu):
    tensor = torch.arange(100, dtype=torch.int32)
    out = torch.zeros_like(tensor)
    programs = softgpu.load("softgpu_programs")
    launch = programs.twice_into
    launch.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    with softgpu.lend(tensor, out):
        softgpu.check(launch(out.data_ptr(), tensor.data_ptr()))
        softgpu.synchronize()
    assert torch.equal(out, 2 * tensor + 1)
    softgpu.check(launch(out.data_ptr(), tensor.data_ptr()))
    with pytest.raises(softgpu.SoftGpuError, match="twice_plus_one"):
        softgpu.synchronize()


def test_tensor_lent_for_reading_cannot_be_written(softgpu):
    tensor = torch.arange(100, dtype=torch.int32)
    launch = softgpu.load("softgpu_programs").twice_into
    launch.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    with softgpu.lend(tensor, writable=False):
        softgpu.check(launch(tensor.data_ptr(), tensor.data_ptr()))
        with pytest.raises(softgpu.SoftGpuError, match=r"read-only.*tensor of shape \(100,\)"):
            softgpu.synchronize()
