"""The text: where it comes from, what is held out, and batches whose position can be saved."""

import hashlib
import math
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .config import BYTES, UserError

BLOCKS = 100  # the text is cut into this many, so that what is held out resembles the rest
HELD_OUT_EVERY = 10
EPOCH_SEED_STRIDE = 1_000_003  # prime: epochs of neighbouring seeds do not share an order


@dataclass(frozen=True)
class Corpus:
    """A text, split."""

    train: Tensor  # uint8
    held_out: Tensor  # uint8
    sha256: str
    unigram_bits: float  # entropy of a byte, knowing nothing
    bigram_bits: float  # entropy of a byte, knowing the one before

    @property
    def size(self) -> int:
        """Bytes in the whole text."""
        return len(self.train) + len(self.held_out)


def load_corpus(path: Path | None, context: int) -> Corpus:
    """Read `path`, or the standard library if None, and hold a tenth out."""
    text = standard_library() if path is None else read_text(path)
    needed = 2 * (context + 1)
    if len(text) < needed:
        name = "the standard library" if path is None else str(path)
        raise UserError(
            f"--text must hold at least {needed} bytes, one context of {context} to train on and "
            f"one to test on; {name} holds {len(text)}"
        )
    data = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    unigram, bigram = entropies(data)
    train, held_out = split(data, context + 1)
    return Corpus(train, held_out, hashlib.sha256(text).hexdigest(), unigram, bigram)


def read_text(path: Path) -> bytes:
    """The bytes of a file the user named."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"--text must be a readable file; {path}: {error.strerror}") from error


def standard_library() -> bytes:
    """Python's own sources in the order of their names, then the language reference."""
    from pydoc_data.topics import topics  # 700 kB of prose, needed only here

    root = Path(sysconfig.get_path("stdlib"))
    skipped = {"site-packages", "dist-packages", "test", "tests", "pydoc_data"}
    sources = (p for p in root.rglob("*.py") if not skipped & set(p.relative_to(root).parts))
    text = [path.read_bytes() for path in sorted(sources)]
    text += [topics[name].encode() for name in sorted(topics)]
    return b"\n".join(text)


def split(data: Tensor, smallest: int) -> tuple[Tensor, Tensor]:
    """Hold out every tenth block, or the last one of a text too short for ten."""
    blocks = data.tensor_split(min(BLOCKS, len(data) // smallest))
    last = min(HELD_OUT_EVERY, len(blocks)) - 1
    held_out = blocks[last::HELD_OUT_EVERY]
    kept = [block for i, block in enumerate(blocks) if i % HELD_OUT_EVERY != last]
    return torch.cat(kept), torch.cat(held_out)


def entropies(data: Tensor) -> tuple[float, float]:
    """Bits per byte of the text's own unigram and bigram statistics."""
    joint = torch.bincount(data[:-1].long() * BYTES + data[1:], minlength=BYTES**2).double()
    first = joint.view(BYTES, BYTES).sum(1)
    return entropy(torch.bincount(data, minlength=BYTES)), entropy(joint) - entropy(first)


def entropy(counts: Tensor) -> float:
    """Entropy in bits of the distribution that `counts` describe."""
    share = counts.double() / counts.sum()
    return float(torch.special.entr(share).sum()) / math.log(2)


class Batches:
    """Windows of the text in an order that depends on the seed and the epoch alone.

    Each epoch cuts the text at another offset, then shuffles the pieces. The position is two
    integers, so that a resumed run reads exactly what the interrupted one would have read.
    """

    def __init__(self, data: Tensor, context: int, batch: int, seed: int) -> None:
        self.data, self.context, self.batch, self.seed = data, context, batch, seed
        self._start_epoch(0)

    def next(self) -> tuple[Tensor, Tensor]:
        """Texts and the bytes that follow them, both int64 ``[batch, context]``."""
        rows: list[Tensor] = []
        while (missing := self.batch - sum(map(len, rows))) > 0:
            if self.position == len(self.order):
                self._start_epoch(self.epoch + 1)
            rows.append(self.order[self.position : self.position + missing])
            self.position += len(rows[-1])
        return windows(self.data, torch.cat(rows), self.context)

    def state_dict(self) -> dict[str, int]:
        """The position in the text."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a position."""
        self._start_epoch(state["epoch"])
        self.position = state["position"]

    def _start_epoch(self, epoch: int) -> None:
        generator = torch.Generator()
        generator.manual_seed((self.seed + epoch * EPOCH_SEED_STRIDE) % 2**63)
        last_start = len(self.data) - self.context - 1
        offsets = min(self.context, last_start + 1)
        offset = int(torch.randint(offsets, (), generator=generator))
        starts = torch.arange(offset, last_start + 1, self.context)
        self.order = starts[torch.randperm(len(starts), generator=generator)]
        self.epoch, self.position = epoch, 0


def windows(data: Tensor, starts: Tensor, context: int) -> tuple[Tensor, Tensor]:
    """The `context` bytes at each start, and the same shifted by one."""
    rows = data[starts[:, None] + torch.arange(context + 1)].long()
    return rows[:, :-1], rows[:, 1:]


def test_windows(held_out: Tensor, context: int, count: int) -> tuple[Tensor, Tensor]:
    """Up to `count` windows spread evenly over the held-out text, always the same ones."""
    last_start = len(held_out) - context - 1
    starts = torch.arange(0, last_start + 1, max(context, last_start // count))
    return windows(held_out, starts[:count], context)
