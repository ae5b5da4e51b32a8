"""Checks of quantizers and of what is fused with them."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from typing import Any

from .check import Fault, differs, normal


def check_quantize(op: Callable[..., Any]) -> Iterator[Fault]:
    """Codes of 8 bits by rows, of 4 by columns; each stands for its number to half a step."""
    import torch

    spec = importlib.import_module("halfword.quant").Spec
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x = normal(dtype, 6)[0]
        for bits, axis, dim in ((8, "row", 1), (4, "column", 0)):
            got = op(x, spec(bits=bits, axis=axis), row_sums=True)
            scale = x.float().abs().amax(dim) / (2 ** (bits - 1) - 1)
            yield differs(f"{dtype} scales", got.scale, scale)
            steps = x.double() / scale.double().unsqueeze(dim)
            # 1 / scale and a product are rounded, by 2^-24 of at most 2^7 each
            yield differs(f"{dtype} codes", got.codes, steps, 0.5 + 2 * 2.0**-17)
            yield differs(f"{dtype} row sums", got.row_sums, got.codes.sum(1))


def check_dequantize(op: Callable[..., Any]) -> Iterator[Fault]:
    import torch

    spec = importlib.import_module("halfword.quant").Spec(symmetric=False)
    codes = torch.arange(-128, 128).to(torch.int8).repeat(3, 1)
    scale, zero_point = torch.tensor([0.5, 3.0, 0.0]), torch.tensor([0, -128, 127]).int()
    want = (codes.double() - zero_point[:, None]) * scale[:, None]
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        yield differs(str(dtype), op(codes, scale, zero_point, spec, dtype=dtype), want.to(dtype))


def check_absmax(op: Callable[..., Any]) -> Iterator[Fault]:
    import torch

    spec = importlib.import_module("halfword.quant").Spec
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x = normal(dtype, 7)[0]
        yield differs(f"{dtype} rows", op(x), x.abs().amax(1))
        yield differs(f"{dtype} columns", op(x, spec(axis="column")), x.abs().amax(0))


def check_quantize_dual(op: Callable[..., Any]) -> Iterator[Fault]:
    """Both halves stand for their numbers to half a step."""
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x = normal(dtype, 8)[0]
        for what, got, matrix in zip(("rows", "columns"), op(x), (x, x.t()), strict=True):
            yield differs(
                f"{dtype} scales of {what}", got.scale, matrix.float().abs().amax(1) / 127
            )
            steps = matrix.double() / got.scale.double()[:, None]
            # as in check_quantize
            yield differs(f"{dtype} codes of {what}", got.codes, steps, 0.5 + 2 * 2.0**-17)


def check_hadamard(op: Callable[..., Any]) -> Iterator[Fault]:
    """A unit vector becomes a row of the matrix: exact, for a block that is a power of four."""
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for block in (4, 64):
            i = torch.arange(block)
            signs = [[1 - 2 * ((int(a) & int(b)).bit_count() % 2) for b in i] for a in i]
            want = torch.tensor(signs, dtype=dtype) / math.sqrt(block)
            yield differs(
                f"{dtype}, blocks of {block}", op(torch.eye(block, dtype=dtype), block), want
            )


def check_norm_quantize(op: Callable[..., Any]) -> Iterator[Fault]:
    """Codes stand for the norm of the sum to half a step and the roundings before it."""
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x, residual, weight = normal(dtype, 8)[0], normal(dtype, 9)[0], normal(dtype, 10)[0][0]
        got = op(x, weight, residual=residual, row_sums=True)
        yield differs(f"{dtype} sum", got.residual, x + residual)
        h = got.residual.double()
        y = h / (h.square().mean(1, keepdim=True) + 1e-6).sqrt() * weight.double()
        # some twenty roundings of 2^-24, of at most 127 steps
        steps = y / got.scale.double()[:, None]
        yield differs(f"{dtype} codes", got.codes, steps, 0.5 + 20 * 2.0**-17)
        yield differs(f"{dtype} largest code", got.codes.abs().amax(1), torch.tensor(127))
        yield differs(f"{dtype} row sums", got.row_sums, got.codes.sum(1))


def check_silu_mul(op: Callable[..., Any]) -> Iterator[Fault]:
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        gate, up = normal(dtype, 11)[0], normal(dtype, 12)[0]
        got = op(gate, up, row_sums=True)
        y = torch.nn.functional.silu(gate.double()) * up.double()
        steps = y / got.scale.double()[:, None]
        # silu's 3 ulp, and four roundings, of at most 127 steps
        yield differs(f"{dtype} codes", got.codes, steps, 0.5 + 10 * 2.0**-17)
        yield differs(f"{dtype} largest code", got.codes.abs().amax(1), torch.tensor(127))
        yield differs(f"{dtype} row sums", got.row_sums, got.codes.sum(1))


def check_fake_quantize(op: Callable[..., Any]) -> Iterator[Fault]:
    import torch

    from ..quant.spec import Spec

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for x in normal(dtype, 6):
            scale = torch.full(x.shape[:-1], 2.0**-4)
            # a power of two: the quotient and the product are exact
            want = ((x.float() * 16).round().clamp(-7, 7) / 16).to(dtype) + 0.0
            yield differs(str(dtype), op(x, Spec(bits=4), scale=scale), want)


def check_fake_quantize_backward(op: Callable[..., Any]) -> Iterator[Fault]:
    import torch

    from ..quant.spec import Spec

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for x, d_out in zip(normal(dtype, 7), normal(dtype, 8), strict=True):
            scale = torch.full(x.shape[:-1], 2.0**-4)
            t = x.double() * 16
            inside = t.round().abs() <= 7
            d_x, d_scale, _ = op(d_out, x, scale, None, Spec(bits=4))
            yield differs(f"{dtype} d_x", d_x, torch.where(inside, d_out, 0))
            r = t.round().clamp(-7, 7)
            terms = d_out.double() * torch.where(inside, r - t, r)
            # a product and 5 + 5 + n / 32 additions in FP32, on terms of the sum's size at most
            bound = terms.abs().sum(-1) * (11 + x.shape[-1] / 32) * torch.finfo(torch.float32).eps
            yield differs(f"{dtype} d_scale", d_scale, terms.sum(-1), bound)


def check_histogram(op: Callable[..., None]) -> Iterator[Fault]:
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for x in normal(dtype, 9):
            counts = torch.zeros(8, dtype=torch.int64)
            op(x, counts, -2.0, 2.0)
            bins = ((x.float() + 2.0) * 2.0).floor().clamp(max=7)[(x >= -2.0) & (x <= 2.0)]
            want = torch.stack([(bins == i).sum() for i in range(8)])
            yield differs(str(dtype), counts, want)


def check_requantize(op: Callable[..., Any]) -> Iterator[Fault]:
    import torch

    one, zero_point = torch.tensor(1 << 30, dtype=torch.int32), torch.tensor(3, dtype=torch.int32)
    acc = torch.arange(-70_000, 70_000, 1001, dtype=torch.int32)
    for shift in (-2, 0, 9):
        codes = op(acc, one, torch.tensor(shift, dtype=torch.int32), zero_point)
        want = ((acc.double() * 2.0 ** (-1 - shift) + 0.5).floor() + 3).clamp(-128, 127)
        yield differs(f"shift {shift}", codes, want.to(torch.int8))
