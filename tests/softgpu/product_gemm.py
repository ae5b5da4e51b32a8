"""What the CUDA kernels of gemm_int8 and pack_int8 must do on the software GPU, whatever the
adversary does: see :mod:`.product`."""

import ctypes
from typing import NamedTuple, TypeVar

import torch

from halfword import ops

from ..compare import assert_same_bits
from . import library, product
from .product import at_odd_place, deferred, same_on_both, stream
from .redirect import glue, redirected

PROCESSORS = 4  # of the software GPU
# Asynchronous copies land as late as the waits allow, but for the last of them.
ADVERSARIES = product.ADVERSARIES | {
    "early": {"schedule": "random", "seed": 6, "landing": "early"},
}


P = TypeVar("P", bound=tuple)


class Plan(NamedTuple):
    """``GemmPlan`` of csrc/cuda/gemm_int8_plan.h."""

    tile: int
    height: int
    m_tiles: int
    n_tiles: int
    whole: int  # tiles
    sharers: int  # blocks
    cycles: float


def plan_by(op: str, fields: type[P], sizes: tuple[int, ...], *counts: int) -> P:
    """What ``halfword_<op>_plan`` says, which takes sizes of 64 bits and counts of 32."""
    function = getattr(glue(), f"halfword_{op}_plan")
    function.restype = ctypes.c_double
    function.argtypes = (
        *[ctypes.c_int64] * len(sizes), *[ctypes.c_int32] * len(counts), ctypes.c_void_p
    )  # fmt: skip
    words = (ctypes.c_int64 * (len(fields._fields) - 1))()
    cycles = function(*sizes, *counts, words)
    return fields(*words, cycles)


def plan_of(m: int, n: int, k: int, processors: int = PROCESSORS) -> Plan:
    """How a product is cut."""
    return plan_by("gemm_int8", Plan, (m, n, k), processors)


class Shape(NamedTuple):
    """A product, and the plan that it is there for."""

    m: int
    n: int
    k: int
    tile: int
    height: int
    whole: int
    sharers: int
    processors: int = PROCESSORS

    def __str__(self) -> str:
        return f"{self.m}x{self.n}x{self.k}"


FEW_ROWS = [
    Shape(16, 64, 2050, 0, 16, 2, 0),  # whole tiles; more steps than stages, the last nearly empty
    Shape(5, 40, 300, 0, 16, 2, 0),  # a part of a tile in every direction
    Shape(20, 70, 1000, 1, 32, 3, 0),
    Shape(1, 1, 0, 3, 16, 1, 0),  # no columns
]
MANY_ROWS = [
    Shape(33, 129, 350, 2, 48, 3, 0),  # half of a tile's height, a tile with one column
    Shape(64, 257, 130, 3, 64, 3, 0),
    Shape(129, 257, 65, 4, 80, 4, 0),  # 80 rows and 64, of which one exists
    Shape(200, 129, 65, 3, 112, 4, 0),
    Shape(300, 129, 65, 4, 80, 4, 0),  # an odd number of fragments for two warps
    Shape(250, 257, 129, 4, 128, 4, 0),
]
SHARED = [
    Shape(1, 9, 9300, 0, 16, 0, 4),  # four blocks have a tile
    Shape(2, 40, 14600, 0, 16, 0, 4),  # two have one of two
    Shape(1, 70, 14600, 0, 16, 0, 7, 7),  # seven have three: some have parts of two
    Shape(17, 9, 7500, 1, 32, 0, 4),
    Shape(33, 40, 7500, 2, 48, 0, 4),
    Shape(97, 287, 2939, 3, 112, 2, 2, 2),  # after a wave of whole tiles
]
SHAPES = [*FEW_ROWS, *MANY_ROWS, *SHARED]


def codes(rows, columns):
    """All values, -128 too."""
    return torch.randint(-128, 128, (rows, columns), dtype=torch.int8)


def operands(shape):
    return codes(shape.m, shape.k), codes(shape.n, shape.k)


def few_rows():
    """The sums of every tile for few rows, whole and with parts missing."""
    _sums_of(FEW_ROWS)


def many_rows():
    """Of every tile for many."""
    _sums_of(MANY_ROWS)


def shared():
    """Sums of tiles that several blocks share."""
    _sums_of(SHARED)


def _sums_of(shapes):
    problems = [operands(shape) for shape in shapes]
    outs = [torch.zeros(shape.m, shape.n, dtype=torch.int32) for shape in shapes]

    def work(outs):
        for (a, b), out, shape in zip(problems, outs, shapes, strict=True):
            with library.settings(multiprocessors=shape.processors):
                ops.gemm_int8(a, b, out=out)

    same_on_both(work, outs)


def long_sums():
    """Sums past 32 bits, cut and added in 64; with zero points."""
    k = 65536 + 300
    a, b = torch.full((2, k), 127, dtype=torch.int8), torch.full((3, k), -128, dtype=torch.int8)
    a[1], b[1] = codes(1, k), codes(1, k)
    zero_point = torch.tensor([-128, 7], dtype=torch.int32)
    assert (127 + 128) * -128 * k < -(2**31)
    same_on_both(
        lambda outs: ops.gemm_int8(a, b, zero_point_a=zero_point, out=outs[0]), [torch.zeros(2, 3)]
    )


FLOATS = (torch.float32, torch.bfloat16, torch.float16)


def finishes():
    """All that can follow the sums, each in every type; of a shared tile too."""
    for m, n, k in ((21, 75, 70), SHARED[1][:3]):
        a, b = codes(m, k), codes(n, k)
        for dtype, activation in zip(FLOATS, ("gelu", "silu", None), strict=True):
            out = _strided(m, n, dtype)
            more = {
                "zero_point_a": torch.randint(-128, 128, (m,), dtype=torch.int32),
                "bias": torch.randn(n).to(dtype),
                "residual": _strided(m, n, dtype).normal_(),
                "activation": activation,
                "beta": 0.5 if dtype == torch.float32 else 0.0,
            }
            if dtype == torch.float32:
                out.normal_()
            _finish(a, b, out, more)
        to_codes = {
            "scale_out": torch.tensor(0.05),
            "zero_point_out": torch.tensor(3, dtype=torch.int32),
            "activation": "relu",
        }
        _finish(a, b, torch.zeros(m, n, dtype=torch.int8), to_codes)


def _finish(a, b, out, more):
    scale_a, scale_b = torch.rand(a.shape[0]) / 1000, torch.randn(b.shape[0])
    same_on_both(lambda outs: ops.gemm_int8(a, b, scale_a, scale_b, out=outs[0], **more), [out])


def _strided(m, n, dtype):
    """Rows with gaps between them, at a place where no pack begins."""
    return torch.zeros(m * (n + 3) + 1, dtype=dtype)[1:].view(m, n + 3)[:, :n]


def whole_packs():
    """Elements that go to memory 16 bytes at a time, and residuals that come so."""
    m, n, k = 33, 64, 40
    a, b = codes(m, k), codes(n, k)
    for dtype in FLOATS:
        more = {"residual": torch.randn(m, n).to(dtype), "bias": torch.randn(n)}
        _finish(a, b, torch.zeros(m, n, dtype=dtype), more)
    _finish(a, b, torch.zeros(m, n, dtype=torch.int8), {"scale_out": torch.tensor(0.05)})


def _at_odd_place(matrix):
    return at_odd_place(matrix.view(-1)).view(matrix.shape)


def alignments():
    """Operands at odd places, rows of odd lengths, rows that are far apart; packed ones."""
    m, n, k = 19, 35, 85
    a, b = _at_odd_place(codes(m, k)), codes(n, k + 7)[:, 3 : 3 + k]
    wide = codes(n, 96)[:, :k]
    zero_point = torch.randint(-128, 128, (m,), dtype=torch.int32)
    outs = [torch.zeros(m, n) for _ in range(4)]

    def work(outs):
        ops.gemm_int8(a, b, zero_point_a=zero_point, out=outs[0])
        ops.gemm_int8(a, wide, zero_point_a=zero_point, out=outs[1])
        packed = ops.pack_int8(b)
        ops.gemm_int8(a, packed, zero_point_a=zero_point, out=outs[2])
        ops.gemm_int8(wide[:m], packed, out=outs[3])

    same_on_both(work, outs)


def packing():
    """Rows padded with zeros and their sums; short rows, odd ones, one that takes a whole block."""
    for n, k in ((9, 37), (1, 3), (40, 64), (2, 9001)):
        for b in (codes(n, k), _at_odd_place(codes(n, k)), codes(n, k + 5)[:, 2 : 2 + k]):
            with redirected():
                packed = ops.pack_int8(b)
            pitch = -(-k // 16) * 16
            rows = torch.zeros(n, pitch, dtype=torch.int8)
            rows[:, :k] = b
            assert_same_bits(packed.data.view(torch.int8).view(n, pitch), rows, "list 0, tensor 0")
            assert_same_bits(packed.sums, b.sum(1).int(), "list 0, tensor 1")


def streams():
    """Shared and unaligned products on two streams, nothing waited for until the end."""
    problems = [operands(SHARED[0]), (codes(4, 2049), codes(8, 2049))]
    ours, wanted = ([torch.zeros(a.shape[0], b.shape[0]) for a, b in problems] for _ in range(2))

    scales = (0.5, 0.25)
    scalars = [(torch.tensor([s]), torch.tensor([5], dtype=torch.int32)) for s in scales]
    for problem, out in zip(problems, wanted, strict=True):
        for scale, zero_point in scalars:
            ops.gemm_int8(*problem, scale, zero_point_a=zero_point, out=out, beta=1.0)
    with redirected(), deferred():
        for problem, out in zip(problems, ours, strict=True):
            with stream():
                for scale, zero_point in scalars:
                    ops.gemm_int8(*problem, scale, zero_point_a=zero_point, out=out, beta=1.0)
    for i, (got, want) in enumerate(zip(ours, wanted, strict=True)):
        assert_same_bits(got, want, f"list 0, tensor {i}")


def shared_graph():
    """Shared tiles, captured on a side stream and replayed with other operands in the same memory,
    which holds the counters of the replay before."""
    shape = SHARED[1]
    given = [operands(shape) for _ in range(3)]
    a, b = operands(shape)
    out = torch.zeros(shape.m, shape.n)
    ours = []
    runtime = library.runtime()
    graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
    with redirected(), stream() as handle, deferred():
        library.check(runtime.cudaStreamBeginCapture(handle, 0))
        ops.gemm_int8(a, b, out=out)
        library.check(runtime.cudaStreamEndCapture(handle, ctypes.byref(graph)))
        library.check(runtime.cudaGraphInstantiate(ctypes.byref(executable), graph, 0))
        for some in given:
            a.copy_(some[0])
            b.copy_(some[1])
            library.check(runtime.cudaGraphLaunch(executable, handle))
            library.check(runtime.cudaStreamSynchronize(handle))
            ours.append(out.clone())
    for i, (got, some) in enumerate(zip(ours, given, strict=True)):
        assert_same_bits(got, ops.gemm_int8(*some, out_dtype=torch.float32), f"list 0, tensor {i}")


CHECKS = [
    few_rows,
    many_rows,
    shared,
    long_sums,
    finishes,
    whole_packs,
    alignments,
    packing,
    streams,
    shared_graph,
]
