"""What is done to a model's linear layers, as values that can be stored, compared and printed."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from .spec import Spec


@dataclass(frozen=True, repr=False)
class Recipe:
    """What all recipes have in common: fields are checked, and printed if not the default."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is bool:
                self._check(isinstance(value, bool), field.name, "be a bool", value)

    def __repr__(self) -> str:
        values = ((field, getattr(self, field.name)) for field in fields(self))
        changed = [f"{field.name}={value!r}" for field, value in values if value != field.default]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _check(self, valid: bool, name: str, rule: str, value: Any) -> None:
        if not valid:
            raise ValueError(f"{type(self).__name__}: {name} must {rule}; got {value!r}")


@dataclass(frozen=True, repr=False)
class Int8Training(Recipe):
    """Train with the three products of a linear layer in INT8; parameters stay as they are.

    Args:
        output: ``y = x W^T`` in INT8; if False, in the dtype of ``x``.
        grad_input: the gradient of ``x``, ``dy W``, likewise.
        grad_weight: the gradient of ``W``, ``dy^T x``, likewise; then ``x`` itself is kept for the
            backward, and not its codes.
        stochastic_grad: round ``dy`` stochastically, so that its codes are right on average. The
            seed comes from torch's generator of that device.
        hadamard: rotate both operands of each INT8 product by a Walsh-Hadamard transform of blocks
            of this size, a power of two up to 4096, along the axis that is summed over. It spreads
            outliers, and the rotations cancel in the product. An axis that is no multiple of it is
            padded with zeros.
        outliers: so many columns of ``x``, those with the largest magnitudes, take part in ``y`` in
            the dtype of ``x`` beside the INT8 product. Which ones is decided on the device.

    Raises:
        ValueError: a value is none of these.
    """

    output: bool = True
    grad_input: bool = True
    grad_weight: bool = True
    stochastic_grad: bool = False
    hadamard: int | None = None
    outliers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        block, outliers = self.hadamard, self.outliers
        known = block is None or block in [2**i for i in range(1, 13)]
        self._check(known, "hadamard", "be None or a power of two in 2..4096", block)
        self._check(_is_int(outliers) and outliers >= 0, "outliers", "be an integer >= 0", outliers)


@dataclass(frozen=True, repr=False)
class Int8Dynamic(Recipe):
    """Weights stored as INT8 codes, one scale a row; activations quantized per token as they come.

    The weights are frozen. The gradients of the input and the bias are those of the linear layer
    with the dequantized weights.

    Args:
        grad_input: the gradient of the input in INT8; if False, in its own dtype.
    """

    grad_input: bool = True


@dataclass(frozen=True, repr=False)
class Int8Static(Recipe):
    """The same with one scale for all activations of a layer, found by :func:`calibrate`.

    Args:
        symmetric: without a zero point. If False, the codes cover the range from the smallest to
            the largest activation, which is worth a bit after a ReLU.
        method: how the range is found: ``"minmax"``, the smallest and the largest activation seen;
            or ``"mse"``, the range within these whose codes have the least squared error, which
            lets a few outliers saturate. It keeps a histogram meanwhile, and waits for the device.
        grad_input: as in :class:`Int8Dynamic`.

    Raises:
        ValueError: ``method`` is neither.
    """

    symmetric: bool = True
    method: Literal["minmax", "mse"] = "minmax"
    grad_input: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(self.method in ("minmax", "mse"), "method", "be 'minmax' or 'mse'", self.method)

    @property
    def spec(self) -> Spec:
        """How activations are quantized."""
        return Spec(axis="tensor", symmetric=self.symmetric)


SCALES = ("minmax", "signed_max", "mse")


@dataclass(frozen=True, repr=False)
class Int4WeightOnly(Recipe):
    """Weights stored as 4-bit codes, a scale and a zero point for each group of a row.

    The weights are frozen. Activations stay what they are, or are quantized per token as they come.
    The gradients of the input and the bias are those of the linear layer with the dequantized
    weights.

    Args:
        group_size: so many consecutive weights of a row share a scale, a multiple of 32; None for
            a whole row.
        symmetric: without zero points. Then a group needs a scale alone, and is a little less
            exact.
        act_bits: 16 for the product with floating activations, 8 for the one with INT8 codes.
        scales: how the scale of a group is found.

            * ``"minmax"``: from the smallest and the largest weight, and 0; if symmetric, from the
              largest magnitude, which gets code 7 or -7.
            * ``"signed_max"``, symmetric only: the largest magnitude gets code -8, so that the
              scale has its sign, and no code is idle.
            * ``"mse"``: of these, and of ranges that are narrower, the one with the least squared
              error. Takes some 30 times as long.

    Raises:
        ValueError: a value is none of these, or ``"signed_max"`` is not symmetric.
    """

    group_size: int | None = 128
    symmetric: bool = False
    act_bits: int = 16
    scales: str = "minmax"

    def __post_init__(self) -> None:
        super().__post_init__()
        group = self.group_size
        known = group is None or (_is_int(group) and group > 0 and group % 32 == 0)
        self._check(known, "group_size", "be None or a positive multiple of 32", group)
        bits = self.act_bits
        self._check(_is_int(bits) and bits in (8, 16), "act_bits", "be 8 or 16", bits)
        self._check(self.scales in SCALES, "scales", f"be one of {SCALES}", self.scales)
        signed = self.scales == "signed_max" and not self.symmetric
        self._check(not signed, "scales", "be 'minmax' or 'mse' if not symmetric", self.scales)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
