"""The largest magnitude of each block in plain torch."""

from torch import Tensor

from halfword.quant import Spec

from .quantize import of_blocks


def absmax(x: Tensor, spec: Spec) -> Tensor:
    return of_blocks(x.float().abs(), spec, "amax")
