"""Scripts of overflows and the settings they run under."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    script: str  # "x": overflow, ".": clean
    settings: dict[str, Any] = field(default_factory=dict)
    why: str = ""

    def __str__(self) -> str:
        return self.why


CASES = [
    Case("." * 40, {"interval": 7}, "never an overflow"),
    Case("x" * 400, {}, "always one, down to the smallest scale"),
    Case("." * 400, {"interval": 1}, "grows at every step, up to the largest"),
    Case("..x" * 30, {"interval": 2, "growth": 4.0, "backoff": 0.3}, "odd factors"),
    Case("xx.xxx.x..xxxx" * 8, {"hysteresis": 3, "interval": 2}, "hysteresis"),
    Case("x" * 20 + "." * 60, {"low": 8.0, "high": 100.0, "interval": 2}, "bounds"),
]
