"""Shapes of products with 4-bit weights, shared with bench."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """``[m, k] @ [n, k].T`` with a scale for ``group`` columns of a row, and why."""

    m: int
    n: int
    k: int
    group: int
    why: str

    def __str__(self) -> str:
        return f"{self.m}x{self.n}x{self.k}g{self.group}"


EDGES = [
    Case(0, 5, 7, 7, "no rows of a"),
    Case(5, 0, 7, 7, "no rows of b"),
    Case(5, 7, 0, 1, "empty sums"),
    Case(1, 1, 1, 1, "one product"),
    Case(1, 65, 67, 32, "one row, a column past a panel, a ragged last group"),
    Case(4, 64, 128, 128, "a whole panel and one group"),
    Case(7, 63, 129, 129, "two uneven strips, whole rows as groups, an odd k"),
    Case(17, 130, 320, 96, "groups that are no power of two, the last one cut"),
    Case(5, 70, 100, 4096, "a group that is longer than a row"),
    Case(33, 48, 31, 64, "a row that is shorter than the shortest group"),
    Case(200, 80, 64, 32, "more rows than a block"),
]

# The groups that are usual; 0 stands for a whole row.
GROUPS = [32, 64, 128, 0]
