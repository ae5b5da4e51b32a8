"""Matrices for ops that work on rows, shared with bench."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    rows: int
    cols: int
    why: str

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols}"


EDGES = [
    Case(0, 8, "no rows"),
    Case(3, 0, "no columns"),
    Case(1, 1, "one element"),
    Case(37, 24, "a vector and a half, and more rows than one thread takes"),
    Case(3, 43, "a tail in every vector and pack"),
    Case(2, 2049, "one element past the lanes of the sum"),
    Case(2, 8213, "more than the registers of a block hold"),
]
