"""Shapes and type combinations of the Adam step, shared with bench."""

from dataclasses import dataclass

import torch

F32, BF16, F16 = torch.float32, torch.bfloat16, torch.float16


@dataclass(frozen=True)
class Shape:
    size: tuple[int, ...]
    why: str

    def __str__(self) -> str:
        return "x".join(map(str, self.size)) or "0d"


SHAPES = [
    Shape((), "0-d"),
    Shape((0, 3), "no elements"),
    Shape((1,), "one"),
    Shape((15,), "less than a vector"),
    Shape((16,), "one vector exactly"),
    Shape((7, 19), "vectors and a tail, past a block of random bits"),
    Shape((130, 129), "more than one tile, odd"),
]


@dataclass(frozen=True)
class Types:
    param: torch.dtype
    master: str  # "none", "float32", "remainder"
    stochastic: bool = False

    def __str__(self) -> str:
        name = str(self.param).removeprefix("torch.")
        return f"{name}-{self.master}{'-stochastic' if self.stochastic else ''}"


WEIGHTS = [
    Types(F32, "none"),
    Types(BF16, "none"),
    Types(BF16, "none", stochastic=True),
    Types(F16, "none"),
    Types(BF16, "float32"),
    Types(F16, "float32"),
    Types(BF16, "remainder"),
]
GRADS = [F32, BF16, F16]
MOMENTS = [F32, BF16]
