"""How near embeddings are to those of the base, and how fast they are made."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from .forms import BASE, encode

UNTIMED = 1  # weights are packed and caches get ready


def cosines(ours: Tensor, theirs: Tensor) -> Tensor:
    """Of each row of one with that of the other, float64."""
    return (normalized(ours) * normalized(theirs)).sum(1)


def pair_similarities(embeddings: Tensor) -> Tensor:
    """The cosine of each pair of different rows, once."""
    rows = normalized(embeddings)
    first, second = torch.triu_indices(len(rows), len(rows), 1)
    return (rows @ rows.t())[first, second]


def normalized(rows: Tensor) -> Tensor:
    """Of length 1, float64."""
    return nn.functional.normalize(rows.double(), dim=1)


def rank_correlation(ours: Tensor, theirs: Tensor) -> float:
    """Spearman's: Pearson's correlation of the ranks; equal values share their mean rank."""
    deviations = [each - each.mean() for each in (ranks(ours), ranks(theirs))]
    lengths = [float(each.norm()) for each in deviations]
    if 0.0 in lengths:
        return float("nan")
    return float(deviations[0] @ deviations[1]) / (lengths[0] * lengths[1])


def ranks(values: Tensor) -> Tensor:
    """From 1, float64."""
    _, which, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[which]


def agreement(ours: Tensor, theirs: Tensor) -> dict[str, float]:
    """How much of the base is left."""
    found = cosines(ours, theirs)
    return {
        "mean_cosine": float(found.mean()),
        "min_cosine": float(found.min()),
        "rank_correlation": rank_correlation(pair_similarities(ours), pair_similarities(theirs)),
    }


def take_turns(
    models: dict[str, nn.Module],
    sentences: Sequence[str],
    rounds: int,
    tick: Callable[[int], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Sentences a second, tokens included, from rounds in which each model encodes all of them.

    Whatever else the machine does in a round slows all, so ratios are taken within a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(UNTIMED + rounds):
        for name, model in models.items():
            start = time.perf_counter()
            encode(model, sentences)
            seconds[name].append(time.perf_counter() - start)
        tick(turn)
    taken = {name: each[UNTIMED:] for name, each in seconds.items()}
    found: dict[str, dict[str, Any]] = {}
    for name, own in taken.items():
        found[name] = {"sentences_per_s": len(sentences) / median(own), "seconds": own}
        if BASE in taken:
            pairs = zip(taken[BASE], own, strict=True)
            found[name]["speedup"] = median(base / ours for base, ours in pairs)
    return found
