"""What training sees of a quantizer: ``python -m bench fake``.

fake_quantize against torch's own fake quantization (which has 8-bit per-channel kernels for
float32, with and without learned scales) and the formula under torch.compile; histogram against
torch.histc; requantize against a float epilogue. The limit is that of memory.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from halfword import ops
from halfword.quant import Spec, quantize_multiplier

from .problem import Bound, Outcome, Row, Shapes, Side, Traffic, random_list

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
SIZES = {"512 x 4096": [(512, 4096)], "8192 x 4096": [(8192, 4096)]}
TINY = {"7 x 65": [(7, 65)]}
CHECKED = [(64, 256)]
SPEC = Spec()
# The formula in another order rounds one code in thousands to its neighbour, of steps up to 1/25;
# sums over a row of terms up to 4 are added in another order.
ONE_STEP = {"out": Bound(2.0**-7, 0.05), "d_x": Bound(0.0, 0.0), "d_scale": Bound(1e-3, 4.0)}
ONE_CODE = {"codes": Bound(0.0, 1.0)}
BINS, LOW, HIGH = 2048, -4.0, 4.0


def side(name: str, run: Callable[[], dict[str, list[Tensor]]]) -> Side:
    return Side(name, run, run)


def steps_of(x: Tensor) -> Tensor:
    return x.float().abs().amax(-1) / 127


def fake_sides(shapes: Shapes, *, dtype: torch.dtype, compiled: bool) -> list[Outcome]:
    """Scales given, as a learned quantizer has them."""
    (x,) = random_list(shapes, dtype, 1.0, seed=8)
    scale = steps_of(x)

    def formula(x: Tensor) -> Tensor:
        codes = (x.float() / scale[:, None]).round().clamp(-127, 127)
        return (codes * scale[:, None]).to(x.dtype)

    def one(name: str, fake: Callable[[Tensor], Tensor]) -> Side:
        return side(name, lambda: {"out": [fake(x)]})

    sides: list[Outcome] = [one("halfword", lambda x: ops.fake_quantize(x, SPEC, scale=scale))]
    if dtype == torch.float32:
        zero = torch.zeros_like(scale, dtype=torch.int32)
        sides.append(
            one(
                "torch.fake_quantize_per_channel_affine",
                lambda x: torch.fake_quantize_per_channel_affine(x, scale, zero, 0, -127, 127),
            )
        )
    sides.append(one("torch, eager", formula))
    if compiled:
        sides.append(one("torch.compile", torch.compile(formula, dynamic=False)))
    return sides


def backward_sides(shapes: Shapes, *, dtype: torch.dtype, compiled: bool) -> list[Outcome]:
    """d_x and the gradient of a learned scale of each row."""
    x, d_out = random_list([*shapes, *shapes], dtype, 1.0, seed=9)
    scale = steps_of(x) / 2

    def formula(d_out: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        t = x.float() * (1 / scale)[:, None]
        r = t.round()
        clamped = r.abs() > 127
        by_scale = r.clamp(-127, 127) - torch.where(clamped, 0.0, t)
        return torch.where(clamped, 0.0, d_out).to(x.dtype), (d_out * by_scale).sum(-1)

    def one(name: str, backward: Callable[[Tensor, Tensor], tuple[Tensor, ...]]) -> Side:
        def run() -> dict[str, list[Tensor]]:
            d_x, d_scale = backward(d_out, x)
            return {"d_x": [d_x], "d_scale": [d_scale]}

        return side(name, run)

    def ours(d_out: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        d_x, d_scale, _ = ops.fake_quantize_backward(d_out, x, scale, None, SPEC)
        assert d_scale is not None
        return d_x, d_scale

    sides: list[Outcome] = [
        one("halfword fake_quantize_backward", ours),
        one("torch, eager", formula),
    ]
    if compiled:
        sides.append(one("torch.compile", torch.compile(formula, dynamic=False)))
    return sides


def histogram_sides(shapes: Shapes, *, dtype: torch.dtype) -> list[Outcome]:
    (x,) = random_list(shapes, dtype, 1.0, seed=10)

    def ours() -> dict[str, list[Tensor]]:
        counts = torch.zeros(BINS, dtype=torch.int64)
        ops.histogram(x, counts, LOW, HIGH)
        return {"counts": [counts]}

    def histc() -> dict[str, list[Tensor]]:
        return {"counts": [torch.histc(x.float(), BINS, LOW, HIGH)]}

    return [side("halfword", ours), side("torch.histc", histc)]


def requantize_sides(shapes: Shapes, *, compiled: bool) -> list[Outcome]:
    (x,) = random_list(shapes, torch.float32, 1e5, seed=11)
    acc, scale = x.to(torch.int32), torch.full((x.shape[-1],), 3e-4)
    multiplier, shift = quantize_multiplier(scale)

    def epilogue(acc: Tensor) -> Tensor:
        return (acc.float() * scale).round().clamp(-128, 127).to(torch.int8)

    def one(name: str, codes: Callable[[Tensor], Tensor]) -> Side:
        return side(name, lambda: {"codes": [codes(acc)]})

    sides: list[Outcome] = [
        one("halfword", lambda acc: ops.requantize(acc, multiplier, shift)),
        one("torch, eager, float32", epilogue),
    ]
    if compiled:
        sides.append(one("torch.compile, float32", torch.compile(epilogue, dynamic=False)))
    return sides


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows. What is written is an update: its lines are fetched, too."""
    for size, shapes in (TINY if tiny else SIZES).items():
        for name, dtype in DTYPES.items():
            width = dtype.itemsize
            yield Row(
                f"fake_quantize rows, {name}, {size}", shapes, Traffic(read=width, update=width),
                partial(fake_sides, dtype=dtype, compiled=compiled), ONE_STEP, CHECKED,
            )  # fmt: skip
            yield Row(
                f"fake_quantize_backward rows, {name}, {size}", shapes,
                Traffic(read=2 * width, update=width),
                partial(backward_sides, dtype=dtype, compiled=compiled), ONE_STEP, CHECKED,
            )  # fmt: skip
            yield Row(
                f"histogram, {name}, {size}", shapes, Traffic(read=width),
                partial(histogram_sides, dtype=dtype), {"counts": Bound(0.0, 2.0)}, CHECKED,
            )  # fmt: skip
        yield Row(
            f"requantize columns, {size}", shapes, Traffic(read=4, update=1),
            partial(requantize_sides, compiled=compiled), ONE_CODE, CHECKED,
        )  # fmt: skip
