"""Gradient lists of the overflow check, shared with bench."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    sizes: tuple[int, ...]
    why: str

    def __str__(self) -> str:
        return "-".join(map(str, self.sizes)) or "empty-list"


CASES = [
    Case((), "no tensors"),
    Case((0,), "no elements"),
    Case((1,), "one"),
    Case((17,), "a vector and a tail"),
    Case((2047, 2048, 2049), "around the lanes of a tile"),
    Case((8191, 8192, 8193), "around a tile"),
    Case((5, 0, 30_001, 3), "an empty one between, several tiles"),
]
