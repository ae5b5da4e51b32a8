"""The form of the opcode table in rows/, and how an instruction finds its row.

A row reads as an entry of the PTX manual:

    Row("add{.ftz}{.sat}.f32", "d, a, b", "add<Rounding::kNearest, ftz, sat>(a, b)")

* syntax: `.x` is required and `{.x}` optional; `.x` is a literal unless the row, or CLASSES, says
  which modifiers it stands for. Modifiers may come in another order, as ptxas accepts it;
  modifiers that fit several places fill them from left to right.
* operands: `a` is a value, `[a]` an address, `[$a]` that of a named parameter, `{a}` a vector,
  `[a, {c}]` an address with coordinates, `#a` an immediate, `@a` a label or several, `{&a}` the
  C++ addresses of the registers of a vector. `d` and `d2` are results. `a:u32` reads the operand
  as that type instead of the instruction's; the type can be a class, with `.wide` for twice its
  bits, `.part` for a vector's share of them. `a=0` may be left out.
* meaning: a C++ expression for `d`, or statements, of which those for results that the instruction
  drops are left out. Operands and classes stand for themselves, and `a_count` for the length of
  vector a. Of a type the C++ type is meant,
  of an optional literal true or false, of another class the constant in CONSTANTS, or what the
  modifier says if it is not there. `self` is the thread, `at` the place in the source.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache

from .syntax import TYPE_BYTES
from .vocabulary import CLASSES, CONSTANTS, CPP_TYPES, WIDE


@dataclass(frozen=True)
class Modifier:
    name: str  # of the class, or the literal itself
    choices: tuple[str, ...]
    optional: bool
    literal: bool


@dataclass(frozen=True)
class Operand:
    name: str
    kind: str  # value, address, parameter, tensor, vector, immediate, label, registers
    type: str | None = None  # None: the instruction's
    default: str | None = None
    coordinates: str | None = None

    @property
    def is_result(self) -> bool:
        return self.name in ("d", "d2")


_OPERAND = re.compile(r"([#@$&]?)(\w+)(?::([\w.]+))?(?:=(\S+))?$")
_BRACKETS = {"[": "address", "{": "vector"}
_MARKS = {"": "value", "#": "immediate", "@": "label", "$": "parameter",
          "&": "registers"}  # fmt: skip


def _parse_operand(text: str) -> Operand:
    text = text.strip()
    if text.startswith("[") and "," in text:
        base, _, coordinates = text.strip("[]").partition(",")
        return Operand(base.strip(), "tensor", coordinates=coordinates.strip(" {}"))
    inner, _, default = text.partition("]=") if text.startswith("[") else (text, "", "")
    bracket = _BRACKETS.get(text[0])
    mark, name, type_, given = _OPERAND.match(re.sub(r"[\[\]{}]", "", inner)).groups()
    kind = _MARKS[mark] if mark else bracket or "value"
    return Operand(name, kind, type_, given or default or None)


class Row:
    """`immediates` says which values immediates may have, other keywords what classes stand for."""

    def __init__(
        self,
        syntax: str,
        operands: str,
        meaning: str,
        immediates: dict[str, Collection[int]] | None = None,
        **classes: tuple[str, ...],
    ):
        self.syntax = syntax
        self.operand_text = operands
        self.meaning = meaning
        self.immediates = immediates or {}
        self.classes = classes

    @cached_property
    def opcode(self) -> str:
        return re.match(r"\w+", self.syntax)[0]

    @cached_property
    def modifiers(self) -> list[Modifier]:
        found = []
        for brace, name in re.findall(r"(\{?)\.([\w:]+)", self.syntax[len(self.opcode) :]):
            choices = self.classes.get(name) or CLASSES.get(name)
            found.append(Modifier(name, choices or (name,), bool(brace), choices is None))
        return found

    @cached_property
    def operands(self) -> list[list[Operand]]:
        """One list for each operand: the two results of `d|d2` are one operand."""
        parts = re.findall(r"(?:\[[^\]]*\](?:=\S+)?|\{[^}]*\}[^,]*|[^,\s])+", self.operand_text)
        return [[_parse_operand(half) for half in part.split("|")] for part in parts]

    def match(self, given: tuple[str, ...]) -> dict[str, str | None] | None:
        """Which modifier stands for which class, or None if they do not fit."""
        filled: dict[int, str] = {}
        for modifier in given:
            places = (i for i, m in enumerate(self.modifiers) if modifier in m.choices)
            place = next((i for i in places if i not in filled), None)
            if place is None:
                return None
            filled[place] = modifier
        if any(not m.optional and i not in filled for i, m in enumerate(self.modifiers)):
            return None
        return {m.name: filled.get(i) for i, m in enumerate(self.modifiers)}

    def fits(self, operands: list[str]) -> bool:
        """Whether the operands have the number and the brackets that the row asks for."""
        needed = sum(half[0].default is None for half in self.operands)
        if not needed <= len(operands) <= len(self.operands):
            return False
        return all(
            _looks_like(text, half[0], self.immediates)
            for text, half in zip(operands, self.operands, strict=False)
        )

    def constants(self, matched: dict[str, str | None]) -> dict[str, str]:
        """What each class means in C++."""
        meanings = {}
        for modifier in self.modifiers:
            value = matched[modifier.name]
            named = CONSTANTS.get(modifier.name, {})
            if modifier.literal:
                if modifier.optional:
                    meanings[modifier.name] = "true" if value else "false"
            elif value in named:
                meanings[modifier.name] = named[value]
            else:
                meanings[modifier.name] = CPP_TYPES.get(value, value or "false")
        return meanings

    def type_of(self, operand: Operand, matched: dict[str, str | None], count: int) -> str:
        """The PTX type as which an operand, or each element of a vector of `count`, is read."""
        text = operand.type
        if text is None:
            if matched.get("type") is not None:
                return matched["type"]
            types = [m.name for m in self.modifiers if m.literal and m.name in CPP_TYPES]
            return types[-1] if types else "b32"
        base, _, change = text.partition(".")
        base = matched.get(base) or base
        if change == "wide":
            return WIDE[base]
        if change == "part":
            return f"b{8 * TYPE_BYTES[base] // count}"
        return base


def _looks_like(text: str, operand: Operand, immediates: dict[str, Collection[int]]) -> bool:
    if operand.kind == "immediate":
        value = int(text, 0) if re.fullmatch(r"-?\w+", text) and text[-1].isalnum() else None
        return value is not None and value in immediates.get(operand.name, (value,))
    if operand.kind == "registers":
        return text.startswith("{")
    if operand.kind == "parameter":
        return text.startswith("[") and not text.startswith("[%")
    if operand.kind in ("address", "tensor"):
        has_coordinates = re.search(r"[{,]", text) is not None
        return text.startswith("[") and has_coordinates == (operand.kind == "tensor")
    if text.startswith("{"):
        return operand.kind == "vector"
    return not text.startswith("[")


class Table:
    def __init__(self, rows: list[Row]):
        self.rows = rows
        self._by_opcode: dict[str, list[Row]] = {}
        for row in rows:
            self._by_opcode.setdefault(row.opcode, []).append(row)
        self._candidates = lru_cache(None)(self._find_candidates)

    def _find_candidates(self, opcode: str) -> list[tuple[Row, dict[str, str | None]]]:
        base, *modifiers = opcode.split(".")
        rows = self._by_opcode.get(base, [])
        matches = ((row, row.match(tuple(modifiers))) for row in rows)
        return [(row, matched) for row, matched in matches if matched is not None]

    def find(self, opcode: str, operands: list[str]) -> tuple[Row, dict[str, str | None]] | None:
        """The first row that the instruction fits, and its modifiers by class."""
        fitting = (c for c in self._candidates(opcode) if c[0].fits(operands))
        return next(fitting, None)
