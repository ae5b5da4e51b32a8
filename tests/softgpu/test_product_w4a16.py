"""gemm_w4a16 on the software GPU: right under every adversary, what is moved and launched, and how
products are cut."""

from itertools import pairwise

import pytest
import torch

from halfword import ops

from .product_w4a16 import ADVERSARIES, CHECKS, SHAPES, SHARED, activations, plan_of, weight
from .redirect import redirected
from .test_product import counted, launched, only
from .test_product_gemm import LAYERS, PROCESSORS


@pytest.mark.parametrize("adversary", ADVERSARIES.values(), ids=ADVERSARIES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_right_whatever_the_adversary_does(softgpu, check, adversary):
    with softgpu.adversary(**adversary):
        check()


def packed(n, k, group, kind="symmetric", dtype=torch.float32):
    with redirected():
        return ops.pack_int4(weight(n, k, group, kind, dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(8, 64, 1024), (32, 128, 512), (64, 256, 256), (256, 128, 256), (256, 256, 256)],
)
def test_operands_come_once_from_memory_and_without_bank_conflicts(softgpu, m, n, k, dtype):
    a, b = activations(m, k, torch.bfloat16), packed(n, k, 128)
    out = torch.zeros(m, n, dtype=dtype)
    count = only(counted(softgpu, lambda: ops.gemm_w4a16(a, b, out=out)), "gemm_w4a16_kernel")
    read = a.nbytes + b.data.nbytes + b.scale.nbytes
    assert count.sectors_loaded * 32 <= read
    assert count.sectors_stored == out.nbytes // 32
    assert count.bank_conflicts == 0


def test_16_bit_activations_take_one_launch(softgpu):
    for dtype in (torch.bfloat16, torch.float16):
        a, b = activations(4, 64, dtype), packed(32, 64, 32, "offset")
        names = launched(softgpu, lambda a=a, b=b: ops.gemm_w4a16(a, b))
        assert ["gemm_w4a16_kernel" in name for name in names] == [True]


def test_fp32_activations_become_terms_first(softgpu):
    a, b = activations(4, 64, torch.float32), packed(32, 64, 32)
    names = launched(softgpu, lambda: ops.gemm_w4a16(a, b))
    assert ["terms" in name for name in names] == [True, False]


# How products are cut.

LLAMA = [(4096, 4096), (6144, 4096), (28672, 4096), (4096, 14336)]  # n, k of the layers of 8B


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_have_the_tiles_that_they_are_there_for(softgpu, shape):
    assert plan_of(*shape[:3], 1, shape.processors).tile == shape.tile
    assert plan_of(*shape[:3], 3, shape.processors).tile == shape.tile_of_floats


@pytest.mark.parametrize("shape", SHARED, ids=str)
def test_tiles_are_shared_where_they_are_there_for_it(softgpu, shape):
    terms = 3 if shape.dtype == torch.float32 else 1
    plan = plan_of(*shape[:3], terms, shape.processors)
    assert (plan.tile, plan.parts) == (shape.tile, shape.parts)


@pytest.mark.parametrize("processors", PROCESSORS.values(), ids=PROCESSORS)
@pytest.mark.parametrize("terms", [1, 3])
def test_a_row_more_costs_at_most_a_wave_more(softgpu, terms, processors):
    """By the model: at worst one wave of blocks becomes two."""
    for n, k in LAYERS:
        cycles = [plan_of(m, n, k, terms, processors).cycles for m in range(1, 513)]
        assert all(more <= 2 * less for less, more in pairwise(cycles))


@pytest.mark.parametrize("processors", PROCESSORS.values(), ids=PROCESSORS)
@pytest.mark.parametrize("terms", [1, 3])
def test_a_row_more_than_whole_tiles_is_not_a_row_of_tiles_more(softgpu, terms, processors):
    """By the model: from 512 rows on, where another row of tiles would be a quarter."""
    for n, k in LLAMA:
        for m in (512, 513, 639, 640, 641, 1024, 1536, 2048, 4096):
            more = plan_of(m + 1, n, k, terms, processors).cycles
            assert more <= 1.11 * plan_of(m, n, k, terms, processors).cycles


@pytest.mark.parametrize("processors", PROCESSORS.values(), ids=PROCESSORS)
@pytest.mark.parametrize("terms", [1, 3])
def test_many_rows_are_a_matter_of_multiplying(softgpu, terms, processors):
    """By the model: at k of 4096 the sums of the slices take a fourteenth of that time, barriers
    and filling a thirtieth; then come launches, and tiles that divide into no full wave."""
    for n, k in LLAMA:
        for m, most in ((512, 1.32), (1024, 1.23), (2048, 1.17), (4096, 1.15), (4097, 1.17)):
            multiplying = m * n * k * terms / 1024 / processors
            assert plan_of(m, n, k, terms, processors).cycles <= most * multiplying


@pytest.mark.parametrize("processors", PROCESSORS.values(), ids=PROCESSORS)
def test_few_rows_are_a_matter_of_reading_weights(softgpu, processors):
    """By the model: up to 8 rows, what the memory takes and a third more, where there are blocks
    for all processors."""
    for n, k in LAYERS:
        if n < 32 * processors:
            continue
        memory = n * k / 2 / (processors * 13.4)
        assert plan_of(8, n, k, 1, processors).cycles <= 4 / 3 * memory + 10_000
