"""Shapes of products by 4-bit weights, shared with bench."""

from .gemm_w4a16 import Case

EDGES = [
    Case(0, 5, 7, 7, "no rows of a"),
    Case(5, 0, 7, 7, "no weights"),
    Case(5, 7, 0, 32, "empty sums"),
    Case(1, 1, 1, 1, "one product"),
    Case(1, 65, 67, 32, "one row, a column past a panel, a ragged group"),
    Case(3, 63, 129, 128, "a group of one column"),
    Case(6, 64, 96, 32, "whole tiles"),
    Case(7, 70, 131, 96, "two uneven strips"),
    Case(16, 48, 100, 100, "a group a row"),
    Case(33, 130, 72, 64, "several panels"),
    Case(13, 66, 520, 32, "more than a chunk, whose rest is no whole block"),
    Case(13, 66, 1100, 1100, "a group of three chunks"),
    Case(8, 17, 1101, 544, "chunks of one group each, and of a column"),
    Case(130, 65, 64, 32, "more rows than a GPU tile"),
]
