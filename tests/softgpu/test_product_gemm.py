"""gemm_int8 and pack_int8 on the software GPU: the CPU's bits under every adversary, what is moved
and launched, and how products are cut."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from halfword import ops

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the benchmarks are not installed

from bench import plans

from .product_gemm import ADVERSARIES, CHECKS, SHAPES, Shape, codes, operands, plan_of
from .redirect import glue
from .test_product import counted, launched, only


@pytest.mark.parametrize("adversary", ADVERSARIES.values(), ids=ADVERSARIES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_same_bits_as_the_cpu(softgpu, check, adversary):
    with softgpu.adversary(**adversary):
        check()


# What is moved.

COUNTED = [
    Shape(16, 64, 1024, 0, 16, 2, 0),
    Shape(32, 96, 1024, 1, 32, 3, 0),
    Shape(64, 128, 256, 2, 32, 4, 0),
    Shape(224, 256, 256, 3, 112, 4, 0),
]


@pytest.mark.parametrize("dtype", [torch.int32, torch.bfloat16, torch.int8], ids=str)
@pytest.mark.parametrize("shape", COUNTED, ids=str)
def test_operands_come_once_from_memory_and_without_bank_conflicts(softgpu, shape, dtype):
    plan = plan_of(*shape[:3])
    assert (plan.tile, plan.height) == (shape.tile, shape.height)
    a, b = operands(shape)
    out = torch.zeros(shape.m, shape.n, dtype=dtype)
    scales = {} if dtype == torch.int32 else {"scale_b": torch.rand(shape.n)}
    scale_out = torch.tensor(0.1) if dtype == torch.int8 else None
    counts = counted(softgpu, lambda: ops.gemm_int8(a, b, **scales, scale_out=scale_out, out=out))
    count = only(counts, "gemm_int8_kernel")
    read = a.numel() + b.numel() + 4 * shape.n * len(scales)
    assert count.sectors_loaded * 32 <= read + 32  # scale_out
    if dtype == torch.int32:  # each row of tiles asks the cache for b, each column of tiles for a
        requests = plan.n_tiles * a.numel() + plan.m_tiles * b.numel()
        assert count.sectors_load_requests * 32 == requests
    assert count.sectors_stored == count.sectors_store_requests == out.nbytes // 32
    assert count.bank_conflicts == 0


def test_packing_reads_and_writes_once(softgpu):
    b = codes(40, 1001)
    counts = counted(softgpu, lambda: ops.pack_int8(b))
    count = only(counts, "pack_int8_kernel")
    assert count.sectors_loaded * 32 <= b.numel() + 32
    assert count.sectors_stored * 32 <= 40 * 1008 + 40 * 4 + 32


# What is launched.


def test_an_aligned_product_takes_one_launch(softgpu):
    a, b = codes(4, 64), codes(32, 64)
    names = launched(softgpu, lambda: ops.gemm_int8(a, b))
    assert ["gemm_int8_kernel" in name for name in names] == [True]


def test_a_packed_weight_needs_no_other_launch_for_odd_columns_and_zero_points(softgpu):
    a, b = codes(4, 80)[:, :75], codes(32, 75)
    zero_point = torch.tensor([3], dtype=torch.int32)
    names = launched(softgpu, lambda: ops.gemm_int8(a, ops.pack_int8(b), zero_point_a=zero_point))
    assert ["pack_int8" in name for name in names] == [True, False]


# How products are cut.

LAYERS = [  # n, k: of models of 100 million to 70 billion parameters
    (768, 768), (3072, 768), (768, 3072), (6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336),
    (10240, 8192), (8192, 8192), (57344, 8192), (8192, 28672), (2112, 7168), (24576, 1536),
]  # fmt: skip
PROCESSORS = {"A100": 108, "H100": 132, "RTX 4090": 128}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_have_the_plans_that_they_are_there_for(softgpu, shape):
    plan = plan_of(*shape[:3], shape.processors)
    assert (plan.tile, plan.height, plan.whole, plan.sharers) == shape[3:7]


@pytest.mark.parametrize("processors", PROCESSORS.values(), ids=PROCESSORS)
def test_a_row_more_costs_little_where_rows_are_few(softgpu, processors):
    """By the model: no cliff at any number of rows up to 32, where decoding is."""
    for n, k in LAYERS:
        cycles = [plan_of(m, n, k, processors).cycles for m in range(1, 33)]
        assert all(more <= 1.1 * less for less, more in pairwise(cycles))


@pytest.mark.parametrize("processors", PROCESSORS.values(), ids=PROCESSORS)
def test_a_row_more_costs_a_fragment_more_and_the_sharing_of_tiles(softgpu, processors):
    """By the model, at any number of rows. Most of what is above 1.1 comes where a tile per
    multiprocessor was just enough: then the work of a row more has to be shared, at a price."""
    for n, k in LAYERS:
        cycles = [plan_of(m, n, k, processors).cycles for m in range(1, 4097)]
        steps = [more / less for less, more in pairwise(cycles)]
        assert max(steps) <= 1.25
        assert sum(step > 1.1 for step in steps) <= 16


def test_no_sum_of_32_bits_is_longer_than_exact(softgpu):
    exact = 1 << 16
    depths = (256, 256, 128, 64, 64)  # of the tiles' steps
    for m in (1, 16, 40, 200, 4096):
        for n in (1, 300, 8192):
            for k in (exact, exact + 1, 3 * exact, 10_000_000):
                plan = plan_of(m, n, k, 132)
                depth = depths[plan.tile]
                steps = -(-k // depth)
                assert plan.whole == 0 or steps * depth <= exact
                if plan.sharers > 0:
                    tiles = plan.m_tiles * plan.n_tiles - plan.whole
                    assert -(-tiles * steps // plan.sharers) * depth <= exact


def test_the_bench_reads_plans_as_they_are(softgpu):
    n, k = LAYERS[0]
    cycles = plans.modelled_cycles(glue(), n, k, 132)
    assert len(cycles) == plans.MOST_ROWS
    assert [cycles[m - 1] for m in (1, 100, 4096)] == [
        plan_of(m, n, k, 132).cycles for m in (1, 100, 4096)
    ]
