"""What the CUDA kernels of the quantizers must do on the software GPU, whatever the adversary does.

Checks as in :mod:`.product`; shapes are the smallest that take every path of a kernel.
"""

import ctypes
from dataclasses import replace

import torch

from halfword import ops
from halfword.quant import Spec

from ..compare import assert_same_bits
from . import library, product
from .product import at_odd_place, deferred, stream
from .redirect import original, redirected

ADVERSARIES = product.ADVERSARIES
ROWS = Spec()
AFFINE = Spec(symmetric=False)
ROUNDED = Spec(rounding="stochastic")


def matrix(rows, cols, dtype=torch.float32):
    """Of both signs and many magnitudes."""
    return (torch.randn(rows, cols) * torch.randn(rows, cols).exp()).to(dtype)


def same_results(work):
    """Call ``work()`` on the CPU's kernels and the CUDA kernels; compare the tensors returned."""
    wanted = work()
    with redirected():
        got = work()
    assert_results(got, wanted)


def assert_results(got, wanted):
    for i, (ours, theirs) in enumerate(zip(_tensors(got), _tensors(wanted), strict=True)):
        assert_same_bits(ours, theirs, f"list 0, tensor {i}")


def _tensors(results):
    """Those of nested tuples, in order."""
    if isinstance(results, torch.Tensor):
        return [results]
    return [t for part in results if part is not None for t in _tensors(part)]


def quantize_units():
    """Blocks that threads hold: rows of a warp's parts, warps, blocks of threads."""
    for x in (
        matrix(40, 64, torch.bfloat16),
        matrix(3, 1030),
        at_odd_place(matrix(5, 40, torch.float16).view(-1)).view(5, 40),
    ):
        x[1, 7] = float("nan")
        same_results(lambda x=x: ops.quantize(x, AFFINE, row_sums=True))
    for spec in (Spec(group_size=32), Spec(group_size=20), Spec(block=(32, 32))):
        x = matrix(40, 72)[:, :70]
        same_results(lambda x=x, spec=spec: ops.quantize(x, spec))
    x = at_odd_place(matrix(1, 16392).view(-1))  # by many blocks of threads
    same_results(lambda: ops.quantize(x))


def quantize_tiles():
    """Other blocks, and scales that are given."""
    x = matrix(70, 300, torch.bfloat16)
    for spec in (
        Spec(axis="column", symmetric=False),
        replace(AFFINE, axis="tensor"),
        Spec(block=(3, 5)),
    ):
        same_results(lambda spec=spec: ops.quantize(x, spec, row_sums=True))
        scales = ops.quantize(x, spec)

        def again(spec=spec, scales=scales):
            return ops.quantize(x, spec, scale=scales.scale, zero_point=scales.zero_point)

        same_results(again)


def quantize_rounded():
    """Random bits: packs that begin inside a Philox call, and rows that are longer than a unit."""
    for rows, cols in ((3, 21), (2, 64)):
        x = matrix(rows, cols)
        same_results(lambda x=x: ops.quantize(x, ROUNDED, seed=7))
        same_results(lambda x=x: ops.quantize(x, replace(ROUNDED, axis="column"), seed=8))


def dequantize():
    """Codes to values of all types, scales of neighbours the same or not."""
    x = matrix(9, 304)
    for spec, dtype in ((AFFINE, torch.bfloat16), (Spec(axis="column"), torch.float16)):
        for part in (x, x[:, :301]):
            q = ops.quantize(part, spec)

            def work(q=q, spec=spec, dtype=dtype):
                return ops.dequantize(q.codes, q.scale, q.zero_point, spec, dtype=dtype)

            same_results(work)


def absmax():
    """Of rows, groups, columns and blocks."""
    x = matrix(70, 300)
    for spec in (ROWS, Spec(group_size=20), Spec(axis="column"), Spec(block=(64, 64))):
        same_results(lambda spec=spec: ops.absmax(x, spec))


def quantize_dual():
    """Scales of both axes, of groups, and of blocks in a tile."""
    for spec, shape in (
        (AFFINE, (140, 136)),
        (Spec(group_size=32), (96, 40)),
        (ROUNDED, (20, 9)),
        (replace(AFFINE, block=(32, 64)), (64, 256)),
        (replace(ROUNDED, axis="tensor"), (20, 9)),
    ):
        x = matrix(*shape, torch.bfloat16)
        seed = 5 if spec.rounding == "stochastic" else None
        same_results(lambda x=x, spec=spec, seed=seed: ops.quantize_dual(x, spec, seed=seed))


def quantize_graph():
    """Captured on a side stream, replayed with other elements and another seed."""
    x, seed = matrix(70, 24), torch.tensor([3])
    tensor = replace(AFFINE, axis="tensor")

    def work():
        rounded = ops.quantize(x, ROUNDED, seed=seed, row_sums=True)
        return rounded, ops.quantize(x[:, :20], tensor), ops.quantize_dual(x), ops.absmax(x)

    runtime = library.runtime()
    graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
    with redirected(), stream() as handle, deferred():
        library.check(runtime.cudaStreamBeginCapture(handle, 0))
        ours = work()
        library.check(runtime.cudaStreamEndCapture(handle, ctypes.byref(graph)))
        library.check(runtime.cudaGraphInstantiate(ctypes.byref(executable), graph, 0))
        for replay in range(2):
            x.normal_()
            seed.fill_(replay)
            library.check(runtime.cudaGraphLaunch(executable, handle))
            library.check(runtime.cudaStreamSynchronize(handle))
            with original():
                assert_results(ours, work())


CHECKS = [
    quantize_units,
    quantize_tiles,
    quantize_rounded,
    dequantize,
    absmax,
    quantize_dual,
    quantize_graph,
]
