"""What the CUDA kernels of gemm_w4a16 must do on the software GPU, whatever the adversary does: see
:mod:`.product`. Where a check compares bits, every sum is exact in FP32."""

import ctypes
from typing import NamedTuple

import torch

from halfword import ops

from ..compare import assert_same_bits
from . import library
from .library import settings
from .product import at_odd_place, deferred, same_on_both, stream
from .product_gemm import ADVERSARIES, PROCESSORS, plan_by
from .product_w4a8 import FLOATS
from .redirect import redirected

__all__ = ["ADVERSARIES", "CHECKS"]


class Plan(NamedTuple):
    """``GemmW4A16Plan`` of csrc/cuda/gemm_w4a16_plan.h."""

    tile: int
    rows: int
    m_tiles: int
    n_tiles: int
    parts: int
    cycles: float


def plan_of(m: int, n: int, k: int, terms: int = 1, processors: int = PROCESSORS) -> Plan:
    """How the first rows of a product are cut."""
    return plan_by("gemm_w4a16", Plan, (m, n, k), terms, processors)


class Shape(NamedTuple):
    """A product, the tiles that it is there for, of 16-bit activations and of FP32, and on how many
    multiprocessors."""

    m: int
    n: int
    k: int
    group: int
    tile: int
    tile_of_floats: int
    processors: int = PROCESSORS

    def __str__(self) -> str:
        return f"{self.m}x{self.n}x{self.k}g{self.group}"


FEW_ROWS = [
    Shape(8, 32, 2112, 128, 0, 5),  # a whole tile; more steps than stages, the last one short
    Shape(3, 37, 300, 32, 0, 5),  # a part of a tile in every direction, three of four slices
    Shape(5, 33, 620, 96, 0, 5),  # groups that end inside a step, in two slices
    Shape(1, 1, 1, 1, 0, 5),
]
MORE_ROWS = [
    Shape(32, 130, 530, 64, 1, 6),
    Shape(17, 200, 300, 600, 1, 6),  # the group is the whole row
    Shape(65, 200, 300, 96, 2, 6, 3),  # slices one after the other, the last one short
]
MANY_ROWS = [
    Shape(70, 200, 450, 128, 3, 6),  # the same for the next tile
    Shape(130, 65, 600, 320, 3, 6, 2),  # slices of several steps; two rows that are left
    Shape(100, 100, 300, 96, 4, 6, 1),  # a part of the widest tile in every direction
    Shape(132, 200, 260, 64, 4, 6, 2),  # columns of those, and four rows that are left
]
SHAPES = [*FEW_ROWS, *MORE_ROWS, *MANY_ROWS]


class Shared(NamedTuple):
    """A product some of whose tiles are divided into parts, one block each."""

    m: int
    n: int
    k: int
    group: int
    kind: str
    dtype: torch.dtype
    processors: int
    tile: int
    parts: int

    def __str__(self) -> str:
        return f"{self.m}x{self.n}x{self.k}in{self.parts}"


SHARED = [
    # Three slices of 256 columns, groups that end in none of their places; whole tiles before.
    Shared(65, 200, 600, 96, "offset", torch.float32, 3, 6, 3),
    Shared(65, 64, 2048, 128, "symmetric", torch.float32, 2, 6, 2),  # no tile is whole
    Shared(128, 129, 2048, 160, "zero point", torch.bfloat16, 2, 3, 2),
]


def activations(m, k, dtype):
    """Small integers."""
    return torch.randint(-8, 9, (m, k)).to(dtype)


def weight(n, k, group, kind="symmetric", dtype=torch.float32):
    """Scales are powers of two, of either sign."""
    shape = (n, -(-k // group))
    codes = torch.randint(-8, 8, (n, k), dtype=torch.int8)
    scale = torch.tensor([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])[torch.randint(6, shape)].to(dtype)
    zero_point = torch.randint(-8, 9, shape, dtype=torch.int32) if kind == "zero point" else None
    offset = torch.randint(-3, 4, shape).to(dtype) if kind == "offset" else None
    return ops.Int4Weight(codes, scale, zero_point, offset, group)


def product(a, w, **more):
    return ops.gemm_w4a16(a, ops.pack_int4(w), **more)


def w4a16_few_rows():
    """The sums of every tile for few rows, whole and with parts missing, in every type."""
    _sums_of(FEW_ROWS)


def w4a16_more_rows():
    """Of those for some more."""
    _sums_of(MORE_ROWS)


def w4a16_many_rows():
    """Of those for many."""
    _sums_of(MANY_ROWS)


def _sums_of(shapes):
    kinds = ("symmetric", "zero point", "offset")
    problems = []
    for i, shape in enumerate(shapes):
        for j, dtype in enumerate(FLOATS):
            w = weight(shape.n, shape.k, shape.group, kinds[(i + j) % 3], FLOATS[(i + 2 * j) % 3])
            problems.append((activations(shape.m, shape.k, dtype), w, shape.processors))
    outs = [torch.zeros(a.shape[0], w.codes.shape[0]) for a, w, _ in problems]

    def work(outs):
        for (a, w, processors), out in zip(problems, outs, strict=True):
            with settings(multiprocessors=processors):
                product(a, w, out=out)

    same_on_both(work, outs)


def w4a16_shared_tiles():
    """The sums of tiles that several blocks have slices of."""
    for shape in SHARED:
        a = activations(shape.m, shape.k, shape.dtype)
        w = weight(shape.n, shape.k, shape.group, shape.kind)

        def work(outs, a=a, w=w):
            product(a, w, out=outs[0])

        with settings(multiprocessors=shape.processors):
            same_on_both(work, [torch.zeros(shape.m, shape.n)])


def w4a16_shared_bits():
    """Sums that are not exact have the same bits in a tile that is shared, in one that is not, and
    in a row alone."""
    shape = SHARED[0]
    a = torch.randn(shape.m, shape.k)
    codes = torch.randint(-8, 8, (shape.n, shape.k), dtype=torch.int8)
    scale = torch.randn(shape.n, -(-shape.k // shape.group))
    with redirected():
        packed = ops.pack_int4(
            ops.Int4Weight(codes, scale, None, torch.randn_like(scale), shape.group)
        )
        with settings(multiprocessors=shape.processors):
            shared = ops.gemm_w4a16(a, packed)
        whole = ops.gemm_w4a16(a, packed)
        assert_same_bits(shared, whole, "list 0, tensor 0")
        assert_same_bits(ops.gemm_w4a16(a[7:8], packed), shared[7:8], "list 0, tensor 1")


def w4a16_shared_graph():
    """Captured on a side stream, replayed with other activations in the same memory."""
    shape = SHARED[0]
    given = [activations(shape.m, shape.k, shape.dtype) for _ in range(2)]
    w = weight(shape.n, shape.k, shape.group, shape.kind)
    a, out = torch.zeros(shape.m, shape.k), torch.zeros(shape.m, shape.n)
    ours = []
    runtime = library.runtime()
    graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
    with settings(multiprocessors=shape.processors), redirected():
        packed = ops.pack_int4(w)
        with stream() as handle, deferred():
            library.check(runtime.cudaStreamBeginCapture(handle, 0))
            ops.gemm_w4a16(a, packed, out=out)
            library.check(runtime.cudaStreamEndCapture(handle, ctypes.byref(graph)))
            library.check(runtime.cudaGraphInstantiate(ctypes.byref(executable), graph, 0))
            for some in given:
                a.copy_(some)
                library.check(runtime.cudaGraphLaunch(executable, handle))
                library.check(runtime.cudaStreamSynchronize(handle))
                ours.append(out.clone())
    for i, (got, some) in enumerate(zip(ours, given, strict=True)):
        assert_same_bits(got, product(some, w), f"list 0, tensor {i}")


def w4a16_groups():
    """Every kind of group, with scales of every type."""
    kinds = ("symmetric", "zero point", "offset")
    cases = [(kind, dtype) for kind in kinds for dtype in FLOATS]
    for m in (2, 20):
        problems = [weight(35, 200, 64, kind, dtype) for kind, dtype in cases]
        a = activations(m, 200, torch.float16)

        def work(outs, a=a, problems=problems):
            for w, out in zip(problems, outs, strict=True):
                product(a, w, out=out)

        same_on_both(work, [torch.zeros(m, 35) for _ in cases])


def w4a16_all_bits():
    """FP32 activations of 24 bits, alone in their rows with a code of 1, come out as they are; so
    do infinities and NaNs, which leave other rows alone."""
    m, k = 40, 77
    a = torch.zeros(m, k)
    values = torch.randn(m) * 2.0 ** torch.randint(-60, 60, (m,))
    values[:4] = torch.tensor([torch.finfo().max, torch.inf, -torch.inf, torch.nan])
    a[torch.arange(m), torch.randint(k, (m,))] = values
    w = ops.Int4Weight(torch.ones(9, k, dtype=torch.int8), torch.ones(9, 1), None, None, k)
    for rows in (slice(0, 8), slice(0, m)):
        with redirected():
            got = product(a[rows], w)
        wanted = values[rows, None].expand(-1, 9)
        assert_same_bits(got, wanted, "list 0, tensor 0")


def w4a16_a_row_alone():
    """Sums that are not exact have the same bits whatever rows there are beside, in every tile, and
    on however many multiprocessors."""
    m, n, k, group = 140, 66, 330, 96
    for dtype, has_offset in zip(FLOATS, (True, False, True), strict=True):
        a = torch.randn(m, k).to(dtype)
        codes = torch.randint(-8, 8, (n, k), dtype=torch.int8)
        scale = torch.randn(n, -(-k // group))
        offset = torch.randn_like(scale) if has_offset else None
        w = ops.Int4Weight(codes, scale, None, offset, group)
        with redirected():
            packed = ops.pack_int4(w)
            whole = ops.gemm_w4a16(a, packed, out_dtype=torch.float32)
            for i, rows in enumerate((slice(1), slice(3, 11), slice(100, 120))):
                part = ops.gemm_w4a16(a[rows], packed, out_dtype=torch.float32)
                assert_same_bits(part, whole[rows], f"list 0, tensor {i}")
            for i, processors in enumerate((1, 2, 9)):
                with settings(multiprocessors=processors):
                    other = ops.gemm_w4a16(a, packed, out_dtype=torch.float32)
                assert_same_bits(other, whole, f"list 1, tensor {i}")
        exact = a.double() @ w.dequantize().double().t()
        bound = (k + 2 * scale.shape[1]) * 2.0**-23 * _magnitude(a, w)
        assert ((whole - exact).abs() <= bound).all(), "list 0, tensor 3: not within the bound"


def _magnitude(a, w):
    """Sums of |a * code * scale| + |a * offset|."""
    columns = torch.arange(a.shape[1]) // w.group_size
    terms = w.codes.double().abs() * w.scale.double().abs()[:, columns]
    if w.offset is not None:
        terms += w.offset.double().abs()[:, columns]
    return a.double().abs() @ terms.t()


def w4a16_finishes():
    """All that can follow the sums, in every type, in rows with gaps; whole packs."""
    for m, n in ((21, 75), (33, 64)):
        w = weight(n, 70, 32, "zero point")
        for dtype, activation in zip(FLOATS, ("gelu", "silu", None), strict=True):
            a = activations(m, 70, dtype)
            rows = _strided if n == 75 else torch.zeros
            more = {
                "bias": torch.randn(n).to(dtype),
                "residual": torch.randn_like(rows(m, n, dtype=dtype)),
                "activation": activation,
                "beta": 0.5 if dtype == torch.float32 else 0.0,
            }
            _finish(a, w, rows(m, n, dtype=dtype).normal_(), more)
        to_codes = {
            "scale_out": torch.tensor(3.0),
            "zero_point_out": torch.tensor(3, dtype=torch.int32),
            "activation": "relu",
        }
        _finish(a, w, torch.zeros(m, n, dtype=torch.int8), to_codes)


def _finish(a, w, out, more):
    same_on_both(lambda outs: product(a, w, out=outs[0], **more), [out])


def _strided(m, n, dtype):
    """Rows with gaps between them, at a place where no pack begins."""
    return torch.zeros(m * (n + 3) + 1, dtype=dtype)[1:].view(m, n + 3)[:, :n]


def w4a16_alignments():
    """Activations at odd places, of odd lengths, rows that are far apart or the same."""
    m, n, k = 19, 35, 85
    w = weight(n, k, 64, "offset", torch.bfloat16)
    for dtype in FLOATS:
        a = activations(m, k, dtype)
        views = [
            at_odd_place(a.view(-1)).view(m, k),
            activations(m, k + 7, dtype)[:, 3 : 3 + k],
            activations(m, 96, dtype)[:, :k],
            a[:1].expand(m, k),
        ]

        def work(outs, views=views):
            for view, out in zip(views, outs, strict=True):
                product(view, w, out=out)

        same_on_both(work, [torch.zeros(m, n) for _ in views])


def w4a16_weights_at_odd_place():
    """Packed bytes that begin where no 16 bytes may."""
    w, a = weight(20, 70, 32), activations(4, 70, torch.bfloat16)
    with redirected():
        packed = ops.pack_int4(w)
        wanted = ops.gemm_w4a16(a, packed)
        moved = type(packed)(
            at_odd_place(packed.data), packed.scale, None, None, 20, 70, 32, packed.layout
        )
        assert_same_bits(ops.gemm_w4a16(a, moved), wanted, "list 0, tensor 0")


def w4a16_streams():
    """Activations that are copied first, on two streams; nothing waited for until the end."""
    problems = [
        (activations(4, 75, torch.float16), weight(30, 75, 32)),
        (activations(9, 64, torch.float32), weight(20, 64, 64)),
    ]
    ours, wanted = ([torch.zeros(len(a), len(w.codes)) for a, w in problems] for _ in range(2))
    for (a, w), out in zip(problems, wanted, strict=True):
        for _ in range(2):
            product(a, w, out=out, beta=1.0)
    with redirected():
        packed = [ops.pack_int4(w) for _, w in problems]
        with deferred():
            for (a, _), b, out in zip(problems, packed, ours, strict=True):
                with stream():
                    for _ in range(2):
                        ops.gemm_w4a16(a, b, out=out, beta=1.0)
    for i, (got, want) in enumerate(zip(ours, wanted, strict=True)):
        assert_same_bits(got, want, f"list 0, tensor {i}")


CHECKS = [
    w4a16_few_rows,
    w4a16_more_rows,
    w4a16_many_rows,
    w4a16_shared_tiles,
    w4a16_shared_bits,
    w4a16_shared_graph,
    w4a16_groups,
    w4a16_all_bits,
    w4a16_a_row_alone,
    w4a16_finishes,
    w4a16_alignments,
    w4a16_weights_at_odd_place,
    w4a16_streams,
]
