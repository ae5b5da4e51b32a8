"""Bugs for the CUDA kernels of pack_int4 and unpack_int4; see :mod:`.test_planted_product`."""

from .planted_product import BOUNDS, RACE, RESULT, Planted

PACK = "cuda/pack_int4.cu"
UNPACK = "cuda/unpack_int4.cu"

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
    Planted(
        "Int4FirstPieceOnly",
        "all blocks of a row take its first piece",
        "cuda/int4_tiles.cuh",
        "(tile - row * pieces) * kThreads",
        "0 * kThreads",
        frozenset({RESULT}),
        UNPACK,
        ("int4_unpacked",),
    ),
    Planted(
        "Int4TailWritten",
        "the nibble past the end is written over the next row",
        UNPACK,
        "if (high < p.op.k)",
        "if (high <= p.op.k)",
        frozenset({BOUNDS, RACE}),
        checks=("int4_unpacked",),
    ),
    Planted(
        "Int4HighNextToLow",
        "two threads write the same code, and nobody the others",
        UNPACK,
        "low + p.tiles.chunks.high_step",
        "low + 1",
        frozenset({RESULT, RACE}),
        checks=("int4_unpacked",),
    ),
]
