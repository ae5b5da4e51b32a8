"""A linear layer whose weights are 4-bit codes."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..ops._int4 import Int4Weight, check_weight
from ..ops.gemm_w4a8 import gemm_w4a8
from ..ops.gemm_w4a16 import gemm_w4a16
from ..ops.pack_int4 import PackedInt4, pack_nibbles, pack_weight, unpack_nibbles
from ..quant.int4 import int4_weight
from ..quant.quantize_model import serves
from ..quant.recipes import Int4WeightOnly
from .int4_state import FIELDS, check_state, group_of
from .int8_linear import as_autocast, check_input
from .packed import PackedLinear


@serves(Int4WeightOnly)
class Int4Linear(PackedLinear):
    """A linear layer with half a byte a weight, and a scale for each group of a row.

    The weight does not train; what is below the layer does, and so does the bias. ``state_dict``
    has

    * ``weight_nibbles``, uint8 ``[out_features, ceil(in_features / 2)]``: code + 8, that of an even
      column in the low nibble,
    * ``weight_scale``, ``[out_features, groups]``, and, as the weight has them,
      ``weight_zero_point``, uint8 of that shape: the zero point + 8, or ``weight_offset``,
    * ``input_order``, int32 ``[in_features]``, if there is one: column ``j`` of the weight belongs
      to column ``input_order[j]`` of the input,
    * ``bias``.

    A layer takes over from a state dict whether there are zero points, offsets or an order, and the
    dtype of the scales. It loads all tensors of its weight or, with an error that names the one
    that does not fit, none. For the kernels the weight is packed at the first call, and again after
    it has changed; a compiled model notices a change by ``load_state_dict`` or ``to`` only.

    Args:
        in_features, out_features, bias, device, dtype: as in :class:`torch.nn.Linear`; ``dtype`` is
            that of the bias. A new layer has zeros, to load a state dict into.
        recipe: groups, and the bits of activations in the product.
    """

    weight_nibbles: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor | None
    weight_offset: Tensor | None
    input_order: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recipe: Int4WeightOnly = Int4WeightOnly(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype, recipe)
        self.group_size = group_of(recipe.group_size, in_features)
        groups = -(-in_features // self.group_size)
        nibbles = (out_features, -(-in_features // 2))
        eight = torch.full((out_features, groups), 8, dtype=torch.uint8, device=device)
        fresh: dict[str, Tensor | None] = {
            "weight_nibbles": torch.full(nibbles, 0x88, dtype=torch.uint8, device=device),
            "weight_scale": torch.zeros(out_features, groups, device=device),
            "weight_zero_point": None if recipe.symmetric else eight,
        }
        for name in FIELDS:
            self.register_buffer(name, fresh.get(name))

    @classmethod
    def from_float(cls, linear: nn.Linear, recipe: Int4WeightOnly) -> "Int4Linear":
        """The layer for the weight of another as it is now, with the very bias of that one."""
        new = cls.from_int4(int4_weight(linear.weight, recipe), act_bits=recipe.act_bits)
        new.bias, new.recipe = linear.bias, recipe
        return new

    @classmethod
    def from_int4(
        cls,
        weight: Int4Weight,
        bias: Tensor | None = None,
        order: Tensor | None = None,
        *,
        act_bits: int = 16,
    ) -> "Int4Linear":
        """The layer for a weight that is quantized already.

        Args:
            weight: codes, scales, and zero points or offsets, as :mod:`halfword.quant.formats`
                reads them from checkpoints.
            bias: ``[out_features]``.
            order: int32 or int64 ``[in_features]``: column ``j`` of the weight belongs to column
                ``order[j]`` of the input, as after GPTQ with act-order.
            act_bits: 16 or 8, as in :class:`halfword.quant.Int4WeightOnly`.

        Raises:
            TypeError: a dtype is none that these have.
            ValueError: a shape, a value or a device is not what it has to be.
        """
        check_weight("Int4Linear", weight)
        codes, scale, zero_point, offset, group = weight
        outputs, inputs = codes.shape
        size = None if group >= inputs else group
        recipe = Int4WeightOnly(size, symmetric=zero_point is None, act_bits=act_bits)
        state = {
            "weight_nibbles": pack_nibbles(codes),
            "weight_scale": scale.detach(),
            "weight_zero_point": None if zero_point is None else (zero_point + 8).to(torch.uint8),
            "weight_offset": None if offset is None else offset.detach(),
            "input_order": None if order is None else order.to(torch.int32),
            "bias": bias,
        }
        given = {name: value for name, value in state.items() if value is not None}
        check_state(given, outputs, inputs, group_of(size, inputs))
        new = cls(inputs, outputs, False, "meta", recipe=recipe)
        for name in FIELDS:
            setattr(new, name, state[name])
        if bias is not None:
            new.bias = bias if isinstance(bias, nn.Parameter) else nn.Parameter(bias.detach())
        return new

    def int4_weight(self) -> Int4Weight:
        """The weight, its columns in the order in which they share scales."""
        zero_point = self.weight_zero_point
        return Int4Weight(
            unpack_nibbles(self.weight_nibbles, self.in_features),
            self.weight_scale,
            None if zero_point is None else zero_point.int() - 8,
            self.weight_offset,
            self.group_size,
        )

    def dequantized_weight(self) -> Tensor:
        """The weight that the codes stand for, float32, its columns in the order of the input."""
        weight = self.int4_weight().dequantize()
        return weight if self.input_order is None else _scattered(weight, self.input_order)

    def forward(self, input: Tensor) -> Tensor:
        """``input @ weight.T + bias``, of the dtype of the input (or autocast's)."""
        x = as_autocast(input)
        check_input(type(self).__name__, x, self.in_features)
        tokens = x.reshape(math.prod(x.shape[:-1]), self.in_features)
        if self.input_order is not None:
            tokens = tokens.index_select(1, self.input_order)
        packed = self._packed_weight()
        if packed is None:
            packed = self._pack()
        product: Any = gemm_w4a8 if self.recipe.act_bits == 8 else gemm_w4a16
        y: Tensor
        if torch.is_grad_enabled():
            y = _Int4Product.apply(  # type: ignore[no-untyped-call]
                tokens, packed, self.bias, product
            )
        else:
            y = product(tokens, packed, bias=self.bias)
        return y.view(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Sizes and recipe, and whether the columns have an order of their own."""
        return super().extra_repr() + ("" if self.input_order is None else ", ordered=True")

    def _pack(self) -> Any:
        return pack_weight(self.int4_weight(), self.recipe.act_bits)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        names = FIELDS if self.bias is None else (*FIELDS, "bias")
        state = {name: state_dict[prefix + name] for name in names if prefix + name in state_dict}
        if any(name in state for name in FIELDS):
            needed = FIELDS[:2] if self.bias is None or not strict else (*FIELDS[:2], "bias")
            missing = [prefix + name for name in needed if name not in state]
            if missing:
                missing_keys += missing
                return
            try:
                check_state(state, self.out_features, self.in_features, self.group_size, prefix)
            except (TypeError, ValueError) as error:
                error_msgs.append(str(error))
                return
            for name in FIELDS:
                self._take_form(name, state.get(name))
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def _take_form(self, name: str, tensor: Tensor | None) -> None:
        """Make a buffer one that the tensor can be copied to."""
        own = getattr(self, name)
        if tensor is None:
            setattr(self, name, None)
        elif own is None or own.dtype != tensor.dtype:
            setattr(self, name, torch.empty_like(tensor, device=self.weight_nibbles.device))


class _Int4Product(torch.autograd.Function):
    """Of a matrix of tokens; keeps nothing of it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, packed: PackedInt4, bias: Tensor | None, product: Any
    ) -> Tensor:
        ctx.save_for_backward(packed.data, packed.scale, packed.zero_point, packed.offset)
        ctx.sizes = packed.n, packed.k, packed.group_size, packed.layout
        ctx.bias_dtype = None if bias is None else bias.dtype
        y: Tensor = product(x, packed, bias=bias)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        dy = dy.contiguous()  # so that no sum depends on its strides
        dx = db = None
        if ctx.needs_input_grad[0]:
            weight = PackedInt4(*ctx.saved_tensors, *ctx.sizes).unpack()
            dx = dy @ weight.dequantize().to(dy.dtype)
        if ctx.needs_input_grad[2]:
            db = dy.sum(0, dtype=torch.float32).to(ctx.bias_dtype)
        return dx, None, db, None


def _scattered(columns: Tensor, order: Tensor) -> Tensor:
    """Column ``j`` at column ``order[j]``."""
    return torch.empty_like(columns).index_copy_(1, order.long(), columns)
