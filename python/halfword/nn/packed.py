"""What frozen linear layers share: a copy of the weight in the form that kernels read fastest."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """A linear layer whose buffers are codes and their scales.

    They are packed at the first call, and again after they have changed. What is packed is no part
    of a state dict, nor of a copy. A compiled model notices a change by ``load_state_dict`` or
    ``to`` only.
    """

    _packed: Any = None
    _packed_from: Any = None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool,
        device: Any,
        dtype: torch.dtype | None,
        recipe: Any,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.recipe = in_features, out_features, recipe
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias = nn.Parameter(torch.zeros(out_features, device=device, dtype=dtype))

    def extra_repr(self) -> str:
        """Sizes and recipe."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, recipe={self.recipe}"
        )

    def _pack(self) -> Any:
        """The packed form of what the buffers hold."""
        raise NotImplementedError

    def _packed_weight(self) -> Any:
        """The packed form; may be None in a compiled model."""
        if torch.compiler.is_compiling():
            return self._packed
        made_from = [_content(buffer) for buffer in self.buffers(recurse=False)]
        if self._packed is None or self._packed_from != made_from:
            with torch.inference_mode(False), torch.no_grad():  # a later backward may need it
                self._packed, self._packed_from = self._pack(), made_from
        return self._packed

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """A change of dtype is for parameters: scales stay what they are."""
        before = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, after in list(self.named_buffers(recurse=False)):
            if after.dtype != before[name].dtype:
                setattr(self, name, before[name].to(after.device))
        self._packed = None
        return self

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        super()._load_from_state_dict(*args, **options)
        self._packed = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None, "_packed_from": None}


def _content(buffer: Tensor) -> tuple[int, torch.device, int]:
    """What is another after a change."""
    return buffer.data_ptr(), buffer.device, 0 if buffer.is_inference() else buffer._version
