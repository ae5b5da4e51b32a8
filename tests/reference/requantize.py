"""Integer-only requantization in plain Python, whose integers have no size."""


def requantize(
    acc: int, multiplier: int, shift: int, zero_point: int, lowest: int = -128, highest: int = 127
) -> int:
    n = min(max(shift, -31), 31)
    half = 2 ** (30 + n) if n > -31 else 0
    return min(max(((acc * multiplier + half) >> (31 + n)) + zero_point, lowest), highest)
