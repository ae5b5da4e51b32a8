"""Shapes of INT8 products, shared with bench."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """``[m, k] @ [n, k].T``, and why."""

    m: int
    n: int
    k: int
    why: str

    def __str__(self) -> str:
        return f"{self.m}x{self.n}x{self.k}"


EDGES = [
    Case(0, 5, 7, "no rows of a"),
    Case(5, 0, 7, "no rows of b"),
    Case(5, 7, 0, "empty sums"),
    Case(1, 1, 1, "one product"),
    Case(1, 65, 67, "one row, and a column past a panel"),
    Case(7, 63, 129, "two uneven strips"),
    Case(16, 48, 64, "whole steps, three quarters of a panel"),
    Case(17, 129, 31, "a short k"),
    Case(49, 80, 70, "enough rows to pack b for"),
    Case(130, 100, 72, "more rows than a GPU tile"),
]

# [n, k] of linear layers of 0.1 to 8 billion parameters.
LAYERS = [(2304, 768), (4096, 4096), (6144, 4096), (4096, 14336)]
ROWS = [1, 4, 5, 7, 13, 16, 33, 128, 512]
