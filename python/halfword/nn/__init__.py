"""Linear layers on INT8 products, forward and backward."""

from .frozen_linear import Int8DynamicLinear, Int8StaticLinear
from .int8_linear import int8_linear
from .linear import Int8Linear

__all__ = ["Int8DynamicLinear", "Int8Linear", "Int8StaticLinear", "int8_linear"]
