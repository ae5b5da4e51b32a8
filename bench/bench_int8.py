"""INT8 products and layers: ``python -m bench int8``.

A product of given codes, a linear layer that quantizes its activations itself, and a layer forward
and backward; each against the best that a user could call instead, with the weights packed where
the rival packs. The limit is that of the dot product instructions, or of memory for few rows.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

import halfword
from halfword import ops
from tests.cases.linear import GPT2, LLAMA_8B, ODD, SQUARE

from . import int8_rivals as rivals
from .int8_rivals import DTYPES, LinearProblem
from .problem import Bound, Outcome, Row, Shapes, Side, Traffic

CHECKED = [(5, 33, 70)]
MEMORY_BOUND_ROWS = 4  # up to here the weights' bytes take longer than the products
ALL_ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
SOME_ROWS = [1, 16, 128, 1024]
ODD_ROWS = [5, 7, 13, 33]


def traffic(m: int) -> Traffic:
    """A multiplication and an addition an element; or the weights, read once."""
    return Traffic(read=1 / m) if m <= MEMORY_BOUND_ROWS else Traffic(int8=2)


def problem_of(shapes: Shapes, dtype: torch.dtype) -> LinearProblem:
    ((m, n, k),) = shapes
    return LinearProblem(m, n, k, dtype)


def bounds_of(exact: bool) -> dict[str, Bound]:
    """Given codes, all that may differ is the rounding of the result. Rivals that quantize
    activations do it with 7 or 8 bits for the whole tensor: an error of 1 / 127 of each product."""
    ((m, n, k),) = CHECKED
    largest = LinearProblem(m, n, k, torch.float32).largest_result()
    return {"y": Bound(2.0**-7, 2.0**-9 * largest / 127 if exact else largest / 127)}


def given_codes(shapes: Shapes, *, dtype: torch.dtype) -> list[Outcome]:
    p = problem_of(shapes, dtype)
    packed, scales = ops.pack_int8(p.w_codes), p.activation_scales()

    def ours() -> Tensor:
        return ops.gemm_int8(p.x_codes, packed, scales, p.w_scale, out_dtype=dtype)

    return [
        rivals.side("halfword", lambda: ours, optional=False),
        rivals.onednn_pointwise(p),
        rivals.int_mm(p),
        rivals.openvino_static(p),
    ]


def given_floats(shapes: Shapes, *, dtype: torch.dtype, slow: bool) -> list[Outcome]:
    p = problem_of(shapes, dtype)
    packed = ops.pack_int8(p.w_codes)

    def ours() -> Tensor:
        return ops.gemm_int8(p.x, packed, None, p.w_scale)

    sides = [
        rivals.side("halfword", lambda: ours, optional=False),
        *(rivals.linear_dynamic(p, engine) for engine in ("fbgemm", "onednn", "x86")),
        rivals.onnxruntime_dynamic(p),
        *(rivals.openvino_dynamic(p, group) for group in (32, 128, None)),
        rivals.torch_linear(p, "bf16"),
    ]
    if slow:
        sides += [rivals.torchao_dynamic(p), rivals.torch_linear(p, "fp32")]
    return sides


# --- training -------------------------------------------------------------------------------------

# Two quantizations, of 8 bits each, with the error of half a code in every factor of k products.
TRAINING_BOUND = {"loss": Bound(2.0**-5), "grads": Bound(0.0, torch.inf)}


def train_sides(shapes: Shapes) -> list[Outcome]:
    """A layer forward and backward, all three products."""
    ((m, n, k),) = shapes

    def layer(name: str, linear: torch.nn.Module, dtype: torch.dtype) -> Side:
        generator = torch.Generator("cpu").manual_seed(3)
        x = torch.randn(m, k, generator=generator).to(dtype).requires_grad_()
        d_y = torch.randn(m, n, generator=generator).to(dtype)
        loss = torch.zeros(())

        def step() -> None:
            y = linear(x)
            y.backward(d_y)
            loss.copy_(y.detach().float().pow(2).mean())

        return Side(name, step, lambda: {"loss": [loss]})

    def make(dtype: torch.dtype) -> torch.nn.Linear:
        torch.manual_seed(5)
        return torch.nn.Linear(k, n, bias=False).to(dtype)

    recipe = halfword.quant.Int8Training()
    sides: list[Outcome] = []
    for dtype in ("bf16", "fp32"):
        ours = halfword.nn.Int8Linear.from_float(make(DTYPES[dtype]), recipe)
        sides.append(layer(f"halfword Int8Linear, {dtype}", ours, DTYPES[dtype]))
    for dtype in ("bf16", "fp32"):
        sides.append(layer(f"torch Linear, {dtype}", make(DTYPES[dtype]), DTYPES[dtype]))
    return sides


# --- rows -----------------------------------------------------------------------------------------


def places(tiny: bool) -> Iterator[tuple[str, int, int, int]]:
    """Name, rows of activations, and the layer's shape."""
    if tiny:
        yield from (("tiny", m, 96, 64) for m in (1, 5))
        return
    yield from (("square", m, *SQUARE) for m in sorted(ALL_ROWS + ODD_ROWS))
    for name, (n, k) in (LLAMA_8B | GPT2).items():
        if (n, k) != SQUARE:
            yield from ((name, m, n, k) for m in SOME_ROWS)
    for name, (n, k) in ODD.items():
        yield from ((name, m, n, k) for m in (1, *ODD_ROWS, 128))


def group_of(name: str, m: int) -> str:
    return "odd shapes" if name in ODD or m in ODD_ROWS else "usual shapes"


SLOW_FROM = 256  # rows from which who takes a hundred times as long is not waited for


def rows(*, tiny: bool = False, compiled: bool = True, device: str = "cpu") -> Iterator[Row]:
    """All rows."""
    for name, m, n, k in places(tiny):
        for dtype_name, dtype in DTYPES.items():
            if dtype == torch.float32 and name not in ("square", "tiny"):
                continue
            place = f"{dtype_name}, {name}, N = {n}, K = {k}, M = {m}"
            slow = m < SLOW_FROM
            kinds: dict[str, Callable[[Shapes], list[Outcome]]] = {
                "codes": partial(given_codes, dtype=dtype),
                "dynamic": partial(given_floats, dtype=dtype, slow=slow),
            }
            for kind, sides in kinds.items():
                yield Row(f"{kind} to {place}", [(m, n, k)], traffic(m), sides,
                          bounds_of(kind == "codes"), CHECKED,
                          f"{kind}, {group_of(name, m)}")  # fmt: skip
    layers = [("tiny", 8, 64, 64)] if tiny else [
        ("square", 1024, *SQUARE), ("Llama-3.1-8B down", 512, *LLAMA_8B["Llama-3.1-8B down"]),
        ("GPT-2 fc", 1024, *GPT2["GPT-2 fc"]),
    ]  # fmt: skip
    for name, m, n, k in layers:
        yield Row(
            f"training, {name}, N = {n}, K = {k}, M = {m}", [(m, n, k)], Traffic(int8=6),
            train_sides, TRAINING_BOUND, [(64, 64, 64)], "training",
        )  # fmt: skip
