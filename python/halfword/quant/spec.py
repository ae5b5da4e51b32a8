"""What a quantizer does, in one value that can be stored, compared and printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

AXES = ("row", "column", "tensor")
MAPPINGS = ("linear", "log2")
ROUNDINGS = ("nearest", "stochastic")


@dataclass(frozen=True)
class Spec:
    """How many bits a code has, which elements share a scale, and how a number becomes a code.

    A tensor is seen as a matrix: its last dimension gives the columns, all others the rows.

    Args:
        bits: 2 to 8 bits a code. Codes are stored as int8, however few bits they have.
        axis: one scale a ``"row"``, a ``"column"`` or ``"tensor"``.
        group_size: one scale for each so many consecutive elements of a row; the last group of a
            row may be smaller.
        block: one scale for each block of (rows, columns) of a matrix; the last ones may be
            smaller.
        symmetric: codes of ``x`` and ``-x`` differ by their sign only. If not, a zero point moves
            the range of codes over the range of the elements and 0.
        mapping: ``"linear"``, or ``"log2"``: a sign and a power of two.
        rounding: to ``"nearest"`` (ties to even), or ``"stochastic"``: up with the probability of
            the part that is cut off.

    Raises:
        ValueError: a value is none of these, ``group_size`` and ``block`` are both given, or
            ``axis`` with one of them, or log2 is to be affine or to round stochastically.
    """

    bits: int = 8
    axis: Literal["row", "column", "tensor"] = "row"
    group_size: int | None = None
    block: tuple[int, int] | None = None
    symmetric: bool = True
    mapping: Literal["linear", "log2"] = "linear"
    rounding: Literal["nearest", "stochastic"] = "nearest"

    def __post_init__(self) -> None:
        _check(_is_int(self.bits) and 2 <= self.bits <= 8, "bits", "be 2 to 8", self.bits)
        _check(self.axis in AXES, "axis", f"be one of {AXES}", self.axis)
        size, block = self.group_size, self.block
        _check(size is None or _is_size(size), "group_size", "be an integer >= 1", size)
        if isinstance(block, list):
            object.__setattr__(self, "block", tuple(block))
        sizes = isinstance(block, tuple | list) and len(block) == 2 and all(map(_is_size, block))
        _check(block is None or sizes, "block", "be two integers >= 1", block)
        _check(size is None or block is None, "block", "be None with a group_size", block)
        alone = self.axis == "row" or (size is None and block is None)
        _check(alone, "axis", "be 'row' with a group_size or block", self.axis)
        _check(isinstance(self.symmetric, bool), "symmetric", "be a bool", self.symmetric)
        _check(self.mapping in MAPPINGS, "mapping", f"be one of {MAPPINGS}", self.mapping)
        _check(self.rounding in ROUNDINGS, "rounding", f"be one of {ROUNDINGS}", self.rounding)
        if self.mapping == "log2":
            _check(self.symmetric, "symmetric", "be True with log2", self.symmetric)
            _check(self.rounding == "nearest", "rounding", "be 'nearest' with log2", self.rounding)

    @property
    def mapping_code(self) -> int:
        """The number that the kernels know the mapping by: 0 symmetric, 1 affine, 2 log2."""
        return 2 if self.mapping == "log2" else 0 if self.symmetric else 1

    @property
    def code_range(self) -> tuple[int, int]:
        """The smallest and the largest code."""
        highest = 2 ** (self.bits - 1) - 1
        return (-highest if self.symmetric else -highest - 1), highest

    def blocks(self, rows: int, cols: int) -> tuple[int, int]:
        """Rows and columns of the blocks that share a scale, in a matrix of this size."""
        if self.group_size is not None:
            return 1, self.group_size
        if self.block is not None:
            return self.block
        return (1 if self.axis == "row" else max(rows, 1)), (
            1 if self.axis == "column" else max(cols, 1)
        )

    def scale_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the scales, and of the zero points, of a tensor of this shape."""
        shape = tuple(shape)
        cols = shape[-1] if shape else 1
        if self.group_size is not None:
            return (*shape[:-1], -(-cols // self.group_size))
        if self.block is not None:
            if len(shape) != 2:
                raise ValueError(f"Spec: block must be for a matrix; got shape {list(shape)}")
            return -(-shape[0] // self.block[0]), -(-cols // self.block[1])
        return {"row": shape[:-1], "column": (cols,), "tensor": ()}[self.axis]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return _is_int(value) and value >= 1


def _check(valid: bool, name: str, rule: str, value: Any) -> None:
    if not valid:
        raise ValueError(f"Spec: {name} must {rule}; got {value!r}")
