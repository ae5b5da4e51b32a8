"""Operands of an instruction as C++ expressions."""

from __future__ import annotations

import re
import struct

from .names import Names, Register, Symbol
from .parser import split_commas
from .special import SPECIAL_REGISTERS
from .syntax import TYPE_BYTES, TranslationError
from .vocabulary import CPP_TYPES

_INTEGER = re.compile(r"-?(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)U?$")
_FLOAT_BITS = re.compile(r"0([fFdD])([0-9a-fA-F]{8}|[0-9a-fA-F]{16})$")
_DECIMAL = re.compile(r"-?\d+\.\d*(?:[eE][-+]?\d+)?$")
_SUM = re.compile(r"([\w$%.]+)\s*(?:\+\s*(-?\w+)|(-\s*\w+))?$")


def integer(text: str) -> int:
    if _INTEGER.match(text) is None:
        raise TranslationError(f"{text} is not an integer")
    text = text.rstrip("U")
    octal = re.fullmatch(r"(-?)0([0-7]+)", text)
    return int(f"{octal[1]}0o{octal[2]}" if octal else text, 0)


def is_literal(text: str) -> bool:
    return any(form.match(text) for form in (_INTEGER, _FLOAT_BITS, _DECIMAL))


def literal_bits(text: str, type_: str) -> int:
    """The bits of a constant, as wide as the type."""
    width = 8 * TYPE_BYTES[type_]
    bits = _FLOAT_BITS.match(text)
    if bits is not None:
        value = int(bits[2], 16)
        if bits[1] in "fF" and type_ == "f64":
            single = struct.unpack("<f", struct.pack("<I", value))[0]
            return struct.unpack("<Q", struct.pack("<d", single))[0]
        return value
    if _DECIMAL.match(text) is not None or (type_ in ("f32", "f64") and text != "0"):
        form = ("<f", "<I") if type_ == "f32" else ("<d", "<Q")
        return struct.unpack(form[1], struct.pack(form[0], float(text)))[0]
    return integer(text) % (1 << width)


def literal(text: str, type_: str) -> str:
    if type_ == "pred":
        return "true" if integer(text) else "false"
    return from_bits(f"0x{literal_bits(text, type_):x}ull", type_)


def from_bits(bits: str, type_: str) -> str:
    """A C++ value of a PTX type from an integer that is at least as wide."""
    cpp = CPP_TYPES[type_]
    if cpp == "bool":
        return bits
    if cpp.startswith(("int", "uint", "Bits")):
        return f"{cpp}({bits})"
    width = 8 * TYPE_BYTES[type_]
    return f"from_bits<{cpp}>(uint{width}_t({bits}))"


class Operands:
    """Reads operands in the names of a function."""

    def __init__(self, names: Names):
        self._names = names

    def value(self, text: str, type_: str) -> str:
        """The operand read as a PTX type; `any` is the register's own."""
        if type_ == "any":
            if is_literal(text):
                return literal(text, "u32")
            return self._names.register(text).name
        if is_literal(text):
            return literal(text, type_)
        if text == "WARP_SZ":
            return literal("32", type_)
        if text.startswith("!"):
            return f"!{self.value(text[1:].strip(), 'pred')}"
        if text in SPECIAL_REGISTERS:
            return from_bits(SPECIAL_REGISTERS[text], type_)
        name, offset = self._split(text)
        found = self._names.find(name)
        if isinstance(found, Symbol):
            return from_bits(found.address + offset, type_)
        if not isinstance(found, Register) or offset:
            raise TranslationError(f"operand {text} not understood")
        if found.cpp_type == CPP_TYPES[type_]:
            return found.name
        return from_bits(found.name, type_)

    def address(self, text: str) -> str:
        """`[base + offset]`. A sum of 32-bit parts wraps at 32 bits."""
        inner = text.strip()[1:-1].strip()
        if is_literal(inner):
            return literal(inner, "u64")
        name, offset = self._split(inner)
        found = self._names.find(name)
        if isinstance(found, Symbol):
            return found.address + offset
        if isinstance(found, Register):
            return found.name + offset
        raise TranslationError(f"address {text} not understood")

    def tensor(self, text: str) -> tuple[str, list[str]]:
        """`[map, {x, y}]`."""
        base, coordinates = split_commas(text.strip()[1:-1])
        return self.address(f"[{base}]"), self.vector(coordinates, "s32")

    def vector(self, text: str, type_: str) -> list[str]:
        return [self.value(element, type_) for element in self.elements(text)]

    def elements(self, text: str) -> list[str]:
        return split_commas(text[1:-1]) if text.startswith("{") else [text]

    def pointer(self, text: str) -> str:
        return f"&{self._names.register(text).name}"

    def immediate(self, text: str) -> str:
        return str(integer(text))

    def _split(self, text: str) -> tuple[str, str]:
        """A name and ` + offset` or nothing."""
        found = _SUM.match(text)
        if found is None:
            raise TranslationError(f"operand {text} not understood")
        plus, minus = found[2], found[3]
        if plus is None and minus is None:
            return found[1], ""
        offset = integer(plus) if plus is not None else integer(minus.replace(" ", ""))
        if offset == 0:
            return found[1], ""
        return found[1], f" + {offset}" if offset > 0 else f" - {-offset}"

    def assign(self, text: str, value: str) -> str:
        """The C++ statement that puts a value into a result."""
        if text == "_":
            return f"(void)({value});"
        return f"put({self._names.register(text).name}, {value});"
