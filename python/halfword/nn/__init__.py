"""Linear layers on products of INT8 and INT4 codes."""

from .frozen_linear import Int8DynamicLinear, Int8StaticLinear
from .int4_linear import Int4Linear
from .int8_linear import int8_linear
from .linear import Int8Linear

__all__ = ["Int4Linear", "Int8DynamicLinear", "Int8Linear", "Int8StaticLinear", "int8_linear"]
