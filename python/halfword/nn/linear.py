"""Linear layers on INT8 products."""

from typing import Any

import torch
from torch import Tensor, nn

from ..quant.quantize_model import serves
from ..quant.recipes import Int8Training
from .int8_linear import int8_linear


@serves(Int8Training)
class Int8Linear(nn.Linear):
    """A linear layer that trains with INT8 products: :func:`int8_linear` as a module.

    A :class:`torch.nn.Linear` in all but the arithmetic: same parameters, same ``state_dict``.

    Args:
        in_features, out_features, bias, device, dtype: as in :class:`torch.nn.Linear`.
        recipe: which products are INT8, and how.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recipe: Int8Training = Int8Training(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.recipe = recipe

    @classmethod
    def from_float(
        cls,
        linear: nn.Linear,
        recipe: Int8Training = Int8Training(),  # noqa: B008  (frozen)
    ) -> "Int8Linear":
        """A layer with the very parameters of another: optimizers and ties need not know."""
        new = cls(linear.in_features, linear.out_features, False, "meta", recipe=recipe)
        new.weight, new.bias = linear.weight, linear.bias
        return new

    def forward(self, input: Tensor) -> Tensor:
        """``input @ weight.T + bias``, of the dtype of the input (or autocast's)."""
        return int8_linear(input, self.weight, self.bias, self.recipe)

    def extra_repr(self) -> str:
        """Sizes and recipe."""
        return f"{super().extra_repr()}, recipe={self.recipe}"
