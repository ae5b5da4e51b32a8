"""Adam and AdamW over the fused kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .. import ops
from ..ops._library import mark_written
from ..ops.adam_step import AdamLists, AdamNumbers, AdamPlan, launch
from . import checkpoint, distributed
from .hyper import check_defaults, check_params
from .lists import ParamLists, collect, with_gradients
from .masters import MasterWeights

_ADAM_DOC = """Implements {name} as one fused kernel over all parameters.

    A drop-in for :class:`torch.optim.{name}`: the same arguments, ``state_dict`` keys, parameter
    groups, hooks and schedulers; it also takes the argument names of Apex's ``FusedAdam``
    (``adam_w_mode``, ``bias_correction``, ``master_weights``, ``capturable``). Parameters may be
    float32, bfloat16 or float16, and so may their gradients.

    Under a gradient scaler, ``step()`` unscales and clips in the kernel and skips on the device:
    there is no pass over the gradients for it and no wait for the device. With
    :class:`halfword.amp.GradScaler` the overflow check and the norm share one read;
    :class:`torch.amp.GradScaler` works unchanged. ``grad`` itself is not written.

    Args:
        params: parameters or parameter groups.
        lr: learning rate; a float, or a tensor of one element (float32 or float64).
        betas: decay rates of the two moments, in [0, 1).
        eps: added to the denominator.
        weight_decay: {decay}
        amsgrad: divide by the largest second moment so far.
        foreach, fused, capturable: accepted for compatibility; the step is always fused, and never
            waits for the device.
        maximize: ascend.
        differentiable: must be False.
        adam_w_mode: Apex's name for decoupled weight decay; ``None`` for the class's own.
        bias_correction: whether to correct the moments for their start at 0.
        master_weights: what a 16-bit parameter is a rounded copy of. ``True``: an FP32 master in
            ``state["master_param"]``. ``"remainder"``: bfloat16 only; 16 bits in
            ``state["master_remainder"]`` that make the parameter exactly FP32 (2 bytes a parameter
            less). ``False``: nothing; the parameter itself is updated, in FP32 arithmetic.
        max_grad_norm: clip the norm of all gradients together to this, inside the step. The norm
            before clipping is then :attr:`grad_norm`; a step whose gradients are not all finite is
            skipped.
        moment_dtype: float32, or bfloat16 (rounded stochastically).
        stochastic_rounding: round bfloat16 parameters without masters stochastically.
        seed: of the stochastic rounding. The random bits depend on it, the step, the parameter's
            place and the element only: a resumed run repeats them.

    Raises:
        TypeError: a parameter is not float32, bfloat16 or float16, or an argument has a wrong type.
        ValueError: an argument is out of its range.

    Numerics: see :func:`halfword.ops.adam_step`.
    Source: {source}
    """


class Adam(torch.optim.Optimizer):
    __doc__ = _ADAM_DOC.format(
        name="Adam",
        decay="L2 penalty added to the gradient (decoupled, as AdamW, if asked for).",
        source="Kingma and Ba, ICLR 2015; Reddi et al., ICLR 2018 (amsgrad).",
    )

    _step_supports_amp_scaling = True  # torch's contract: grad_scale and found_inf are set on us
    _halfword_checks_overflow = True  # ours: step() finds the overflow itself

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        adam_w_mode: bool | None = None,
        bias_correction: bool = True,
        master_weights: MasterWeights = False,
        max_grad_norm: float | None = None,
        moment_dtype: torch.dtype = torch.float32,
        stochastic_rounding: bool = False,
        seed: int = 0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": (
                decoupled_weight_decay if adam_w_mode is None else adam_w_mode
            ),
            "bias_correction": bias_correction,
            "master_weights": master_weights,
            "moment_dtype": moment_dtype,
            "stochastic_rounding": stochastic_rounding,
            "seed": seed,
        }
        self._name = type(self).__name__
        check_defaults(self._name, defaults, max_grad_norm)
        self.max_grad_norm = max_grad_norm
        self._skipped: Tensor | None = None
        self._found_inf: Tensor | None = None
        self._grad_norm: Tensor | None = None
        self._plans: dict[int, AdamPlan] = {}  # by the place of the group
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group, as in torch; its options and parameters are checked first."""
        merged = {**self.defaults, **param_group}
        check_defaults(self._name, merged, self.max_grad_norm)
        super().add_param_group(param_group)
        try:
            check_params(self._name, self.param_groups[-1])
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    @property
    def grad_norm(self) -> Tensor:
        """Norm of all unscaled gradients of the last step, before clipping: float32, 0-d, on the
        device. RuntimeError before the first step, or without ``max_grad_norm``."""
        if self._grad_norm is None:
            raise RuntimeError(f"{self._name}: grad_norm needs max_grad_norm and a step done")
        return self._grad_norm

    @property
    def step_was_skipped(self) -> Tensor:
        """Whether the last step was skipped for an overflow: bool, 0-d, on the device. Reading its
        value waits for the device; having it does not."""
        if self._found_inf is None:
            return torch.zeros((), dtype=torch.bool)
        return self._found_inf.ne(0).reshape(())

    @property
    def skipped_steps(self) -> Tensor:
        """Number of skipped steps of this object: int64, 0-d, on the device."""
        if self._skipped is None:
            return torch.zeros((), dtype=torch.int64)
        return self._skipped

    def set_mask(self, param: Tensor, mask: Tensor | None) -> None:
        """Keep a parameter pruned: where ``mask`` is False, it, its master and its moments are 0
        after every step.

        Args:
            param: one of this optimizer's parameters.
            mask: bool, of the parameter's shape and device; ``None`` removes the mask. It is part
                of ``state_dict()``, as ``state["mask"]``.
        Raises:
            TypeError: the mask is not bool.  ValueError: it has another shape, or the parameter is
                not this optimizer's.
        """
        if not any(param is p for group in self.param_groups for p in group["params"]):
            raise ValueError("set_mask: param must be a parameter of this optimizer")
        if mask is None:
            self.state[param].pop("mask", None)
            return
        if mask.dtype != torch.bool:
            raise TypeError(f"set_mask: mask must be bool; got {mask.dtype}")
        if mask.shape != param.shape:
            raise ValueError(
                f"set_mask: mask must have the parameter's shape, {list(param.shape)}; "
                f"got {list(mask.shape)}"
            )
        self.state[param]["mask"] = mask

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Perform one step; returns what ``closure`` returns, if given.

        A parameter without a gradient is left alone, as in torch. RuntimeError for a sparse
        gradient; nothing has changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        pairs = []
        for group in self.param_groups:  # all of them are checked before the first is touched
            check_defaults(self._name, group, self.max_grad_norm)
            pairs.append(with_gradients(self._name, group))
        batches = [collect(self, i, *pair) for i, pair in enumerate(pairs) if pair[0]]
        inv_scale, clip_coef = self._check_gradients(batches)
        for batch in batches:
            self._launch(batch, inv_scale, clip_coef)
        return loss

    def _check_gradients(self, batches: list[ParamLists]) -> tuple[Tensor | None, Tensor | None]:
        """Inverse scale and clip factor of this step; sets the overflow flag, norm and counter."""
        self._found_inf = getattr(self, "found_inf", None)
        grad_scale = getattr(self, "grad_scale", None)
        inv_scale = None
        if grad_scale is not None:
            inv_scale = grad_scale.double().reciprocal().float()
        # Our scaler leaves the overflow to us, and lends what reduces it over processes, or None;
        # torch's has looked already.
        ours = hasattr(self, "found_inf_reduce")
        clip_coef = None
        if batches and (ours or self.max_grad_norm is not None):
            clip_coef = self._read_gradients(batches, inv_scale)
        reduce = getattr(self, "found_inf_reduce", None)
        if reduce is not None:
            reduce(self._found_inf)
        if self._found_inf is not None:
            if self._skipped is None:
                self._skipped = torch.zeros((), dtype=torch.int64, device=self._found_inf.device)
            self._skipped += self._found_inf.ne(0).reshape(())
        return inv_scale, clip_coef

    def _read_gradients(self, batches: list[ParamLists], inv_scale: Tensor | None) -> Tensor | None:
        """One read of the gradients: sets the overflow flag and norm; returns the clip factor."""
        device = batches[0].lists.params[0].device
        if self._found_inf is None:
            self._found_inf = torch.zeros((), device=device)
        if inv_scale is None:
            inv_scale = torch.ones((), device=device)
        grads = [grad for batch in batches for grad in batch.lists.grads]
        sharded = distributed.has_sharded(grads)
        classes = distributed.by_shard_groups(grads) if sharded else [((), grads)]
        norms: list[tuple[distributed.Groups, Tensor]] = []
        for groups, members in classes:
            norm = None if self.max_grad_norm is None else torch.zeros((), device=device)
            ops.unscale_check(members, inv_scale, self._found_inf, write=False, norm=norm)
            distributed.all_reduce(self._found_inf, groups, dist.ReduceOp.MAX)
            if norm is not None:
                norms.append((groups, norm))
        if self.max_grad_norm is None:
            return None
        self._grad_norm = distributed.total_norm(norms) if sharded else norms[0][1]
        return torch.clamp(self.max_grad_norm / (self._grad_norm + 1e-6), max=1.0)

    def _launch(
        self, batch: ParamLists, inv_scale: Tensor | None, clip_coef: Tensor | None
    ) -> None:
        """Step one group: by its plan if that still fits, else from scratch, with a new plan."""
        group, lists = batch.group, batch.lists
        lr, (beta1, beta2) = group["lr"], group["betas"]
        numbers = AdamNumbers(
            lr if isinstance(lr, Tensor) else None,
            inv_scale,
            self._found_inf,
            clip_coef,
            0.0 if isinstance(lr, Tensor) else lr,
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
            group["bias_correction"],
            group["stochastic_rounding"],
            group["seed"],
        )
        if distributed.has_sharded(lists.params):  # local parts are new objects at every step
            lists = AdamLists(*(distributed.local(tensors) for tensors in lists))
            launch(lists, numbers, batch.streams)
        else:
            plan = self._plans.get(batch.index)
            if plan is not None and not plan.is_of(lists, batch.streams):
                plan = None
            if plan is None or not plan.usable or not plan.step(lists, numbers):
                launch(lists, numbers, batch.streams)
                if plan is None or plan.usable:  # or else a new one would be no better
                    stochastic = numbers.stochastic_params
                    self._plans[batch.index] = AdamPlan(lists, stochastic, batch.streams)
        mark_written(lists.params)  # no graph holds what else was written

    def __getstate__(self) -> dict[str, Any]:
        ours = ("max_grad_norm", "_name", "_skipped", "_found_inf", "_grad_norm")
        return {**super().__getstate__(), **{key: self.__dict__[key] for key in ours}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        checkpoint.unwrap(state)
        super().__setstate__(state)
        self._plans = {}
        for group in self.param_groups:
            for key, value in self.defaults.items():
                group.setdefault(key, value)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this class, of :class:`torch.optim.AdamW` or ``Adam``, or of Apex's
        ``FusedAdam``.

        Masters and moments keep their own dtypes (torch's loader would cast them to the
        parameter's). State is copied: the dict and this optimizer share no memory. A master that
        the dict lacks is made from the parameter as it is now, so load the model first.

        Raises:
            TypeError: not a state dict, or a value of a wrong type.  ValueError: a group or tensor
                that does not fit; the message names it, and nothing has been changed.
        """
        hook = self.register_load_state_dict_pre_hook(checkpoint.prepare)
        try:
            super().load_state_dict(state_dict)
        finally:
            hook.remove()


class AdamW(Adam):
    __doc__ = _ADAM_DOC.format(
        name="AdamW",
        decay="decoupled: the weight is multiplied by ``1 - lr * weight_decay``.",
        source="Loshchilov and Hutter, ICLR 2019; Reddi et al., ICLR 2018 (amsgrad).",
    )

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        if options.get("adam_w_mode") is False:
            raise ValueError("AdamW: adam_w_mode must not be False; use Adam for L2; got False")
        options["decoupled_weight_decay"] = True
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
