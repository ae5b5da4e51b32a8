"""The dynamic loss scale in plain Python."""

import numpy as np


def update_scale(state, overflow, *, growth=2.0, backoff=0.5, interval=2000, hysteresis=1,
                 low=2.0**-126, high=float("inf")):  # fmt: skip
    """The next (scale, clean steps in a row, overflows left to bear, steps skipped)."""
    scale, clean, left, skipped = state
    if overflow:
        clean, left, skipped = 0, max(left - 1, 0), skipped + 1
        factor = backoff if left == 0 else None
    else:
        clean, left = clean + 1, hysteresis
        factor = growth if clean >= interval else None
        clean = clean if factor is None else 0
    if factor is not None:
        with np.errstate(over="ignore"):
            moved = float(np.float32(min(max(scale * factor, low), high)))
        scale = moved if 0 < moved < float("inf") else scale
    return scale, clean, left, skipped
