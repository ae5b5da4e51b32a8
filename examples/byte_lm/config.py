"""What a run is: every setting that has an influence on it, and the rules they obey."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

BYTES = 256
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
DEVICES = ("auto", "cpu", "cuda")
LARGEST_SEED = 2**63 - 1  # torch.Generator.manual_seed takes no larger one


class UserError(Exception):
    """Something the user can put right; shown as one line, without a traceback."""


@dataclass(frozen=True)
class Config:
    """The settings that decide every bit of a run; a checkpoint resumes only under the same."""

    text: Path | None = None
    precision: str = "bf16"
    int8: bool = False
    device: str = "auto"
    compare: bool = False
    seed: int = 0
    steps: int = 4000
    batch: int = 16
    accumulate: int = 1
    layers: int = 2
    width: int = 128
    heads: int = 2
    context: int = 128
    ngram: int = 4
    lr: float = 4e-3
    warmup: int = 100
    weight_decay: float = 0.1
    beta2: float = 0.98
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "layers", "width", "heads", "ngram"):
            self._require(getattr(self, name) > 0, name, "be a positive integer")
        self._require(self.context > 1, "context", "be at least 2 bytes")
        self._require(0 <= self.seed <= LARGEST_SEED, "seed", f"lie in 0..{LARGEST_SEED}")
        self._require(self.warmup >= 0, "warmup", "not be negative")
        self._require(self.width % self.heads == 0, "width", f"divide into {self.heads} heads")
        self._require(0 < self.lr < float("inf"), "lr", "be positive and finite")
        self._require(0 <= self.weight_decay < float("inf"), "weight_decay", "not be negative")
        self._require(0 <= self.beta2 < 1, "beta2", "lie in [0, 1)")
        self._require(self.max_grad_norm > 0, "max_grad_norm", "be positive")
        self._require(self.precision in PRECISIONS, "precision", f"be one of {list(PRECISIONS)}")
        self._require(self.device in DEVICES, "device", f"be one of {list(DEVICES)}")
        cuda_missing = self.device == "cuda" and not torch.cuda.is_available()
        self._require(not cuda_missing, "device", "be present: torch finds no CUDA device here")

    @property
    def torch_device(self) -> torch.device:
        """The device behind ``--device``."""
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    @property
    def arithmetic(self) -> str:
        """How our side multiplies, in a word or two."""
        return f"{self.precision} with INT8 products" if self.int8 else self.precision

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters and gradients that our side trains."""
        return PRECISIONS[self.precision]

    def plain(self) -> dict[str, Any]:
        """The settings as JSON types, with the device that ``auto`` stands for."""
        text = None if self.text is None else str(self.text)
        return asdict(self) | {"text": text, "device": self.torch_device.type}

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            raise UserError(f"{option(name)} must {rule}; got {getattr(self, name)}")


def option(name: str) -> str:
    """The command-line spelling of a setting."""
    return "--" + name.replace("_", "-")
