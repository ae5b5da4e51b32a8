"""Checks of products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .check import Fault, differs


def small_codes(shape: tuple[int, int], seed: int) -> Any:
    import torch

    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(-128, 128, shape, generator=generator, dtype=torch.int8, device="cpu")
    return drawn.to(torch.get_default_device())


def check_gemm_int8(op: Callable[..., Any]) -> Iterator[Fault]:
    """Few and many rows, whole tiles and tails; sums exactly, results to their rounding."""
    import torch

    for m, n, k in ((1, 70, 131), (13, 70, 131), (129, 64, 64), (2, 3, 0)):
        a, b = small_codes((m, k), 1), small_codes((n, k), 2)
        want = a.double() @ b.double().t()
        yield differs(f"{m} x {n} x {k} sums", op(a, b), want)
        scale = torch.full((m,), 0.5)
        got = op(a, b, scale, torch.full((n,), 0.25), bias=torch.ones(n), activation="relu")
        bound = 2.0**-22 * (want.abs() / 8 + 1)
        yield differs(f"{m} x {n} x {k} results", got, (want / 8 + 1).relu(), bound)
        rows = small_codes((m, k), 1).clamp(-127).float()  # with 127: codes of scale 1
        rows[:, :1] = 127
        want = rows.double() @ b.double().t()
        yield differs(f"{m} x {n} x {k} from floats", op(rows, b), want, 2.0**-23 * want.abs())


def check_pack_int8(op: Callable[..., Any]) -> Iterator[Fault]:
    """What was packed comes back."""
    for n, k in ((70, 131), (64, 64), (1, 1)):
        b = small_codes((n, k), 3)
        packed = op(b)
        yield differs(f"{n} x {k} codes", packed.unpack(), b)
        yield differs(f"{n} x {k} sums", packed.sums, b.double().sum(1))


def int4_codes(n: int, k: int) -> tuple[Any, Any, Any]:
    """Codes, scales and zero points of one group a row."""
    import torch

    codes = small_codes((n, k), 4) // 16
    return codes, torch.full((n, 1), 0.5), torch.arange(n, dtype=torch.int32).view(n, 1) % 17 - 8


def check_pack_int4(op: Callable[..., Any]) -> Iterator[Fault]:
    """Every nibble comes back, whatever the activations are."""
    for bits in (8, 16):
        for n, k in ((70, 131), (64, 64), (1, 1)):
            codes, scale, zero_point = int4_codes(n, k)
            packed = op(codes, scale, zero_point, activation_bits=bits)
            yield differs(f"{n} x {k} codes", packed.unpack().codes, codes)


def check_unpack_int4(op: Callable[..., Any]) -> Iterator[Fault]:
    """Scales and zero points come back too."""
    from ..ops import pack_int4

    for n, k in ((70, 131), (64, 64), (1, 1)):
        weight = int4_codes(n, k)
        again = op(pack_int4(*weight))
        for name, got, want in zip(again._fields[:3], again[:3], weight, strict=True):
            yield differs(f"{n} x {k} {name}", got, want)


def check_gemm_w4a8(op: Callable[..., Any]) -> Iterator[Fault]:
    """Few and many rows, a ragged group, zero points; scales that round nothing."""
    import torch

    from ..ops import Int4Weight, pack_int4

    for m, n, k in ((1, 70, 72), (13, 70, 72), (2, 3, 0)):
        a, codes = small_codes((m, k), 5), small_codes((n, k), 6) // 16
        groups = -(-k // 32)
        zero_point = torch.arange(n * groups, dtype=torch.int32).view(n, groups) % 17 - 8
        weight = Int4Weight(codes, torch.full((n, groups), -0.5), zero_point, None, 32)
        want = a.double() @ weight.dequantize().double().t()
        got = op(a, pack_int4(*weight[:3], group_size=32, activation_bits=8))
        yield differs(f"{m} x {n} x {k}", got, want)


def check_gemm_w4a16(op: Callable[..., Any]) -> Iterator[Fault]:
    """Few and many rows of every dtype, whole tiles and tails; whole numbers, so exact."""
    import torch

    from ..ops import pack_int4

    for m, n, k in ((1, 70, 131), (13, 70, 131), (9, 64, 64)):
        weight = int4_codes(n, k)
        for each in (weight, weight[:2]):
            packed = pack_int4(*each)
            want_b = packed.unpack().dequantize().double().t()
            for dtype in (torch.float32, torch.bfloat16, torch.float16):
                a = small_codes((m, k), 1).to(dtype)
                got = op(a, packed, out_dtype=torch.float32)
                yield differs(f"{m} x {n} x {k}, {dtype}", got, a.double() @ want_b)
