"""Layers that keep a copy of their weight in the form that kernels read fastest."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class PackedModule(nn.Module):
    """A layer whose buffers are codes and their scales.

    They are packed at the first call, and again after they have changed. What is packed is no part
    of a state dict, nor of a copy. A compiled model notices a change by ``load_state_dict`` or
    ``to`` only.
    """

    _packed: Any = None
    _packed_from: Any = None

    def _pack(self) -> Any:
        """The packed form of what the buffers hold."""
        raise NotImplementedError

    def _packed_weight(self) -> Any:
        """The packed form; may be None in a compiled model."""
        if torch.compiler.is_compiling():
            return self._packed
        made_from = [_content(buffer) for buffer in self.buffers(recurse=False)]
        if self._packed is None or self._packed_from != made_from:
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
