"""Registers, labels, parameters and variables of a function, and what each is called in C++."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .syntax import TYPE_BYTES, LabelList, Registers, Scope, TranslationError, Variable

# All registers of a width are the same unsigned type: PTX reads them as what an instruction says.
REGISTER_TYPES = {1: "uint8_t", 2: "uint16_t", 4: "uint32_t", 8: "uint64_t", 16: "Bits128"}


def identifier(name: str) -> str:
    return re.sub(r"\W", "_", name.replace("$", "_S"))


@dataclass(frozen=True)
class Register:
    name: str
    type: str  # PTX

    @property
    def cpp_type(self) -> str:
        return "bool" if self.type == "pred" else REGISTER_TYPES[TYPE_BYTES[self.type]]


@dataclass(frozen=True)
class Symbol:
    """Something with an address."""

    address: str  # a C++ expression, uint32_t if shared and uint64_t otherwise
    shared: bool = False


@dataclass(frozen=True)
class LabelNames:
    names: tuple[str, ...]


class Names:
    """The scopes of one function. Everything gets a name of its own, to be declared at the top."""

    def __init__(self, globals_: dict[str, Symbol]):
        self._scopes: list[dict[str, object]] = [dict(globals_), {}]
        self._opened = 0
        self.used: dict[str, Register] = {}
        self.used_symbols: set[str] = set()

    def open(self, scope: Scope) -> None:
        """Enter a scope: its registers, labels and label lists are known from its start."""
        names: dict[str, object] = {}
        suffix = f"_{self._opened}" if self._opened else ""
        self._opened += 1
        self._scopes.append(names)
        for statement in scope.statements:
            if isinstance(statement, Registers):
                for name in statement.names:
                    own = identifier(name.lstrip("%")) + (suffix or "_"[name.startswith("%") :])
                    names[name] = Register(own, statement.type)
            elif type(statement).__name__ == "Label":
                names[statement.name] = LabelNames((f"at_{identifier(statement.name)}{suffix}",))
        for statement in scope.statements:
            if isinstance(statement, LabelList):
                labels = tuple(self.label(name)[0] for name in statement.labels)
                names[statement.name] = LabelNames(labels)

    def close(self) -> None:
        self._scopes.pop()

    def unique(self, variable: Variable) -> str:
        """A C++ name for a variable of the innermost scope."""
        return f"{identifier(variable.name)}_{self._opened}"

    def declare(self, name: str, symbol: Symbol | Register) -> None:
        self._scopes[-1][name] = symbol

    def find(self, name: str) -> object | None:
        for scope in reversed(self._scopes):
            if name in scope:
                found = scope[name]
                if isinstance(found, Register):
                    self.used[found.name] = found
                elif isinstance(found, Symbol):
                    self.used_symbols.add(name)
                return found
        return None

    def register(self, name: str) -> Register:
        found = self.find(name)
        if not isinstance(found, Register):
            raise TranslationError(f"{name} is not a register")
        return found

    def label(self, name: str) -> tuple[str, ...]:
        found = self.find(name)
        if not isinstance(found, LabelNames):
            raise TranslationError(f"{name} is not a label")
        return found.names
