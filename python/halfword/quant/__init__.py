"""How real numbers become codes of a few bits, and how a model is made to use them."""

from .calibrate import calibrate
from .fixed_point import quantize_multiplier
from .int4 import int4_weight
from .quantize_model import quantize_
from .recipes import Int4WeightOnly, Int8Dynamic, Int8Static, Int8Training
from .spec import Spec

__all__ = [
    "Int4WeightOnly",
    "Int8Dynamic",
    "Int8Static",
    "Int8Training",
    "Spec",
    "calibrate",
    "int4_weight",
    "quantize_",
    "quantize_multiplier",
]
