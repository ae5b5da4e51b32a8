"""One fused Adam step over a list of parameters."""

import operator
import weakref
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from .. import _core, _cuda
from ._library import call, define, mark_written

_NUMBERS = (
    "Tensor? lr_tensor, Tensor? inv_scale, Tensor? found_inf, Tensor? clip_coef, float lr, "
    "float beta1, float beta2, float eps, float weight_decay, bool decoupled, bool maximize, "
    "bool bias_correction, bool stochastic_params, int seed"
)

_OP = define(
    "adam_step(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] exp_avgs, "
    "Tensor(c!)[] exp_avg_sqs, Tensor(d!)[] max_exp_avg_sqs, Tensor(e!)[] masters, Tensor[] masks, "
    f"Tensor(f!)[] step, {_NUMBERS}, int[] streams) -> ()",
    fake=lambda *args: None,
)


def adam_step(
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    exp_avgs: Sequence[Tensor],
    exp_avg_sqs: Sequence[Tensor],
    *,
    max_exp_avg_sqs: Sequence[Tensor] | None = None,
    masters: Sequence[Tensor] | None = None,
    masks: Sequence[Tensor] | None = None,
    step: Sequence[Tensor],
    lr: float | Tensor,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = True,
    maximize: bool = False,
    bias_correction: bool = True,
    inv_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    clip_coef: Tensor | None = None,
    stochastic_params: bool = False,
    seed: int = 0,
    streams: Sequence[int] | None = None,
) -> None:
    """Unscale, clip and apply one Adam or AdamW step to a list of parameters, in one pass.

    For every element, in FP32: ``g = grad * inv_scale * clip_coef``, negated if ``maximize``;
    ``p -= lr * weight_decay * p`` if ``decoupled`` (AdamW), else ``g += weight_decay * p`` (L2);
    ``m = fma(beta1, m, fma(-beta1, g, g))``; ``v = fma(beta2, v, fma(-beta2, g * g, g * g))``;
    ``p -= lr / bias1 * m / (sqrt(v) * (1 / sqrt(bias2)) + eps)``, with ``bias = 1 - beta ** step``
    (1 without ``bias_correction``).

    If ``found_inf`` is not 0, nothing is written: not weights, moments or step counters.

    Args:
        params: float32, bfloat16 or float16 tensors of any strides, updated in place.
        grads: as many, of the same shapes; any of the three dtypes, whatever the parameter's.
        exp_avgs, exp_avg_sqs: the moments; float32, or bfloat16 (then rounded stochastically).
        max_exp_avg_sqs: as ``exp_avg_sqs``, for amsgrad; ``None`` for no amsgrad.
        masters: what makes a 16-bit parameter FP32: float32 tensors, or, for bfloat16 parameters,
            int16 remainders (see :func:`halfword.optim.split_master`); a tensor without elements
            for a float32 parameter. ``None``: parameters are updated themselves.
        masks: bool tensors of the parameters' shapes; where False, the parameter, its master and
            its moments become exactly 0. ``None`` for no masks.
        step: the step counters, float32, one element each: one a parameter, or one for all.
            Incremented first.
        lr: learning rate; a number, or a float32 or float64 tensor of one element. One on the
            CPU is read at the call, one on the parameters' device by the kernel.
        betas, eps, weight_decay: as in :class:`torch.optim.AdamW`.
        inv_scale: 1 / loss scale, float32, one element; ``None`` for 1.
        found_inf: float32, one element; ``None`` for 0.
        clip_coef: a factor on the unscaled gradient, float32, one element; ``None`` for 1.
        stochastic_params: round bfloat16 parameters that have no master stochastically.
        seed: of the random bits, with the step and the element.
        streams: a number below 2^30 for each parameter that sets its random bits apart; ``None``:
            its place in the list.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: lengths, shapes or devices differ, a number is out of its range, or a tensor
            that is written overlaps itself in memory. What a tensor on a CUDA device holds (step
            counters, ``lr``) is not looked at: that would wait for the device.
        RuntimeError: the CUDA device or driver refuses; the parameters are unchanged.

    Numerics: the order of operations above, hyper-parameters rounded to FP32 once, bias corrections
        in double from the rounded betas. The same bits on every instruction set and device, for any
        layout, alignment and number of threads. A parameter that has a master is its rounding to
        nearest even.
    Gradient: none.
    Moves: 14 bytes read and 14 written an element, for 16-bit parameters and gradients with FP32
        moments and masters; 12 and 12 less 2 written and read each with remainders.
    Source: Kingma and Ba, ICLR 2015; Loshchilov and Hutter, "Decoupled weight decay", ICLR 2019;
        Reddi et al., "On the convergence of Adam and beyond", ICLR 2018 (amsgrad).
    """
    lists = AdamLists(
        *(
            list(tensors or ())
            for tensors in (
                params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, masters, masks, step,
            )
        )
    )  # fmt: skip
    if not lists.params:
        return
    numbers = AdamNumbers(
        lr if isinstance(lr, Tensor) else None,
        inv_scale,
        found_inf,
        clip_coef,
        0.0 if isinstance(lr, Tensor) else lr,
        *betas,
        eps,
        weight_decay,
        decoupled,
        maximize,
        bias_correction,
        stochastic_params,
        seed,
    )
    launch(lists, numbers, list(streams or ()))
    mark_written(*(tensors for i, tensors in enumerate(lists) if i not in _READ_ONLY))


class AdamLists(NamedTuple):
    """The tensor lists of :func:`adam_step`; an empty one for what the step does without."""

    params: list[Tensor]
    grads: list[Tensor]
    exp_avgs: list[Tensor]
    exp_avg_sqs: list[Tensor]
    max_exp_avg_sqs: list[Tensor]
    masters: list[Tensor]
    masks: list[Tensor]
    step: list[Tensor]


_GRADS = AdamLists._fields.index("grads")
_READ_ONLY = {_GRADS, AdamLists._fields.index("masks")}


class AdamNumbers(NamedTuple):
    """The numbers of :func:`adam_step`, as its schema orders them."""

    lr_tensor: Tensor | None
    inv_scale: Tensor | None
    found_inf: Tensor | None
    clip_coef: Tensor | None
    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    decoupled: bool
    maximize: bool
    bias_correction: bool
    stochastic_params: bool
    seed: int


def launch(lists: AdamLists, numbers: AdamNumbers, streams: list[int]) -> None:
    """:func:`adam_step` for a caller that has the lists already and tells autograd itself."""
    call(_OP, *lists, *numbers, streams)


# The fast path of an optimizer, whose tensors are the same at every step: see
# csrc/binding/adam_plan.cpp.
_PLAN = define(
    "_adam_plan(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs, "
    "Tensor[] max_exp_avg_sqs, Tensor[] masters, Tensor[] masks, Tensor[] step, "
    "bool stochastic_params, int[] streams) -> int",
    fake=lambda *args: 0,
)
_PLAN_STEP = define(
    f"_adam_plan_step(Tensor(a!)[] params, Tensor[] grads, int plan, {_NUMBERS}) -> bool",
    fake=lambda *args: True,
)


def _forget_plan(number: int) -> None:
    """Free a plan where it is: numbers are positive on the CPU and negative on CUDA."""
    if number > 0:
        _core.forget_adam_plan(number)
    elif number < 0:
        _cuda.forget_adam_plan(number)


class AdamPlan:
    """The tensors of a step, checked and laid out once for many steps.

    It fits as long as the lists hold the same tensors; only the gradients may be others.
    """

    def __init__(self, lists: AdamLists, stochastic_params: bool, streams: list[int]) -> None:
        self._kept = [list(tensors) for tensors in lists]
        self._streams = streams
        self._number: int = call(_PLAN, *lists, stochastic_params, streams)
        weakref.finalize(self, _forget_plan, self._number)

    @property
    def usable(self) -> bool:
        """False where the kernel has no plan: a layout that is not row-major, or shared memory."""
        return self._number != 0

    def is_of(self, lists: AdamLists, streams: list[int]) -> bool:
        """Whether the lists hold the tensors that this was made from, gradients aside."""
        if streams != self._streams:
            return False
        for i, (kept, tensors) in enumerate(zip(self._kept, lists, strict=True)):
            if i == _GRADS:
                continue
            if len(kept) != len(tensors) or not all(map(operator.is_, kept, tensors)):
                return False
        return True

    def step(self, lists: AdamLists, numbers: AdamNumbers) -> bool:
        """As :func:`launch`; False, and nothing done, if a tensor is not laid out as it was."""
        fits: bool = call(_PLAN_STEP, lists.params, lists.grads, self._number, *numbers)
        return fits
