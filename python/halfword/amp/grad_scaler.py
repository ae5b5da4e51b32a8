"""Dynamic and static loss scaling."""

from __future__ import annotations  # dist.ProcessGroup does not exist in every build of torch

import copy
import functools
import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields, replace
from typing import Any, overload

import torch
import torch.distributed as dist
from torch import Tensor

from ..ops.update_scale import SMALLEST_SCALE, update_scale
from ._overflow import check_gradients, reduction_over_ranks, zero
from ._policy import LARGEST_SCALE, ScalePolicy, integer, real, require, require_type
from ._state import Counters, ScaleState, Tensors
from ._stepping import Checked, Stage, refuse_repetition, step_scaled, takes_scale

_TORCHS = ("growth_factor", "backoff_factor", "growth_interval")  # in torch's state_dict too


class GradScaler:
    """Scales the loss so that float16 gradients do not underflow; skips steps that overflow.

    A drop-in for :class:`torch.amp.GradScaler` on our kernels, with its methods, its ``state_dict``
    and the same scale at every step. It adds: float16 and bfloat16 gradients in every path, no
    synchronisation with the device where the optimizer can skip its own step, bounds and
    hysteresis for the scale, a fixed scale, a count of skipped steps, and one decision over all
    ranks.

    Args:
        device: device type, ``"cuda"`` or ``"cpu"``; ``None`` for CUDA if there is one. As in
            torch, the scale lives where the first scaled tensor does; ``"cuda"`` on a machine
            without CUDA warns and disables the scaler.
        init_scale: first loss scale, in ``[min_scale, max_scale]``.
        growth_factor: the scale is multiplied by it after ``growth_interval`` clean steps in a row;
            finite, at least 1.
        backoff_factor: the scale is multiplied by it after an overflow; in (0, 1].
        growth_interval: clean steps in a row that it takes to grow.
        enabled: if False, :meth:`scale` and :meth:`step` hand through, the rest does nothing.
        dynamic: if False, the scale never moves; steps that overflow are still skipped and counted.
        hysteresis: overflows in a row that it takes to back off. 1: every overflow does.
        min_scale: the scale goes no lower; at least 2^-126, the smallest scale that has a finite
            reciprocal.
        max_scale: the scale goes no higher.
        process_group: ranks that must skip the same steps: the overflow flag is reduced (MAX) over
            it, once a check, before the step. Ranks that share parameters as DTensors
            (FSDP2) need none: the flag is reduced over their mesh.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Optimizers:
        * Any optimizer: gradients are unscaled in place, and the flag is read (one
          synchronisation) to decide whether to step, as in torch.
        * An optimizer with ``_step_supports_amp_scaling = True`` (torch's with ``fused=True``)
          finds ``grad_scale`` (float32, 0-d, to divide by; ``None`` after :meth:`unscale_`) and
          ``found_inf`` (float32, 0-d, exactly 0 or 1) as attributes during its step and skips by
          itself. The check before it only reads. A ``grad_scale`` that you set is a further
          divisor.
        * One that also has ``_halfword_checks_overflow = True`` (``halfword.optim``) gets
          ``found_inf = 0`` and sets it in its own read of the gradients; then it calls
          ``found_inf_reduce(found_inf)``, if that attribute is not ``None``, and steps if
          ``found_inf`` is 0. After :meth:`unscale_` there is no such attribute, and ``found_inf``
          holds that check's result.

    Numerics: see :func:`halfword.ops.unscale_check` and :func:`halfword.ops.update_scale`. An
        overflow is an *unscaled* gradient that is not finite.
    Moves: one read of the gradients, and one write of them for optimizers that cannot unscale
        themselves; nothing for those that check.
    Source: Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2; hysteresis as
        in Apex.
    """

    def __init__(
        self,
        device: str | torch.device | None = None,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
        *,
        dynamic: bool = True,
        hysteresis: int = 1,
        min_scale: float = SMALLEST_SCALE,
        max_scale: float = float("inf"),
        process_group: dist.ProcessGroup | None = None,
    ) -> None:
        device_type = _device_type(device)
        self._policy = ScalePolicy(
            growth_factor, backoff_factor, growth_interval,
            dynamic, hysteresis, min_scale, max_scale,
        )  # fmt: skip
        scale = self._policy.check_scale("init_scale", init_scale)
        if process_group is not None:
            valid = dist.is_available() and isinstance(process_group, dist.ProcessGroup)
            require_type(valid, "process_group", "a ProcessGroup or None", process_group)
        self._enabled = bool(enabled)
        if self._enabled and device_type == "cuda" and not torch.cuda.is_available():
            warnings.warn("GradScaler: CUDA is not available; scaling is disabled", stacklevel=2)
            self._enabled = False
        self._process_group = process_group
        self._state = ScaleState(Counters(scale, 0, self._policy.hysteresis, 0))
        self._checked: dict[int, Checked] = {}  # by id(optimizer), until the next update()

    @overload
    def scale(self, outputs: Tensor) -> Tensor: ...

    @overload
    def scale(self, outputs: list[Tensor]) -> list[Tensor]: ...

    @overload
    def scale(self, outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]: ...

    @overload
    def scale(self, outputs: Iterable[Tensor]) -> Iterable[Tensor]: ...

    def scale(self, outputs: Tensor | Iterable[Tensor]) -> Tensor | Iterable[Tensor]:
        """Multiply a loss, or any nest of iterables of tensors, by the loss scale.

        Args:
            outputs: floating tensors of any shapes, on any devices. Lists, tuples and named tuples
                keep their type; another iterable becomes an iterator.

        Returns:
            The same structure, scaled; ``outputs`` itself if the scaler is disabled.

        Raises:
            ValueError: something in it is neither a tensor nor an iterable.
        """
        if not self._enabled:
            return outputs
        scales: dict[torch.device, Tensor] = {}

        def scaled(value: Any) -> Any:
            if isinstance(value, Tensor):
                device = value.device
                if device not in scales:
                    scales[device] = self._state.on(device).scale.to(device, non_blocking=True)
                return value * scales[device]
            if not isinstance(value, Iterable) or isinstance(value, str):
                kind = type(value).__name__
                require(False, "outputs", "a Tensor or an iterable of Tensors", kind)
            if isinstance(value, tuple) and hasattr(value, "_fields"):
                return type(value)(*map(scaled, value))
            iterator = map(scaled, value)
            return type(value)(iterator) if isinstance(value, (list, tuple)) else iterator

        result: Tensor | Iterable[Tensor] = scaled(outputs)
        return result

    def unscale_(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients of an optimizer by the loss scale, to inspect or change them.

        Optional: :meth:`step` does it otherwise. Once an optimizer and update, after its last
        backward. Does not synchronise.

        Args:
            optimizer: float32, bfloat16 or float16 gradients of any shapes and strides; sparse COO
                ones too (float16 are coalesced, which replaces ``.grad``).

        Raises:
            AssertionError: nothing was scaled yet.
            RuntimeError: called twice, or after :meth:`step`, since the last :meth:`update`.
            TypeError, ValueError: a gradient that the kernel rejects
                (:func:`halfword.ops.unscale_check`).
        """
        if not self._enabled:
            return
        scale = self._live("unscale_").scale
        checked = self._checked.get(id(optimizer))
        if checked is not None:
            refuse_repetition("unscale_", checked.stage)
        reduction = reduction_over_ranks(optimizer, self._process_group)
        found_inf = check_gradients(optimizer, scale, reduction, write=True)
        self._checked[id(optimizer)] = Checked(Stage.UNSCALED, found_inf)

    def step(
        self, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any
    ) -> Tensor | float | None:
        """Unscale, unless :meth:`unscale_` has, and step unless a gradient overflowed.

        Args:
            optimizer: see the class for what it may do by itself.
            *args, **kwargs: for ``optimizer.step``. No closure.

        Returns:
            Whether the step ran: a bool tensor, 0-d, on the scale's device. Reading it waits for
            the device; not reading it does not. (torch returns what ``optimizer.step`` returns,
            and so do we if the scaler is disabled.)

        Raises:
            AssertionError: nothing was scaled yet; or an optimizer that the scaler steps has no
                gradient at all.
            RuntimeError: called twice since the last :meth:`update`, or with a closure.
            TypeError, ValueError: as for :meth:`unscale_`. No weight has changed then.
        """
        if not self._enabled:
            result: float | None = optimizer.step(*args, **kwargs)
            return result
        if "closure" in kwargs or any(callable(argument) for argument in args):
            raise RuntimeError("GradScaler.step: a closure is not supported if scaling is enabled")
        scale = self._live("step").scale
        checked = self._checked.get(id(optimizer))
        if checked is not None and checked.stage is Stage.STEPPED:
            refuse_repetition("step", checked.stage)
        run = functools.partial(optimizer.step, *args, **kwargs)
        if takes_scale(optimizer):
            found_inf = step_scaled(optimizer, run, scale, checked, self._process_group)
        else:
            found_inf = self._step_unscaled(optimizer, run)
        self._checked[id(optimizer)] = Checked(Stage.STEPPED, found_inf)
        return (zero(scale.device) if found_inf is None else found_inf) == 0

    def _step_unscaled(self, optimizer: torch.optim.Optimizer, run: Callable[[], Any]) -> Tensor:
        """Decide for the optimizer, which costs a synchronisation."""
        if id(optimizer) not in self._checked:
            self.unscale_(optimizer)
        found_inf = self._checked[id(optimizer)].found_inf
        if found_inf is None:
            raise AssertionError("GradScaler.step: this optimizer has no gradient to check")
        if not found_inf.item():
            run()
        return found_inf

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Move the loss scale, after the last step of an iteration. Does not synchronise.

        An overflow in any optimizer is one overflow. :func:`halfword.ops.update_scale` has the
        rule.

        Args:
            new_scale: set this scale instead: a number in ``[min_scale, max_scale]``, or a floating
                tensor of one element, which is copied and clamped to that range. A tensor is not
                read, so that one that is not finite and > 0 cannot be an error: it leaves the scale
                as it is.

        Raises:
            AssertionError: nothing was scaled yet, or, without ``new_scale``, no step was made.
            TypeError, ValueError: ``new_scale`` is not as above, or requires a gradient.
        """
        if not self._enabled:
            return
        state = self._live("update")
        found = [c.found_inf for c in self._checked.values() if c.found_inf is not None]
        overflow = functools.reduce(torch.maximum, found) if found else None
        if new_scale is not None:
            self._set_scale(state.scale, new_scale)
            if overflow is not None:
                state.skipped.add_(overflow != 0)
        elif overflow is None:
            raise AssertionError("GradScaler.update: no gradients were checked since the last one")
        else:
            update_scale(
                state.scale, state.growth_tracker, overflow, skipped=state.skipped,
                hysteresis_tracker=state.hysteresis_tracker, **self._policy.update_arguments,
            )  # fmt: skip
        self._checked = {}

    def _set_scale(self, scale: Tensor, new_scale: float | Tensor) -> None:
        if not isinstance(new_scale, Tensor):
            scale.fill_(self._policy.check_scale("new_scale", new_scale))
            return
        count = new_scale.numel()
        require(count == 1, "new_scale", "a number or a tensor of one element", f"{count} elements")
        require(not new_scale.requires_grad, "new_scale", "without gradient", "requires_grad=True")
        if not new_scale.is_floating_point():
            raise TypeError(f"GradScaler: new_scale must be floating point; got {new_scale.dtype}")
        new = new_scale.reshape(()).to(scale, non_blocking=True)
        valid = new.isfinite() & (new > 0)
        clamped = new.clamp(self._policy.min_scale, self._policy.max_scale)
        scale.copy_(torch.where(valid, clamped, scale))

    @property
    def skipped_steps(self) -> Tensor:
        """Iterations in which a gradient overflowed: the counter itself, int64, 0-d, on the device.

        Reading it waits for the device; ``clone`` it to keep a reading. Counted by :meth:`update`.
        """
        state = self._state.tensors
        return torch.tensor(self._state.read().skipped) if state is None else state.skipped

    def get_scale(self) -> float:
        """The loss scale, 1 if the scaler is disabled. Synchronises."""
        if not self._enabled:
            return 1.0
        state = self._state.tensors
        return self._state.read().scale if state is None else state.scale.item()

    def get_growth_factor(self) -> float:
        """The growth factor."""
        return self._policy.growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set the growth factor; finite and at least 1, or a ValueError."""
        self._policy = replace(self._policy, growth_factor=new_factor)

    def get_backoff_factor(self) -> float:
        """The backoff factor."""
        return self._policy.backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set the backoff factor; in (0, 1], or a ValueError."""
        self._policy = replace(self._policy, backoff_factor=new_factor)

    def get_growth_interval(self) -> int:
        """The growth interval, in steps."""
        return self._policy.growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the growth interval; positive, or a ValueError."""
        self._policy = replace(self._policy, growth_interval=new_interval)

    def is_enabled(self) -> bool:
        """Whether the scaler is enabled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The state, for a checkpoint: call it after :meth:`update`. Synchronises.

        The entries of torch's scaler, which loads it: ``scale``, ``growth_factor``,
        ``backoff_factor``, ``growth_interval``, ``_growth_tracker``. Then ours: ``dynamic``,
        ``hysteresis``, ``min_scale``, ``max_scale``, ``_hysteresis_tracker``, ``skipped_steps``.
        Empty if the scaler is disabled.
        """
        if not self._enabled:
            return {}
        now, policy = self._state.read(), asdict(self._policy)
        torchs = {name: policy.pop(name) for name in _TORCHS}
        return {
            "scale": now.scale, **torchs, "_growth_tracker": now.growth_tracker, **policy,
            "_hysteresis_tracker": now.hysteresis_tracker, "skipped_steps": now.skipped,
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state of ours, or of :class:`torch.amp.GradScaler`.

        From torch's, bounds, hysteresis and ``dynamic`` stay as they are, and the count of skipped
        steps begins at 0. A scale outside the bounds is clamped to them. A disabled scaler ignores
        the state.

        Raises:
            RuntimeError: the state is empty: that of a disabled scaler.
            KeyError: one of torch's five entries is missing.
            TypeError, ValueError: an entry is not what :meth:`state_dict` could have written.
                Nothing has changed then.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler: state_dict is empty, as that of a disabled GradScaler")
        names = [f.name for f in fields(ScalePolicy) if f.name in _TORCHS or f.name in state_dict]
        policy = replace(self._policy, **{name: state_dict[name] for name in names})
        scale = real("state_dict['scale']", state_dict["scale"])
        require(0 < scale < math.inf, "state_dict['scale']", "finite and > 0", scale)

        def count(key: str, bits: int, default: int) -> int:
            return integer(f"state_dict['{key}']", state_dict.get(key, default), 0, 2**bits)

        counters = Counters(
            min(max(scale, policy.min_scale), policy.max_scale, LARGEST_SCALE),
            integer("state_dict['_growth_tracker']", state_dict["_growth_tracker"], 0, 2**31),
            count("_hysteresis_tracker", 31, policy.hysteresis),
            count("skipped_steps", 63, 0),
        )
        self._policy = policy
        self._state.load(counters)

    def __getstate__(self) -> dict[str, Any]:
        if self._checked:
            raise AssertionError("GradScaler: copy or pickle it between update() and unscale_()")
        return self.__dict__.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> GradScaler:
        state = self.__getstate__()
        memo[id(self._process_group)] = self._process_group  # shared, not copied
        other = type(self).__new__(type(self))
        other.__dict__.update(copy.deepcopy(state, memo))
        return other

    def _live(self, method: str) -> Tensors:
        if self._state.tensors is None:
            raise AssertionError(f"GradScaler.{method}: nothing was scaled yet; call scale() first")
        return self._state.tensors


def _device_type(device: str | torch.device | None) -> str:
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    require_type(isinstance(device, (str, torch.device)), "device", "a str or torch.device", device)
    try:
        return torch.device(device).type
    except RuntimeError:
        raise ValueError(f"GradScaler: device must be a device type; got {device!r}") from None
