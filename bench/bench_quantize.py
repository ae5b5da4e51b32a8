"""Quantizers: ``python -m bench quantize``.

Floats to codes and back, over matrices from one that a cache holds to one that none does. The
rivals are the formula under torch.compile and in eager torch; torch.quantize_per_tensor is
compared with one scale for the tensor. The limit is that of memory.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from halfword import ops
from halfword.quant import Spec

from .problem import Bound, Outcome, Row, Shapes, Side, Traffic, random_list

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
SIZES = {"512 x 4096": [(512, 4096)], "4096 x 4096": [(4096, 4096)], "8192 x 4096": [(8192, 4096)]}
TINY = {"128 x 256": [(128, 256)]}
CHECKED = [(128, 256)]
SPECS = {
    "rows": Spec(),
    "columns": Spec(axis="column"),
    "tensor": Spec(axis="tensor"),
    "groups of 128": Spec(group_size=128),
    "blocks of 128 x 128": Spec(block=(128, 128)),
    "rows, affine": Spec(symmetric=False),
    "rows, stochastic": Spec(rounding="stochastic"),
}
# The formula in another order rounds one code in thousands to its neighbour.
CODES, SCALE = Bound(0.0, 1.0), Bound(2.0**-7)
ONE_CODE = {
    "codes": CODES, "scale": SCALE, "codes_t": CODES, "scale_t": SCALE,
    "values": Bound(0.0, 0.1),
}  # fmt: skip
DUAL = {"rows and columns": Spec(), "blocks of 128 x 128": Spec(block=(128, 128))}

ABSMAX = {"codes": Bound(0.0)}
# 128 products, added in another order, of numbers up to 5.
HADAMARD = {"codes": Bound(2.0**-7, 128 * 5 * 2.0**-9)}


def parts_of(x: Tensor, spec: Spec) -> tuple[Tensor, tuple[int, ...]]:
    """A view of x, and the dimensions of it that share a scale."""
    rows, cols = x.shape
    if spec.group_size is not None:
        return x.view(rows, cols // spec.group_size, spec.group_size), (2,)
    if spec.block is not None:
        down, across = spec.block
        return x.view(rows // down, down, cols // across, across), (1, 3)
    return x, {"row": (1,), "column": (0,), "tensor": (0, 1)}[spec.axis]


def formula(x: Tensor, spec: Spec) -> tuple[Tensor, Tensor]:
    """As one writes it in torch."""
    parts, shared = parts_of(x.float(), spec)
    if spec.symmetric:
        scale = parts.abs().amax(shared, keepdim=True) / 127
        steps = parts / scale
    else:
        low = parts.amin(shared, keepdim=True).clamp(max=0)
        scale = (parts.amax(shared, keepdim=True).clamp(min=0) - low) / 255
        steps = parts / scale + (-128 - (low / scale).round())
    if spec.rounding == "stochastic":
        steps = (steps + torch.rand_like(steps)).floor()
    codes = steps.round().clamp(-127 if spec.symmetric else -128, 127).to(torch.int8)
    return codes.view(x.shape), scale.reshape(spec.scale_shape(x.shape))


def compiled_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """What was compiled before is forgotten: after some shapes, torch falls back to eager."""
    torch._dynamo.reset()
    return torch.compile(function, dynamic=False)


class Case:
    """A matrix, and what was made of it last."""

    def __init__(self, shapes: Shapes, dtype: torch.dtype) -> None:
        (self.x,) = random_list(shapes, dtype, 1.0, seed=8)

    def side(self, name: str, quantize: Callable[[Tensor], tuple[Tensor, ...]]) -> Side:
        last: list[tuple[Tensor, ...]] = []

        def step() -> None:
            last[:] = [quantize(self.x)]

        def results() -> dict[str, list[Tensor]]:
            names = ("codes", "scale", "codes_t", "scale_t")
            return dict(zip(names, ([each] for each in last[0]), strict=False))

        return Side(name, step, results)


def quantize_sides(
    shapes: Shapes, *, dtype: torch.dtype, spec: Spec, compiled: bool
) -> list[Outcome]:
    case = Case(shapes, dtype)
    seed = torch.tensor([1]) if spec.rounding == "stochastic" else None
    sides: list[Outcome] = [case.side("halfword", lambda x: ops.quantize(x, spec, seed=seed)[:2])]
    in_torch = partial(formula, spec=spec)
    sides.append(case.side("torch, eager", in_torch))
    if compiled:
        sides.append(case.side("torch.compile", compiled_alone(in_torch)))
    if spec == Spec(axis="tensor"):

        def per_tensor(x: Tensor) -> tuple[Tensor, Tensor]:
            scale = x.abs().amax().float() / 127
            codes = torch.quantize_per_tensor(x.float(), float(scale), 0, torch.qint8)
            return codes.int_repr(), scale

        sides.append(case.side("torch.quantize_per_tensor", per_tensor))
    return sides


def dual_sides(shapes: Shapes, *, dtype: torch.dtype, spec: Spec, compiled: bool) -> list[Outcome]:
    """Both layouts, against one of them, against two calls, and against the formula twice."""
    case = Case(shapes, dtype)

    def dual(x: Tensor) -> tuple[Tensor, ...]:
        first, second = ops.quantize_dual(x, spec)
        return *first[:2], *second[:2]

    def twice(x: Tensor) -> tuple[Tensor, ...]:
        return *ops.quantize(x, spec)[:2], *ops.quantize(x.t(), spec)[:2]

    def formula_twice(x: Tensor) -> tuple[Tensor, ...]:
        return *formula(x, spec), *formula(x.t().contiguous(), spec)

    sides: list[Outcome] = [
        case.side("halfword quantize_dual", dual),
        case.side("halfword quantize, one layout", lambda x: ops.quantize(x, spec)[:2]),
        case.side("halfword quantize, x and x.t()", twice),
    ]
    if compiled:
        sides.append(case.side("torch.compile, x and x.t()", compiled_alone(formula_twice)))
    return sides


def value_sides(shapes: Shapes, *, dtype: torch.dtype, compiled: bool) -> list[Outcome]:
    """dequantize, against torch."""
    case = Case(shapes, dtype)
    codes, scale = ops.quantize(case.x)[:2]

    def torch_values(_: Tensor) -> tuple[Tensor]:
        return ((codes.float() * scale[:, None]).to(dtype),)

    def side(name: str, make: Callable[[Tensor], tuple[Tensor, ...]]) -> Side:
        return Side(name, lambda: make(case.x), lambda: {"values": [make(case.x)[0]]})

    sides: list[Outcome] = [
        side("halfword", lambda _: (ops.dequantize(codes, scale, dtype=dtype),)),
        side("torch, eager", torch_values),
    ]
    if compiled:
        sides.append(side("torch.compile", compiled_alone(torch_values)))
    return sides


def absmax_sides(shapes: Shapes, *, dtype: torch.dtype, compiled: bool) -> list[Outcome]:
    """The largest magnitude of rows."""
    case = Case(shapes, dtype)

    def torch_absmax(x: Tensor) -> tuple[Tensor]:
        return (x.abs().amax(-1).float(),)

    sides: list[Outcome] = [
        case.side("halfword", lambda x: (ops.absmax(x),)),
        case.side("torch, eager", torch_absmax),
    ]
    if compiled:
        sides.append(case.side("torch.compile", compiled_alone(torch_absmax)))
    return sides


def hadamard_sides(shapes: Shapes, *, dtype: torch.dtype, block: int) -> list[Outcome]:
    """Against the product with the matrix, which torch has a fast one for."""
    case = Case(shapes, dtype)
    matrix = ops.hadamard(torch.eye(block), block).to(dtype)

    def product(x: Tensor) -> tuple[Tensor]:
        return ((x.view(-1, block) @ matrix).view(x.shape),)

    return [
        case.side("halfword", lambda x: (ops.hadamard(x, block),)),
        case.side("torch, product with the matrix", product),
    ]


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows. Codes that are written are updates: their lines are fetched, too."""
    for size, shapes in (TINY if tiny else SIZES).items():
        for dtype_name, dtype in DTYPES.items():
            bytes_of_x = dtype.itemsize
            for name, spec in SPECS.items():
                yield Row(
                    f"quantize {name}, {dtype_name}, {size}", shapes,
                    Traffic(read=bytes_of_x, update=1),
                    partial(quantize_sides, dtype=dtype, spec=spec, compiled=compiled), ONE_CODE,
                    CHECKED,
                )  # fmt: skip
            for name, spec in DUAL.items():
                reads = 1 if spec.block else 2  # scales of columns are known after all rows
                yield Row(
                    f"quantize_dual {name}, {dtype_name}, {size}", shapes,
                    Traffic(read=reads * bytes_of_x, update=2),
                    partial(dual_sides, dtype=dtype, spec=spec, compiled=compiled), ONE_CODE,
                    CHECKED,
                )  # fmt: skip
            yield Row(
                f"absmax rows, {dtype_name}, {size}", shapes, Traffic(read=bytes_of_x),
                partial(absmax_sides, dtype=dtype, compiled=compiled), ABSMAX, CHECKED,
            )  # fmt: skip
            if not tiny:
                yield Row(
                    f"hadamard of 128, {dtype_name}, {size}", shapes,
                    Traffic(update=2 * bytes_of_x),
                    partial(hadamard_sides, dtype=dtype, block=128), HADAMARD, CHECKED,
                )  # fmt: skip
            yield Row(
                f"dequantize rows, {dtype_name}, {size}", shapes,
                Traffic(read=1, update=bytes_of_x),
                partial(value_sides, dtype=dtype, compiled=compiled), ONE_CODE, CHECKED,
            )  # fmt: skip
