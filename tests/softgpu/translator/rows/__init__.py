"""The opcode table, in the order of the chapters of the PTX manual."""

from ..table import Table
from . import (
    arithmetic,
    asynchronous,
    bits,
    comparison,
    control,
    conversion,
    floating,
    halves,
    matrix,
    memory,
    movement,
    synchronisation,
    warp,
)

TABLE = Table(
    [
        *arithmetic.ROWS,
        *bits.ROWS,
        *floating.ROWS,
        *halves.ROWS,
        *comparison.ROWS,
        *movement.ROWS,
        *conversion.ROWS,
        *memory.ROWS,
        *control.ROWS,
        *synchronisation.ROWS,
        *warp.ROWS,
        *asynchronous.ROWS,
        *matrix.ROWS,
    ]
)
