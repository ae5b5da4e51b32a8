"""Scripts of overflows, optimizers and a small problem for tests of the gradient scaler."""

import math
import random
from dataclasses import dataclass

import pytest
import torch

from halfword.optim import AdamW

STEPS = 10_000


LARGEST = torch.finfo(torch.float32).max


INF = math.inf


def random_overflows(seed, rate):
    rng = random.Random(seed)
    return [rng.random() < rate for _ in range(STEPS)]


def bursts(seed):
    rng, out = random.Random(seed), []
    while len(out) < STEPS:
        out += [False] * rng.randint(1, 60) + [True] * rng.randint(1, 6)
    return out[:STEPS]


@dataclass(frozen=True)
class Script:
    why: str
    overflows: list
    growth: float = 2.0
    backoff: float = 0.5
    interval: int = 2000
    scale: float = 2.0**16

    def __str__(self):
        return self.why.replace(" ", "-")

    @property
    def settings(self):
        return {"growth_factor": self.growth, "backoff_factor": self.backoff,
                "growth_interval": self.interval}  # fmt: skip


# Chosen so that torch's scale stays positive and finite: past that ours differs on purpose.
SCRIPTS = [
    Script("rare overflows and torch's settings", random_overflows(1, 0.001)),
    Script("scale hovers", random_overflows(2, 0.02), interval=25),
    Script("factors that are not powers of two", random_overflows(3, 0.05), 1.7, 0.6, 11, 1000.0),
    Script("bursts", bursts(4), 3.0, 0.7, 8),
    Script("overflow every other step", [i % 2 == 0 for i in range(STEPS)], 2.0, 0.999, 1, 777.0),
    Script("grows at every clean step", random_overflows(5, 0.5), 1.01, 0.99, 1),
    Script("no overflow, up to torch's largest scale", [False] * STEPS, 2.0, 0.5, 90, 3.0),
    Script("nothing but overflows", [True] * STEPS, 2.0, 0.999, 2000, LARGEST),
]


def trackers(scale, left=1):
    return (torch.tensor(scale), torch.tensor(0, dtype=torch.int32),
            torch.tensor(left, dtype=torch.int32), torch.tensor(0))  # fmt: skip


def plain_sgd(params):
    return torch.optim.SGD(params, lr=0.5)


def fused_sgd(params):
    return torch.optim.SGD(params, lr=0.5, fused=True)


def foreach_adamw(params):
    return torch.optim.AdamW(params, lr=0.1, foreach=True)


def fused_adamw(params):
    return torch.optim.AdamW(params, lr=0.1, fused=True)


def halfword_adamw(params):
    return AdamW(params, lr=0.1)


class Checking(torch.optim.SGD):
    """The contract with halfword.optim in plain torch; remembers what it was lent."""

    _step_supports_amp_scaling = True
    _halfword_checks_overflow = True

    @torch.no_grad()
    def step(self, closure=None):
        self.lent = dict(vars(self), found_inf=self.found_inf.clone())
        self.lent.pop("lent", None)
        grads = [p.grad for g in self.param_groups for p in g["params"] if p.grad is not None]
        if self.grad_scale is not None:
            grads = [g / self.grad_scale for g in grads]
        if hasattr(self, "found_inf_reduce"):
            if not all(g.isfinite().all() for g in grads):
                self.found_inf.fill_(1)
            if self.found_inf_reduce is not None:
                self.found_inf_reduce(self.found_inf)
        if self.found_inf == 0:
            params = [p for g in self.param_groups for p in g["params"] if p.grad is not None]
            torch._foreach_sub_(params, grads, alpha=self.param_groups[0]["lr"])


def checking(params):
    return Checking(params, lr=0.5)


OPTIMIZERS = [plain_sgd, fused_sgd, foreach_adamw, fused_adamw, checking, halfword_adamw]


SUPPORTING = [fused_sgd, fused_adamw, checking, halfword_adamw]


everywhere = pytest.mark.parametrize("make", OPTIMIZERS, ids=lambda make: make.__name__)


class Problem:
    """Two small parameters, their optimizer and a scaler; the loss is linear in them."""

    def __init__(self, make, scaler, dtype=torch.float32):
        generator = torch.Generator().manual_seed(5)
        shapes = [(3, 37), (5,)]
        self.params = [torch.nn.Parameter(torch.randn(s, generator=generator).to(dtype))
                       for s in shapes]  # fmt: skip
        self.slopes = [torch.randn(s, generator=generator).to(dtype) for s in shapes]
        self.optimizer = make(self.params)
        self.scaler = scaler

    def backward(self, overflow=False):
        self.optimizer.zero_grad()
        terms = zip(self.params, self.slopes, strict=True)
        self.scaler.scale(sum((p * s).float().sum() for p, s in terms)).backward()
        if overflow:
            self.params[-1].grad[-1] = INF  # the last element of the last tensor

    def step(self, overflow=False):
        self.backward(overflow)
        ran = self.scaler.step(self.optimizer)
        self.scaler.update()
        return ran

    def weights(self):
        return [p.detach().clone() for p in self.params]


def advanced(scaler, overflows):
    run = Problem(plain_sgd, scaler)
    for overflow in overflows:
        run.step(overflow)
    return run
