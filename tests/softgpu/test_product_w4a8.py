"""gemm_w4a8 on the software GPU: the CPU's bits under every adversary, what is moved and launched,
and how products are cut."""

from itertools import pairwise

import pytest
import torch

from halfword import ops

from .product_w4a8 import ADVERSARIES, CHECKS, SHAPES, codes, pack, plan_of, weight_of
from .redirect import redirected
from .test_product import counted, launched, only
from .test_product_gemm import LAYERS, PROCESSORS


@pytest.mark.parametrize("adversary", ADVERSARIES.values(), ids=ADVERSARIES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_same_bits_as_the_cpu(softgpu, check, adversary):
    with softgpu.adversary(**adversary):
        check()


# What is moved.


def packed_on_cuda(*args):
    with redirected():
        return pack(weight_of(*args))


@pytest.mark.parametrize("kind", ["plain", "zero points"])
@pytest.mark.parametrize(
    ("shape", "tile"),
    [((16, 64, 1024, 128), 0), ((64, 128, 512, 128), 1), ((256, 256, 256, 128), 2)],
    ids=str,
)
def test_operands_come_once_from_memory_and_without_bank_conflicts(softgpu, shape, tile, kind):
    m, n, k, group = shape
    plan = plan_of(*shape)
    assert plan.tile == tile
    a, b = codes(m, k), packed_on_cuda(n, k, group, kind, torch.bfloat16)
    out = torch.zeros(m, n, dtype=torch.bfloat16)
    count = only(counted(softgpu, lambda: ops.gemm_w4a8(a, b, out=out)), "gemm_w4a8_kernel")
    tables = b.scale.nbytes + (0 if b.zero_point is None else b.zero_point.nbytes)
    assert count.sectors_loaded * 32 == a.numel() + b.data.numel() + tables
    requests = plan.n_tiles * a.numel() + plan.m_tiles * (b.data.numel() + tables)
    assert count.sectors_load_requests * 32 == requests
    assert count.sectors_stored == count.sectors_store_requests == out.nbytes // 32
    # The counter takes the lanes' i-th copies for one access. With two tables they are not that.
    assert kind != "plain" or count.bank_conflicts == 0


# What is launched.


def kernels(softgpu, a, b):
    names = launched(softgpu, lambda: ops.gemm_w4a8(a, b))
    known = ("quantize", "pack_int8", "sums", "gemm_w4a8")
    return [next(kind for kind in known if kind in name) for name in names]


def test_an_aligned_product_takes_one_launch(softgpu):
    for kind in ("plain", "zero points"):
        b = packed_on_cuda(33, 75, 32, kind)
        assert kernels(softgpu, codes(4, 80)[:, :75], b) == ["gemm_w4a8"]


def test_what_else_there_is_takes_a_launch_each(softgpu):
    b = packed_on_cuda(33, 75, 32, "offsets")
    assert kernels(softgpu, codes(4, 80)[:, :75], b) == ["sums", "gemm_w4a8"]
    assert kernels(softgpu, codes(4, 75), b) == ["pack_int8", "sums", "gemm_w4a8"]
    names = kernels(softgpu, torch.randn(4, 75), b)
    assert names == ["quantize", "pack_int8", "sums", "gemm_w4a8"]


# How products are cut.


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_have_the_tiles_that_they_are_there_for(softgpu, shape):
    assert plan_of(*shape[:4]).tile == shape.tile


@pytest.mark.parametrize("processors", PROCESSORS.values(), ids=PROCESSORS)
def test_a_row_more_costs_at_most_a_wave_more(softgpu, processors):
    """By the model: at worst one wave of blocks becomes two."""
    for n, k in LAYERS:
        cycles = [plan_of(m, n, k, 128, processors).cycles for m in range(1, 1025)]
        assert all(more <= 2 * less for less, more in pairwise(cycles))
        assert cycles[15] <= 1.1 * cycles[0]
