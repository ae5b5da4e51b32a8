"""What a benchmark row works on, what its sides must agree on, and the bytes that it must move."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tests.cases.models import Shape, few_odd

POOL = 2**20  # random values are drawn once and repeated: drawing them all would take minutes
LOSS_SCALE = 1024.0
LR, BETAS, EPS, WEIGHT_DECAY = 1e-3, (0.9, 0.999), 1e-8, 0.01
STEPS_DONE = 10


@dataclass(frozen=True)
class Traffic:
    """What any implementation must do for an element: bytes to move, or operations."""

    read: float = 0.0  # bytes in passes that only read
    update: float = 0.0  # bytes in passes that also write; both directions counted
    int8: float = 0.0  # operations; a multiplication and its addition are two
    bf16: float = 0.0  # likewise

    @property
    def total(self) -> float:
        return self.read + self.update

    @property
    def operations(self) -> float:
        return self.int8 + self.bf16

    @property
    def kinds(self) -> list[str]:
        return [kind for kind in ("read", "update", "int8", "bf16") if getattr(self, kind)]


@dataclass(frozen=True)
class Bound:
    """|a - b| <= relative * |b| + absolute."""

    relative: float
    absolute: float = 0.0

    def excess(self, ours: Tensor, theirs: Tensor) -> float:
        """The largest error as a fraction of the bound; fine up to 1."""
        a, b = ours.double().flatten(), theirs.double().flatten()
        tiny = torch.finfo(torch.float64).tiny
        errors = (a - b).abs() / (self.relative * b.abs() + self.absolute + tiny)
        return float(errors.nan_to_num(torch.inf).max())


@dataclass(frozen=True)
class Side:
    """One implementation: a step to time, and its results by name to compare."""

    name: str
    step: Callable[[], object]
    results: Callable[[], dict[str, Sequence[Tensor]]]
    optional: bool = False  # another package's: if it fails, the others are still timed


Outcome = Side | str  # a side, or the line that says why there is none
Shapes = Sequence[Shape]


@dataclass(frozen=True)
class Row:
    """One line of a benchmark: ours against its rivals, over a list of shapes."""

    name: str
    shapes: Shapes
    traffic: Traffic
    sides: Callable[[Shapes], list[Outcome]]  # ours first
    bounds: dict[str, Bound]
    check: Shapes = field(default_factory=few_odd)  # over which the sides must agree
    group: str = ""  # of rows that are summed up together

    @property
    def elements(self) -> int:
        return sum(torch.Size(shape).numel() for shape in self.shapes)


def random_list(shapes: Shapes, dtype: torch.dtype, std: float, seed: int) -> list[Tensor]:
    """Normal values on the default device, the same for the same seed."""
    generator = torch.Generator("cpu").manual_seed(seed)
    drawn = torch.randn(POOL, generator=generator, device="cpu").mul_(std)
    pool = drawn.to(torch.get_default_device(), dtype)
    tensors, start = [], 0
    for shape in shapes:
        numel = torch.Size(shape).numel()
        if start + numel > POOL:
            start = 0
        values = pool[start : start + numel] if numel <= POOL else pool.repeat(-(-numel // POOL))
        tensors.append(values[:numel].clone().view(shape))
        start += numel
    return tensors


@dataclass
class AdamProblem:
    """State of an optimizer in the middle of training, with gradients under a loss scale."""

    params: list[Tensor]
    grads: list[Tensor]
    exp_avgs: list[Tensor]
    exp_avg_sqs: list[Tensor]
    masters: list[Tensor] = field(default_factory=list)  # float32, or none
    scale: float = 1.0
    float_grads: list[Tensor] = field(default_factory=list)  # FP32 copies, for who needs them

    def clone(self) -> "AdamProblem":
        """Another one with state of its own; the gradients are shared, nobody writes them."""
        twin = copy.copy(self)
        twin.float_grads = []
        for name in ("params", "exp_avgs", "exp_avg_sqs", "masters"):
            setattr(twin, name, [tensor.clone() for tensor in getattr(self, name)])
        return twin

    def workspace(self) -> list[Tensor]:
        """FP32 tensors of the gradients' shapes, allocated once."""
        if not self.float_grads:
            self.float_grads = [torch.empty_like(g, dtype=torch.float32) for g in self.grads]
        return self.float_grads

    def state(self) -> dict[str, Sequence[Tensor]]:
        names = ("params", "exp_avgs", "exp_avg_sqs", "masters")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


def adam_problem(
    shapes: Shapes,
    dtype: torch.dtype,
    *,
    moments: torch.dtype = torch.float32,
    masters: bool = False,
    scale: float = 1.0,
) -> AdamProblem:
    weights = random_list(shapes, torch.float32, 0.02, seed=1)
    return AdamProblem(
        params=[weight.to(dtype) for weight in weights],
        grads=random_list(shapes, dtype, 1e-3 * scale, seed=2),
        exp_avgs=random_list(shapes, moments, 1e-3, seed=3),
        exp_avg_sqs=[x.abs_().add_(1e-6) for x in random_list(shapes, moments, 1e-6, seed=4)],
        masters=weights if masters else [],
        scale=scale,
    )


ROOM_FOR_TWINS = 10_000_000  # elements; above it, rivals share one state, as memory is finite


def shares_state(problem: AdamProblem) -> bool:
    """Whether there is one state for all rivals, and another for all of ours: no cache holds it,
    and nobody looks at the results."""
    return sum(param.numel() for param in problem.params) >= ROOM_FOR_TWINS


def twins(problem: AdamProblem) -> Callable[[], AdamProblem]:
    """States for the rivals: one each, or one for all."""
    if not shares_state(problem):
        return problem.clone
    shared = problem.clone()
    return lambda: shared
