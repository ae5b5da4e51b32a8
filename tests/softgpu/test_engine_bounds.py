"""Memory of the software GPU: what is out of bounds, misaligned or unwritten."""

import ctypes

import pytest
import torch

from .engine_cases import error_of, place, run


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("global_past_the_end", "4-byte store of global memory"),
        ("global_past_the_end", "0 bytes past the end of"),
        ("global_past_the_end", "(4096 bytes)"),
        ("global_past_the_end", "thread (30,0,0)"),
        ("global_before_the_beginning", "4 bytes before"),
        ("global_half_outside", "8-byte store of global memory"),
        ("global_null", "4-byte load of global memory at 0: out of bounds, near no object"),
        ("misaligned_word", "misaligned, must be a multiple of 4"),
        ("misaligned_vector", "misaligned, must be a multiple of 16"),
        ("shared_past_the_end", "bytes past the end of shared variable"),
        ("shared_past_the_end", "(128 bytes)"),
        ("shared_half_outside", "8-byte load of shared memory"),
        ("dynamic_past_the_end", "0 bytes past the end of dynamic shared memory (124 bytes)"),
        ("local_past_the_end", "local memory"),
        ("shared_of_another_block", "shared memory of a block outside the cluster"),
        ("trap", "trap"),
    ],
)
def test_a_bad_access_is_named_with_its_line(softgpu, case, what):
    message = error_of(case)
    assert what in message
    assert place(case) in message
    assert f"{case}_kernel" in message


def test_dynamic_shared_memory_is_1024_byte_aligned_and_whole(softgpu):
    data = run("dynamic_in_bounds")
    assert data[:32] == list(range(31, -1, -1))
    assert data[32] == 0


def test_shared_memory_starts_as_garbage(softgpu):
    assert run("garbage_in_shared")[0] == 0  # words that were zero


@pytest.fixture
def fill(softgpu):
    kernels = softgpu.load("softgpu_kernels")

    def fill(address, count):
        softgpu.check(kernels.fill_lent(ctypes.c_void_p(address), count))

    return fill


def test_overlapping_regions_allow_what_any_of_them_allows(softgpu, fill):
    whole = torch.zeros(100, dtype=torch.int32)
    with softgpu.lend(whole, writable=False), softgpu.lend(whole):
        fill(whole.data_ptr(), 100)
    assert whole.equal(torch.arange(100, dtype=torch.int32))


def test_a_region_that_was_lent_twice_stays_until_both_are_taken_back(softgpu, fill):
    whole = torch.zeros(100, dtype=torch.int32)
    with softgpu.lend(whole):
        with softgpu.lend(whole):
            pass
        fill(whole.data_ptr(), 100)
    with pytest.raises(softgpu.SoftGpuError, match="out of bounds"):
        fill(whole.data_ptr(), 100)


def test_a_store_to_read_only_memory_is_refused(softgpu, fill):
    tensor = torch.zeros(100, dtype=torch.int32)
    with (
        softgpu.lend(tensor, writable=False),
        pytest.raises(softgpu.SoftGpuError, match=r"store of global memory.*read-only"),
    ):
        fill(tensor.data_ptr(), 100)
