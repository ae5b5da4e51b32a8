"""The quantized gated product in plain torch."""

from torch import Tensor

from . import activations
from .row_codes import row_codes


def silu_mul_quantize(
    gate: Tensor, up: Tensor, *, scale: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, scale and sums of codes, of matrices."""
    return row_codes(activations.steps(gate.float(), "silu") * up.float(), scale)
