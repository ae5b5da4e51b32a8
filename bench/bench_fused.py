"""Ops that compute rows and quantize them: ``python -m bench fused``.

A norm with its residual, and the gated product of an MLP, of the widths of large models. The rivals
are the same under torch.compile, and the two steps by themselves with halfword's quantizer behind
torch's. The limit is that of memory.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from halfword import ops

from .bench_quantize import ONE_CODE, TINY
from .bench_quantize import formula as quantized
from .problem import Outcome, Row, Shapes, Side, Traffic, random_list

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
SIZES = {"512 x 4096": [(512, 4096)], "2048 x 4096": [(2048, 4096)], "1 x 4096": [(1, 4096)]}
CHECKED = [(64, 256)]

Run = Callable[[], tuple[Tensor, ...]]


def side(name: str, run: Run) -> Side:
    """`run` returns codes and scales."""

    def results() -> dict[str, Sequence[Tensor]]:
        codes, scale = run()
        return {"codes": [codes], "scale": [scale]}

    return Side(name, run, results)


def sides(
    ours: Run, torch_floats: Callable[..., Tensor], inputs: list[Tensor], compiled: bool
) -> Iterator[Side]:
    def two_steps() -> tuple[Tensor, ...]:
        return ops.quantize(torch_floats(*inputs))[:2]

    def formula(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        return quantized(torch_floats(*tensors))

    yield side("halfword", ours)
    yield side("torch, then halfword quantize", two_steps)
    if compiled:
        one_step = torch.compile(formula, dynamic=False)
        yield side("torch.compile", lambda: one_step(*inputs))


def norm_sides(
    shapes: Shapes, *, dtype: torch.dtype, kind: str, residual: bool, compiled: bool
) -> list[Outcome]:
    (x,) = random_list(shapes, dtype, 1.0, seed=8)
    (added,) = random_list(shapes, dtype, 1.0, seed=9)
    cols = x.shape[1]
    weight = torch.ones(cols, dtype=dtype)
    bias = torch.zeros(cols, dtype=dtype) if kind == "layer" else None

    def ours() -> tuple[Tensor, ...]:
        got = ops.norm_quantize(
            x,
            weight,
            bias,
            residual=added if residual else None,
            kind=kind,  # type: ignore[arg-type]
        )
        return got.codes, got.scale

    def floats(x: Tensor, added: Tensor) -> Tensor:
        h = x + added if residual else x
        if kind == "layer":
            return torch.nn.functional.layer_norm(h, (cols,), weight, bias, 1e-6)
        return torch.nn.functional.rms_norm(h, (cols,), weight, 1e-6)

    return list(sides(ours, floats, [x, added], compiled))


def silu_sides(shapes: Shapes, *, dtype: torch.dtype, compiled: bool) -> list[Outcome]:
    gate, up = random_list([*shapes, *shapes], dtype, 1.0, seed=10)

    def ours() -> tuple[Tensor, ...]:
        return ops.silu_mul_quantize(gate, up)[:2]

    def floats(gate: Tensor, up: Tensor) -> Tensor:
        return torch.nn.functional.silu(gate) * up

    return list(sides(ours, floats, [gate, up], compiled))


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows. Codes and sums that are written are updates: their lines are fetched, too."""
    for size, shapes in (TINY if tiny else SIZES).items():
        for dtype_name, dtype in DTYPES.items():
            item = dtype.itemsize
            for kind, residual in (("rms", False), ("rms", True), ("layer", False)):
                name = f"norm_quantize {kind}{' of a sum' if residual else ''}"
                yield Row(
                    f"{name}, {dtype_name}, {size}", shapes,
                    Traffic(read=2 * item, update=item + 1) if residual
                    else Traffic(read=item, update=1),
                    partial(norm_sides, dtype=dtype, kind=kind, residual=residual,
                            compiled=compiled),
                    ONE_CODE, CHECKED,
                )  # fmt: skip
            yield Row(
                f"silu_mul_quantize, {dtype_name}, {size}", shapes,
                Traffic(read=2 * item, update=1),
                partial(silu_sides, dtype=dtype, compiled=compiled), ONE_CODE, CHECKED,
            )  # fmt: skip
