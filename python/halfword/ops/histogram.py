"""Counts of elements in intervals of equal width."""

from torch import Tensor

from ._library import call, define, mark_written

_OP = define(
    "histogram(Tensor x, Tensor(a!) counts, float low, float high, bool absolute) -> ()",
    fake=lambda x, counts, low, high, absolute: None,
)


def histogram(
    x: Tensor, counts: Tensor, low: float, high: float, *, absolute: bool = False
) -> None:
    """Add to ``counts`` how many elements of ``x`` lie in each of its bins of equal width.

    ``bin = min(floor((x - low) * (bins / (high - low))), bins - 1)``, so that an element equal to
    ``high`` is in the last bin. Elements outside ``[low, high]`` and NaN are not counted. Counts
    of several calls add up: clear them before the first.

    Args:
        x: float32, bfloat16 or float16, any shape.
        counts: int64 ``[bins]`` on x's device, contiguous, updated in place; 1 to 2^24 bins.
        low: lower end of the first bin, rounded to float32.
        high: upper end of the last bin, rounded to float32; above ``low``.
        absolute: count ``abs(x)`` instead.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: counts have not one dimension, share memory with ``x``, or are on another
            device; or the range is empty or not finite.

    Numerics: the bin is computed in FP32 in the order above; counts are exact, and the same on
        every backend.
    Gradient: none.
    Moves: one read of x; a copy first where x is not contiguous.
    """
    call(_OP, x.detach().contiguous(), counts, low, high, absolute)
    mark_written([counts])
