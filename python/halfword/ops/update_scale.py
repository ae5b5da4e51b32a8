"""The dynamic loss scale after a step."""

import math

from torch import Tensor

from ._library import call, define, mark_written

SMALLEST_SCALE = 2.0**-126  # the smallest normal float32: its reciprocal is finite

_OP = define(
    "update_scale(Tensor(a!) scale, Tensor(b!) growth_tracker, Tensor found_inf, "
    "Tensor(c!)? hysteresis_tracker, Tensor(d!)? skipped, float growth_factor, "
    "float backoff_factor, int growth_interval, int hysteresis, float min_scale, "
    "float max_scale) -> ()",
    fake=lambda *args: None,
)


def update_scale(
    scale: Tensor,
    growth_tracker: Tensor,
    found_inf: Tensor,
    *,
    growth_factor: float = 2.0,
    backoff_factor: float = 0.5,
    growth_interval: int = 2000,
    hysteresis: int = 1,
    hysteresis_tracker: Tensor | None = None,
    min_scale: float = SMALLEST_SCALE,
    max_scale: float = math.inf,
    skipped: Tensor | None = None,
) -> None:
    """Back the loss scale off after an overflow, or let it grow after enough clean steps.

    On overflow (``found_inf != 0``, NaN included): ``growth_tracker = 0``, ``skipped += 1``, and
    after ``hysteresis`` overflows in a row ``scale *= backoff_factor`` at each. Otherwise:
    ``growth_tracker += 1``; when it reaches ``growth_interval`` it returns to 0 and
    ``scale *= growth_factor``.

    Args:
        scale: float32, one element, updated in place.
        growth_tracker: int32, one element, clean steps in a row, updated in place.
        found_inf: float32, one element.
        growth_factor: finite, at least 1.
        backoff_factor: in (0, 1].
        growth_interval: steps, positive.
        hysteresis: overflows in a row that it takes to back off; more than 1 needs
            ``hysteresis_tracker``.
        hysteresis_tracker: int32, one element, begins at ``hysteresis``; updated in place.
        min_scale: positive; the scale is clamped to it.
        max_scale: at least ``min_scale``; the scale is clamped to it.
        skipped: int64, one element, counts the overflows; or ``None``.

    Raises:
        TypeError: a dtype is not the one above.
        ValueError: a number is out of its range, or a tensor has not one element.

    Numerics: products in double, rounded to float32 once; the same as ``torch._amp_update_scale_``
        where the settings coincide, but the scale never becomes 0, inf or NaN: a product that no
        positive finite float32 holds leaves it as it is. ``growth_tracker >= growth_interval``
        grows (torch tests ``==``: it stops growing when the interval is set below the tracker).
    Gradient: none.
    Moves: nothing worth counting.
    Source: Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2; hysteresis as
        in Apex.
    """
    call(
        _OP, scale, growth_tracker, found_inf, hysteresis_tracker, skipped, growth_factor,
        backoff_factor, growth_interval, hysteresis, min_scale, max_scale,
    )  # fmt: skip
    mark_written([t for t in (scale, growth_tracker, hysteresis_tracker, skipped) if t is not None])
