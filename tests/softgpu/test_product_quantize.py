"""The CUDA kernels of the quantizers on the software GPU: the CPU's bits under every adversary, the
bytes that the contracts say, and as few launches."""

import pytest
import torch

from halfword import ops
from halfword.quant import Spec

from .product import ADVERSARIES
from .product_quantize import CHECKS, matrix, same_results
from .redirect import redirected
from .test_product import counted, launched


@pytest.mark.parametrize("adversary", ADVERSARIES.values(), ids=ADVERSARIES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_same_bits_as_the_cpu(softgpu, check, adversary):
    with softgpu.adversary(**adversary):
        check()


# Bytes.


def assert_moves(counts, numel, loaded, stored, gaps=1):
    """Bytes an element of all kernels together, in whole sectors, and few for scales; a sector is
    asked for no more than `gaps` times, and a scale once for a warp's elements."""
    for sectors, requests, each in (
        ("sectors_loaded", "sectors_load_requests", loaded),
        ("sectors_stored", "sectors_store_requests", stored),
    ):
        least = numel * each // 32
        moved = sum(getattr(count, sectors) for count in counts.values())
        asked = sum(getattr(count, requests) for count in counts.values())
        assert least <= moved <= least * 1.01 + 64
        assert asked <= gaps * least * 1.05 + 64 + numel // 256


@pytest.mark.parametrize(
    ("dtype", "size", "gaps"), [(torch.bfloat16, 2, 1), (torch.float32, 4, 2)], ids=["16", "32"]
)
@pytest.mark.parametrize("cols", [512, 4096], ids=["a warp's", "a block of threads'"])
def test_rows_are_read_once(softgpu, cols, dtype, size, gaps):
    """A thread's eight FP32 are two accesses, each of which asks for all sectors of the eight."""
    x = matrix(16, cols, dtype)
    counts = counted(softgpu, lambda: ops.quantize(x))
    assert_moves(counts, x.numel(), size, 1, gaps)


def test_blocks_that_threads_hold_are_read_once(softgpu):
    x = matrix(128, 256, torch.bfloat16)
    counts = counted(softgpu, lambda: ops.quantize(x, Spec(block=(128, 128))))
    assert_moves(counts, x.numel(), 2, 1)


def test_both_orientations_take_one_read_where_blocks_are_of_a_tile(softgpu):
    x = matrix(128, 256, torch.bfloat16)
    counts = counted(softgpu, lambda: ops.quantize_dual(x, Spec(block=(128, 128))))
    assert_moves(counts, x.numel(), 2, 2)


def test_dequantization_moves_what_its_contract_says(softgpu):
    x = matrix(64, 512)
    q = ops.quantize(x)
    counts = counted(softgpu, lambda: ops.dequantize(q.codes, q.scale, dtype=torch.bfloat16))
    assert_moves(counts, x.numel(), 1, 2)


def test_absmax_reads_once(softgpu):
    x = matrix(128, 512, torch.bfloat16)
    (count,) = counted(softgpu, lambda: ops.absmax(x, Spec(axis="tensor"))).values()
    assert x.numel() * 2 // 32 <= count.sectors_loaded <= x.numel() * 2 // 32 * 1.01 + 64


# Launches.


def kinds(names):
    known = ("quantize_tiles", "quantize_dual", "quantize", "block_range", "block_scale")
    return [next((kind for kind in known if kind in name), name) for name in names]


@pytest.mark.parametrize(
    "spec", [Spec(), Spec(group_size=32), Spec(block=(32, 32))], ids=["rows", "groups", "blocks"]
)
def test_blocks_that_threads_hold_take_one_launch(softgpu, spec):
    x = matrix(64, 64)
    assert kinds(launched(softgpu, lambda: ops.quantize(x, spec))) == ["quantize"]


def test_larger_blocks_take_two_passes(softgpu):
    x = matrix(200, 300)
    passes = ["memset", "block_range", "block_scale", "quantize_tiles"]
    assert kinds(launched(softgpu, lambda: ops.quantize(x, Spec(axis="column")))) == passes


def test_two_axes_are_measured_in_one_read(softgpu):
    x = matrix(64, 64)
    passes = ["memset", "block_range", "block_scale", "block_scale", "quantize_dual"]
    assert kinds(launched(softgpu, lambda: ops.quantize_dual(x))) == passes
    assert kinds(launched(softgpu, lambda: ops.quantize_dual(x, Spec(block=(32, 32))))) == [
        "quantize_dual"
    ]


def test_places_past_two_to_the_31_elements(softgpu):
    """Rows that lie so far apart; the pages between them are never touched."""
    x = torch.empty(2**31 + 24, dtype=torch.bfloat16).as_strided((2, 24), (2**31, 1))
    x.copy_(matrix(2, 24))
    for spec in (Spec(), Spec(axis="column")):
        same_results(lambda spec=spec: ops.quantize(x, spec))
    same_results(lambda: ops.quantize_dual(x))


def test_a_device_that_cannot_launch_is_an_error(softgpu):
    x = matrix(4, 8)
    with softgpu.settings(devices=8, multiprocessors=0), redirected():
        softgpu.check(softgpu.runtime().cudaSetDevice(7))
        try:
            with pytest.raises(RuntimeError, match="quantize: CUDA says: invalid configuration"):
                ops.quantize(x)
        finally:
            softgpu.check(softgpu.runtime().cudaSetDevice(0))
