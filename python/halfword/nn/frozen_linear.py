"""Linear layers whose weights are INT8 codes."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..ops.gemm_int8 import gemm_int8
from ..ops.pack_int8 import pack_int8
from ..ops.quantize import quantize
from ..quant.calibrate import BestRange, Calibrated, Range
from ..quant.quantize_model import serves
from ..quant.recipes import Int8Dynamic, Int8Static
from ..quant.spec import Spec
from .int8_linear import as_autocast, check_input
from .packed import PackedLinear


@serves(Int8Dynamic)
class Int8DynamicLinear(PackedLinear):
    """A linear layer with one byte a weight, whose input is quantized per token.

    The weight is INT8 codes with a scale a row. It does not train; what is below the layer does,
    and so does the bias. ``state_dict`` has ``weight_codes``, ``weight_scale`` and ``bias``.

    The codes are packed for the kernels at the first call, and again after they have changed. A
    compiled model notices a change by ``load_state_dict`` or ``to`` only.

    Args:
        in_features, out_features, bias, device, dtype: as in :class:`torch.nn.Linear`; ``dtype`` is
            that of the bias. A new layer has zeros, to load a state dict into.
        recipe: how the gradient of the input is computed.
    """

    weight_codes: Tensor  # int8 [out_features, in_features]
    weight_scale: Tensor  # float32 [out_features]

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recipe: Any = Int8Dynamic(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype, recipe)
        codes = torch.zeros(out_features, in_features, dtype=torch.int8, device=device)
        self.register_buffer("weight_codes", codes)
        self.register_buffer("weight_scale", torch.zeros(out_features, device=device))

    @classmethod
    def from_float(cls, linear: nn.Linear, recipe: Any) -> "Int8DynamicLinear":
        """The layer for the weight of another as it is now, with the very bias of that one."""
        weight = linear.weight.detach()
        new = cls(linear.in_features, linear.out_features, False, weight.device, recipe=recipe)
        quantized = quantize(weight)
        new.weight_codes, new.weight_scale = quantized.codes, quantized.scale
        new.bias = linear.bias
        return new

    def dequantized_weight(self) -> Tensor:
        """The weight that the codes stand for, float32."""
        return self.weight_codes * self.weight_scale.unsqueeze(1)

    def forward(self, input: Tensor) -> Tensor:
        """``input @ weight.T + bias``, of the dtype of the input (or autocast's)."""
        x = as_autocast(input)
        check_input(type(self).__name__, x, self.in_features)
        layer = (
            self.weight_codes,
            self.weight_scale,
            self.bias,
            self._packed_weight(),
            *self._input_quantizer(),
        )
        if not torch.is_grad_enabled():
            return _product(x, *layer)
        tokens = x.reshape(math.prod(x.shape[:-1]), self.in_features)
        y: Tensor = _FrozenLinear.apply(  # type: ignore[no-untyped-call]
            tokens, *layer, self.recipe.grad_input
        )
        return y.view(*x.shape[:-1], self.out_features)

    def _input_quantizer(self) -> tuple[Spec | None, Tensor | None, Tensor | None]:
        """How, by which scale and which zero point, where that is known before the input."""
        return None, None, None

    def _pack(self) -> Any:
        return pack_int8(self.weight_codes)


@serves(Int8Static)
class Int8StaticLinear(Int8DynamicLinear, Calibrated):
    """The same with one scale for the whole input, found by :func:`halfword.quant.calibrate`.

    ``state_dict`` has ``input_scale`` too, and ``input_zero_point`` if the recipe is not symmetric.
    A call before they are known is a RuntimeError.
    """

    input_scale: Tensor  # float32, 0-d; NaN as long as it is not known
    input_zero_point: Tensor | None  # int32, 0-d

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recipe: Int8Static = Int8Static(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype, recipe=recipe)
        self.register_buffer("input_scale", torch.full((), math.nan, device=device))
        zero_point = torch.zeros((), dtype=torch.int32, device=device)
        self.register_buffer("input_zero_point", None if recipe.symmetric else zero_point)
        self._is_calibrated = False

    def observer(self) -> Range:
        """What looks at the inputs, by the method of the recipe."""
        return BestRange(self.recipe.symmetric) if self.recipe.method == "mse" else Range()

    def freeze(self, ends: Tensor) -> None:
        """Take the scale for inputs between these two values."""
        quantized = quantize(ends, self.recipe.spec)
        self.input_scale.copy_(quantized.scale)
        if self.input_zero_point is not None and quantized.zero_point is not None:
            self.input_zero_point.copy_(quantized.zero_point)
        self._is_calibrated = True

    def forward(self, input: Tensor) -> Tensor:
        """As in the base. While calibrating, the input is looked at and quantized per token."""
        if self.seen is not None:
            self.seen.add(input.detach())
        elif not self._is_calibrated:
            self._look_at_scale()
            if not self._is_calibrated:
                raise RuntimeError(
                    "Int8StaticLinear: input_scale must be known before the first call, by "
                    "halfword.quant.calibrate or load_state_dict; got NaN"
                )
        return super().forward(input)

    def _input_quantizer(self) -> tuple[Spec | None, Tensor | None, Tensor | None]:
        if self.seen is not None:
            return super()._input_quantizer()
        return self.recipe.spec, self.input_scale, self.input_zero_point

    def _look_at_scale(self) -> None:
        self._is_calibrated = not bool(self.input_scale.isnan())  # waits for the device

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        super()._load_from_state_dict(*args, **options)
        if not self.input_scale.is_meta:
            self._look_at_scale()


def _product(
    x: Tensor,
    codes: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    packed: Any,
    spec: Spec | None,
    x_scale: Tensor | None,
    x_zero_point: Tensor | None,
) -> Tensor:
    weight = codes if packed is None else packed
    if spec is None:
        return gemm_int8(x, weight, None, scale, bias=bias)
    rows = quantize(x, spec, scale=x_scale, zero_point=x_zero_point)
    return gemm_int8(
        rows.codes,
        weight,
        rows.scale,
        scale,
        zero_point_a=rows.zero_point,
        bias=bias,
        out_dtype=x.dtype,
    )


class _FrozenLinear(torch.autograd.Function):
    """Of a matrix of tokens; keeps nothing of it."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        codes: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        packed: Any,
        spec: Spec | None,
        x_scale: Tensor | None,
        x_zero_point: Tensor | None,
        int8_grad: bool,
    ) -> Tensor:
        ctx.save_for_backward(codes, scale)
        ctx.int8_grad = int8_grad
        ctx.bias_dtype = None if bias is None else bias.dtype
        return _product(x, codes, scale, bias, packed, spec, x_scale, x_zero_point)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        dy = dy.contiguous()  # so that no sum depends on its strides
        codes, scale = ctx.saved_tensors
        dx = db = None
        if ctx.needs_input_grad[0]:
            # The weight's scales lie along the axis that is summed over, so dy takes them in.
            scaled = dy * scale
            if ctx.int8_grad:
                dx = gemm_int8(scaled, codes.t().contiguous(), out_dtype=dy.dtype)
            else:
                dx = scaled.to(dy.dtype) @ codes.to(dy.dtype)
        if ctx.needs_input_grad[3]:
            db = dy.sum(0, dtype=torch.float32).to(ctx.bias_dtype)
        return dx, None, None, db, None, None, None, None, None
