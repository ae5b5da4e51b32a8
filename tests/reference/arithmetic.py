"""IEEE operations that torch does not have on the CPU, and the random bits, in plain torch."""

import torch
from torch import Tensor


def fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """a * b + c of float32 tensors, rounded once.

    The product is exact in double. The double sum is rounded to odd, after which rounding to float
    is right: a last bit of 1 says that something was cut.
    """
    product, c = torch.broadcast_tensors(a.double() * b.double(), c.double())
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)
    word = total.view(torch.int64)
    away = torch.where((error > 0) == (total > 0), 1, -1)
    even = (word & 1) == 0
    inexact = (error != 0) & total.isfinite()
    return torch.where(inexact & even, word + away, word).view(torch.float64).float()


def philox(counter: list[Tensor], key: int, rounds: int = 7) -> list[Tensor]:
    """Philox4x32-7 (or of more rounds) of four int64 tensors that hold 32-bit words."""
    mask = 0xFFFFFFFF
    key0, key1 = key & mask, (key >> 32) & mask
    c0, c1, c2, c3 = counter
    for _ in range(rounds):
        high0, low0 = _multiply(c0, 0xD2511F53)
        high1, low1 = _multiply(c2, 0xCD9E8D57)
        c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
        key0, key1 = (key0 + 0x9E3779B9) & mask, (key1 + 0xBB67AE85) & mask
    return [c0, c1, c2, c3]


def _multiply(a: Tensor, b: int) -> tuple[Tensor, Tensor]:
    """High and low word of a 32 by 32 bit product, without leaving int64's range."""
    low = (a & 0xFFFF) * b
    high = (a >> 16) * b + (low >> 16)
    return high >> 16, ((high & 0xFFFF) << 16) | (low & 0xFFFF)


def random_bits(elements: Tensor, seed: int, step: int, stream: int, purpose: int) -> Tensor:
    """The 16 random bits of each element number, as csrc/ops/adam_step.h defines them."""
    block, place = elements // 8, elements % 8
    words = torch.stack(
        philox(
            [
                block & 0xFFFFFFFF,
                block >> 32,
                torch.full_like(block, step),
                torch.full_like(block, 4 * stream + purpose),
            ],
            seed,
        )
    )
    word = words.gather(0, (place // 2).unsqueeze(0)).squeeze(0)
    return (word >> (16 * (place % 2))) & 0xFFFF


def to_bfloat16_stochastic(x: Tensor, bits: Tensor) -> Tensor:
    """x rounded up to the next bfloat16 away from zero when its cut bits and `bits` carry."""
    word = x.view(torch.int32).to(torch.int64) & 0xFFFFFFFF
    rounded = ((word + bits) >> 16).to(torch.int32).to(torch.int16).view(torch.bfloat16)
    return torch.where(x.isfinite(), rounded, x.to(torch.bfloat16))
