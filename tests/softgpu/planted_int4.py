"""Bugs for the CUDA kernel of pack_int4; see :mod:`.test_planted_product`."""

from .planted_product import BOUNDS, RESULT, Planted

PACK = "cuda/pack_int4.cu"

INT4 = [
    Planted(
        "Int4FragmentOrder",
        "columns 1 and 16 of a fragment change places",
        "core/int4.h",
        "j % 2 * 16 + j / 2 % 2 : j",
        "j / 2 % 2 * 16 + j % 2 : j",
        frozenset({RESULT}),
        PACK,
        ("int4_packed",),
    ),
    Planted(
        "Int4NibblesSwapped",
        "the even column is in the high nibble",
        PACK,
        "int4_pair(low < p.op.k ? codes[low] : 0, high < p.op.k ? codes[high] : 0)",
        "int4_pair(high < p.op.k ? codes[high] : 0, low < p.op.k ? codes[low] : 0)",
        frozenset({RESULT}),
        checks=("int4_packed",),
    ),
    Planted(
        "Int4TailRead",
        "codes past the end of a row are read",
        PACK,
        "high < p.op.k ? codes[high] : 0",
        "codes[high]",
        frozenset({BOUNDS}),
        checks=("int4_packed",),
    ),
    Planted(
        "Int4RowsWithoutGaps",
        "rows that lie apart are read as if they did not",
        PACK,
        "row * p.op.row_stride",
        "row * p.op.k",
        frozenset({RESULT}),
        checks=("int4_packed",),
    ),
]
