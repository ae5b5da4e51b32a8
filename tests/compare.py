"""Equality of results down to the last bit."""

import torch

_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal dtype, shape and bits; any NaN equals any NaN."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    word = _WORDS[a.element_size()]
    equal = a.contiguous().view(word) == b.contiguous().view(word)
    if a.dtype.is_floating_point:
        equal |= a.isnan() & b.isnan()
    return bool(equal.all())


def assert_same_bits(got: torch.Tensor, expected: torch.Tensor, what: str = "") -> None:
    """Fail with the first place that differs."""
    if same_bits(got, expected):
        return
    assert got.dtype == expected.dtype, f"{what}: {got.dtype} is not {expected.dtype}"
    assert got.shape == expected.shape, f"{what}: {got.shape} is not {expected.shape}"
    flat_got, flat_expected = got.reshape(-1), expected.reshape(-1)
    word = _WORDS[got.element_size()]
    differs = (
        (flat_got.contiguous().view(word) != flat_expected.contiguous().view(word))
        .nonzero()
        .reshape(-1)
    )
    i = int(differs[0])
    raise AssertionError(
        f"{what}: {len(differs)} of {flat_got.numel()} differ, first at {i}: "
        f"got {flat_got[i].item()!r}, expected {flat_expected[i].item()!r}"
    )
