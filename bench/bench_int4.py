"""INT4 products: ``python -m bench int4``.

With 8-bit activations, quantized within the call, and with 16-bit ones; each against the best that
a user could call instead. The limit is that of the dot product instructions, or of memory for few
rows.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from halfword import ops
from tests.cases.linear import GPT2, LLAMA_8B, SQUARE

from . import int4_rivals as rivals
from .ggml_rival import llama_cpp
from .int4_rivals import Int4Problem
from .problem import Bound, Outcome, Row, Shapes, Side, Traffic

CHECKED = [(5, 64, 256)]
MEMORY_BOUND_ROWS = 4
ALL_ROWS = [1, 2, 4, 5, 8, 13, 16, 32, 33, 64, 128, 256, 512, 1024, 2048]
SOME_ROWS = [1, 16, 128, 1024]
GROUPS = [32, 128]
SCALE_BYTES = 2


def traffic(m: int, group: int, of_int8: bool) -> Traffic:
    """A multiplication and an addition an element; or the weights and scales, read once."""
    if m <= MEMORY_BOUND_ROWS:
        return Traffic(read=(0.5 + SCALE_BYTES / group) / m)
    return Traffic(int8=2) if of_int8 else Traffic(bf16=2)


def problem_of(shapes: Shapes, group: int, dtype: torch.dtype) -> Int4Problem:
    ((m, n, k),) = shapes
    return Int4Problem(m, n, k, min(group, k), dtype)


def packed_weight(p: Int4Problem) -> ops.PackedInt4:
    return ops.pack_int4(p.codes(), p.scale, group_size=p.group)


def with_int8(shapes: Shapes, *, group: int, dtype: torch.dtype) -> list[Outcome]:
    p = problem_of(shapes, group, dtype)
    packed = packed_weight(p)

    def ours() -> Tensor:
        return ops.gemm_w4a8(p.x, packed)

    return [
        rivals.side("halfword W4A8", lambda: ours, optional=False),
        rivals.openvino(p, quantizes=True),
        rivals.onnxruntime(p, level=4),
        llama_cpp(p),
        rivals.torch_int4pack(p),
        rivals.our_int8(p),
        rivals.torch_linear(p),
    ]


def with_floats(shapes: Shapes, *, group: int, dtype: torch.dtype) -> list[Outcome]:
    p = problem_of(shapes, group, dtype)
    packed = packed_weight(p)

    def ours() -> Tensor:
        return ops.gemm_w4a16(p.x, packed)

    return [
        rivals.side("halfword W4A16", lambda: ours, optional=False),
        rivals.torch_int4pack(p),
        rivals.onnxruntime(p, level=1),
        rivals.openvino(p, quantizes=False),
        rivals.bitsandbytes(p),
        rivals.torch_linear(p),
    ]


def packing(shapes: Shapes, *, unpacks: bool) -> list[Outcome]:
    """Between codes and what the kernels read; torch makes nibbles of neighbours, in rows."""
    p = problem_of(shapes, GROUPS[-1], torch.float32)
    codes, packed = p.codes(), packed_weight(p)
    even, odd = codes[:, ::2], codes[:, 1::2]
    nibbles = p.packed_by_two()

    def pack_ours() -> Tensor:
        return ops.pack_int4(codes, p.scale, group_size=p.group).data

    def pack_torch() -> Tensor:
        return ((even + rivals.ZERO) | ((odd + rivals.ZERO) << 4)).view(torch.uint8)

    def unpack_ours() -> Tensor:
        return ops.unpack_int4(packed).codes

    def unpack_torch() -> Tensor:
        both = torch.stack((nibbles & 15, nibbles >> 4), -1)
        return both.view(p.n, p.k).to(torch.int8) - rivals.ZERO

    def packing_side(name: str, run: Callable[[], Tensor], back: Callable[[], Tensor]) -> Outcome:
        return Side(name, run, lambda: {"codes": [back()]})

    if unpacks:
        return [
            packing_side("halfword", unpack_ours, unpack_ours),
            packing_side("torch", unpack_torch, unpack_torch),
        ]
    return [  # in another order each: what they hold is compared
        packing_side("halfword", pack_ours, unpack_ours),
        packing_side("torch", pack_torch, unpack_torch),
    ]


def bounds_of(group: int) -> dict[str, Bound]:
    """Activations in 8 bits: half a code in 127 of the largest of a row, on either side; and INT8
    weights, of one scale a row where INT4 has one a group, likewise."""
    largest = problem_of(CHECKED, group, torch.float32).largest_result()
    return {"y": Bound(2.0**-7, largest / 32)}


def places(tiny: bool) -> Iterator[tuple[str, int, int, int]]:
    """Name, rows of activations, and the layer's shape."""
    if tiny:
        yield from (("tiny", m, 64, 256) for m in (1, 5))
        return
    yield from (("square", m, *SQUARE) for m in ALL_ROWS)
    for name, (n, k) in (LLAMA_8B | GPT2).items():
        if (n, k) != SQUARE:
            yield from ((name, m, n, k) for m in SOME_ROWS)


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows."""
    kinds: dict[str, Callable[..., list[Outcome]]] = {"W4A8": with_int8, "W4A16": with_floats}
    for name, m, n, k in places(tiny):
        for kind, sides in kinds.items():
            for group in GROUPS:
                of_int8 = kind == "W4A8"
                yield Row(
                    f"{kind}, bf16, groups of {group}, {name}, N = {n}, K = {k}, M = {m}",
                    [(m, n, k)], traffic(m, group, of_int8),
                    partial(sides, group=group, dtype=torch.bfloat16), bounds_of(group), CHECKED,
                    f"{kind}, groups of {group}",
                )  # fmt: skip
    n, k = (64, 256) if tiny else SQUARE
    for name, unpacks in (("pack_int4", False), ("unpack_int4", True)):
        yield Row(f"{name}, N = {n}, K = {k}", [(1, n, k)], Traffic(update=1.5),
                  partial(packing, unpacks=unpacks), {"codes": Bound(0.0)}, CHECKED)  # fmt: skip
