"""What the CUDA kernels of gemm_w4a8 must do on the software GPU, whatever the adversary does: see
:mod:`.product`."""

from dataclasses import replace
from typing import NamedTuple

import torch

from halfword import ops

from ..compare import assert_same_bits
from . import product_gemm
from .product import at_odd_place, deferred, stream
from .redirect import redirected

PROCESSORS = product_gemm.PROCESSORS
ADVERSARIES = product_gemm.ADVERSARIES
FLOATS = (torch.float32, torch.bfloat16, torch.float16)
KINDS = ("plain", "zero points", "offsets")


class Plan(NamedTuple):
    """``GemmW4A8Plan`` of csrc/cuda/gemm_w4a8_plan.h."""

    tile: int
    m_tiles: int
    n_tiles: int
    cycles: float


def plan_of(m: int, n: int, k: int, group: int, processors: int = PROCESSORS) -> Plan:
    """How a product is cut."""
    return product_gemm.plan_by("gemm_w4a8", Plan, (m, n, k, group), processors)


class Shape(NamedTuple):
    """A product, the tile that it is there for, and with what its weights are."""

    m: int
    n: int
    k: int
    group: int
    tile: int
    kinds: tuple[str, ...] = KINDS

    def __str__(self) -> str:
        return f"{self.m}x{self.n}x{self.k}g{self.group}"


FEW_ROWS = [
    Shape(16, 64, 2080, 32, 0),  # whole tiles; more groups than slots
    Shape(5, 41, 300, 96, 0),  # a part of a tile in every direction, a ragged group
    Shape(2, 9, 1000, 128, 0),
    Shape(1, 1, 1, 1, 0),
]
MANY_ROWS = [
    Shape(33, 129, 700, 64, 1, KINDS[2:]),  # more steps than stages, a tile with one column
    Shape(65, 129, 300, 300, 1, KINDS[1:2]),  # the scale of a row
    Shape(200, 200, 420, 32, 2, KINDS[1:2]),
    Shape(130, 130, 200, 96, 2, KINDS[2:]),
]
SHAPES = [*FEW_ROWS, *MANY_ROWS]


def codes(rows, columns):
    """All values, -128 too."""
    return torch.randint(-128, 128, (rows, columns), dtype=torch.int8)


def weight_of(n, k, group, kind, dtype=torch.float32):
    """Of random codes; scales have both signs."""
    groups = -(-k // group)

    def floats():
        return torch.randn(n, groups).to(dtype)

    zero_point = torch.randint(-8, 9, (n, groups), dtype=torch.int32)
    return ops.Int4Weight(
        torch.randint(-8, 8, (n, k), dtype=torch.int8),
        floats(),
        zero_point if kind == "zero points" else None,
        floats() if kind == "offsets" else None,
        group,
    )


def pack(weight):
    return ops.pack_int4(weight, activation_bits=8)


def same_on_both(a, weight, *scale_a, change=lambda packed: packed, out=None, **more):
    """The CUDA kernels give the bits of the CPU's."""
    copy = None if out is None else out.clone()
    wanted = ops.gemm_w4a8(a, pack(weight), *scale_a, out=out, **more)
    with redirected():
        got = ops.gemm_w4a8(a, change(pack(weight)), *scale_a, out=copy, **more)
    assert_same_bits(got, wanted, "list 0, tensor 0")


def w4a8_few_rows():
    """The sums of the tile for few rows, whole and with parts missing."""
    _sums_of(FEW_ROWS)


def w4a8_many_rows():
    """Of those for many."""
    _sums_of(MANY_ROWS)


def _sums_of(shapes):
    for i, shape in enumerate(shapes):
        for j, kind in enumerate(shape.kinds):
            weight = weight_of(*shape[1:4], kind, FLOATS[(i + j) % 3])
            same_on_both(codes(shape.m, shape.k), weight)


def long_groups():
    """Sums that are no mantissa of a float, and those that 32 bits do not hold."""
    for k in (4096 + 40, 65536 + 100):
        for kind in ("zero points", "offsets"):
            weight = weight_of(3, k, k, kind)
            weight.codes[0] = -8
            if kind == "zero points":
                weight.zero_point[0] = 8
            a = codes(2, k)
            a[0] = -128
            same_on_both(a, weight)


def w4a8_finishes():
    """All that can follow the sums."""
    m, n = 21, 75
    for dtype, activation in zip(FLOATS, ("gelu", "silu", None), strict=True):
        more = {
            "bias": torch.randn(n).to(dtype),
            "residual": torch.randn(m, n + 3)[:, :n].to(dtype),
            "activation": activation,
            "out_dtype": dtype,
        }
        same_on_both(codes(m, 70), weight_of(n, 70, 64, "plain"), torch.rand(m) / 100, **more)
    weight = weight_of(n, 70, 64, "plain")
    same_on_both(codes(m, 70), weight, torch.rand(m), out=torch.randn(m, n), beta=0.5)
    same_on_both(codes(m, 70), weight, torch.rand(1), scale_out=torch.tensor([9.0]))


def w4a8_alignments():
    """Operands at odd places, rows of odd lengths, rows that are far apart, and empty ones."""
    for kind in ("zero points", "offsets"):
        weight = weight_of(35, 85, 64, kind, torch.bfloat16)
        same_on_both(at_odd_place(codes(19, 85).view(-1)).view(19, 85), weight)
        same_on_both(codes(19, 112)[:, 16:101], weight, change=_at_odd_places)
        same_on_both(codes(3, 0), weight_of(5, 0, 32, kind))


def _at_odd_places(packed):
    def move(t):
        return None if t is None else at_odd_place(t.view(-1), 1).view(t.shape)

    return replace(
        packed,
        data=move(packed.data),
        scale=move(packed.scale),
        zero_point=move(packed.zero_point),
        offset=move(packed.offset),
    )


def real_rows():
    """Rows that are quantized first, of one length that is aligned and one that is not."""
    for k, dtype in ((96, torch.float32), (70, torch.bfloat16)):
        same_on_both(torch.randn(19, k).to(dtype), weight_of(33, k, 32, "offsets"))


def w4a8_streams():
    """Products that need memory on two streams, nothing waited for until the end."""
    problems = [
        (torch.randn(m, 70), weight_of(n, 70, 32, "offsets")) for m, n in ((3, 9), (40, 33))
    ]
    ours, wanted = ([torch.ones(len(a), len(w.codes)) for a, w in problems] for _ in range(2))

    for (a, weight), out in zip(problems, wanted, strict=True):
        for _ in range(2):
            ops.gemm_w4a8(a, pack(weight), out=out, beta=1.0)
    with redirected():
        packed = [pack(weight) for _, weight in problems]
        with deferred():
            for (a, _), weight, out in zip(problems, packed, ours, strict=True):
                with stream():
                    for _ in range(2):
                        ops.gemm_w4a8(a, weight, out=out, beta=1.0)
    for i, (got, want) in enumerate(zip(ours, wanted, strict=True)):
        assert_same_bits(got, want, f"list 0, tensor {i}")


CHECKS = [
    w4a8_few_rows,
    w4a8_many_rows,
    long_groups,
    w4a8_finishes,
    w4a8_alignments,
    real_rows,
    w4a8_streams,
]
