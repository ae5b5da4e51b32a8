"""How the loss scale moves: the settings of a GradScaler, and their rules."""

import functools
import math
import numbers
from dataclasses import asdict, dataclass
from typing import Any

from ..ops.update_scale import SMALLEST_SCALE

LARGEST_SCALE = (2.0 - 2.0**-23) * 2.0**127  # the largest finite float32


def require(valid: bool, name: str, rule: str, value: object) -> None:
    """Raise a ValueError that names argument, rule and value, unless `valid`."""
    if not valid:
        raise ValueError(f"GradScaler: {name} must be {rule}; got {value}")


def require_type(valid: bool, name: str, rule: str, value: object) -> None:
    """Raise a TypeError that names argument, rule and type, unless `valid`."""
    if not valid:
        raise TypeError(f"GradScaler: {name} must be {rule}; got {type(value).__name__}")


def real(name: str, value: Any) -> float:
    """`value` as a float."""
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool)
    require_type(valid, name, "a number", value)
    return float(value)


def integer(name: str, value: Any, low: int, end: int) -> int:
    """`value` as an int in ``[low, end)``."""
    valid = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    require_type(valid, name, "an int", value)
    require(low <= value < end, name, f"in [{low}, 2^{end.bit_length() - 1})", value)
    return int(value)


@dataclass(frozen=True)
class ScalePolicy:
    """The settings of a GradScaler. One that exists is valid."""

    growth_factor: float
    backoff_factor: float
    growth_interval: int
    dynamic: bool
    hysteresis: int
    min_scale: float
    max_scale: float

    def __post_init__(self) -> None:
        growth, backoff = (self._real(name) for name in ("growth_factor", "backoff_factor"))
        require(math.isfinite(growth) and growth >= 1, "growth_factor", "finite and >= 1", growth)
        require(0 < backoff <= 1, "backoff_factor", "in (0, 1]", backoff)
        for name in ("growth_interval", "hysteresis"):  # their trackers are int32
            self._set(name, integer(name, getattr(self, name), 1, 2**31))
        require_type(isinstance(self.dynamic, bool), "dynamic", "a bool", self.dynamic)
        low, high = (self._real(name) for name in ("min_scale", "max_scale"))
        finite = f"in [{SMALLEST_SCALE}, {LARGEST_SCALE}] (finite, and so its reciprocal)"
        require(SMALLEST_SCALE <= low <= LARGEST_SCALE, "min_scale", finite, low)
        require(high >= low, "max_scale", f">= min_scale = {low}", high)

    def _real(self, name: str) -> float:
        value = real(name, getattr(self, name))
        self._set(name, value)
        return value

    def _set(self, name: str, value: float) -> None:
        object.__setattr__(self, name, value)  # frozen, but for these conversions

    def check_scale(self, name: str, value: object) -> float:
        """`value` as a float that the scale may have."""
        scale = real(name, value)
        require(0 < scale <= LARGEST_SCALE, name, "finite and > 0", scale)
        low, high = self.min_scale, self.max_scale
        require(low <= scale <= high, name, f"in [min_scale, max_scale] = [{low}, {high}]", scale)
        return scale

    @functools.cached_property
    def update_arguments(self) -> dict[str, Any]:
        """Arguments of ``update_scale``. A static scale is one that both factors leave as it is."""
        arguments = asdict(self)
        if not arguments.pop("dynamic"):
            arguments |= {"growth_factor": 1.0, "backoff_factor": 1.0}
        return arguments
