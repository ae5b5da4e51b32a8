"""Fills an instruction's operands into the meaning of its row."""

from __future__ import annotations

import re

from .operands import Operands
from .syntax import Instruction, Place, TranslationError
from .table import Operand, Row, Table

_WORD = re.compile(r"(?<![\w.:])(?<!->)[A-Za-z_]\w*")
_ASSIGNMENT = re.compile(r"\b(d2?) = ([^;]+);?")


class Meaning:
    """C++ for instructions; `labels` gives the C++ labels behind a label or a list of them."""

    def __init__(self, table: Table, operands: Operands, labels, files: dict[str, str]):
        self._table = table
        self._operands = operands
        self._labels = labels
        self._files = files
        self.rows_used: set[Row] = set()

    def site(self, place: Place) -> str:
        name = self._files.setdefault(place.file, f"file{len(self._files)}")
        return f"Site{{{name}, {place.line}}}"

    def translate(self, instruction: Instruction) -> str:
        found = self._table.find(instruction.opcode, instruction.operands)
        if found is None:
            text = f"{instruction.opcode} {', '.join(instruction.operands)}"
            raise TranslationError(f"unknown instruction: {text}")
        row, matched = found
        self.rows_used.add(row)
        words = {"at": self.site(instruction.place), **row.constants(matched)}
        results: dict[str, str] = {}
        for text, halves in zip(instruction.operands, row.operands, strict=False):
            self._bind(row, matched, text, halves, words, results)
        for operand, *_ in row.operands[len(instruction.operands) :]:
            words[operand.name] = operand.default
        return self._guard(instruction.guard, self._fill(row, words, results))

    def _bind(self, row, matched, text, halves, words, results) -> None:
        texts = [part.strip() for part in text.split("|")] if len(halves) > 1 else [text]
        for operand, part in zip(halves, texts, strict=False):
            if operand.is_result:
                results[operand.name] = part
                words[f"{operand.name}_count"] = str(len(self._operands.elements(part)))
            else:
                self._bind_source(row, matched, part, operand, words)

    def _bind_source(self, row: Row, matched, text: str, operand: Operand, words) -> None:
        read = self._operands
        if operand.kind in ("address", "parameter"):
            words[operand.name] = read.address(text)
        elif operand.kind == "tensor":
            words[operand.name], coordinates = read.tensor(text)
            words[operand.coordinates] = ", ".join(coordinates)
            words[f"{operand.coordinates}_count"] = str(len(coordinates))
        elif operand.kind == "immediate":
            words[operand.name] = read.immediate(text)
        elif operand.kind == "registers":
            elements = read.elements(text)
            words[operand.name] = ", ".join(read.pointer(e) for e in elements)
            words[f"{operand.name}_count"] = str(len(elements))
        elif operand.kind == "label":
            gotos = [f"goto {label};" for label in self._labels(text)]
            cases = " ".join(f"case {i}: {jump}" for i, jump in enumerate(gotos))
            words[operand.name] = cases if len(gotos) != 1 else gotos[0]
        else:
            count = len(read.elements(text)) if operand.kind == "vector" else 1
            type_ = row.type_of(operand, matched, count)
            words[operand.name] = ", ".join(
                read.vector(text, type_) if operand.kind == "vector" else [read.value(text, type_)]
            )
            words[f"{operand.name}_count"] = str(count)

    def _fill(self, row: Row, words: dict[str, str], results: dict[str, str]) -> str:
        def word(found: re.Match) -> str:
            return words.get(found[0], found[0])

        def assign(found: re.Match) -> str:
            text = results.get(found[1])
            return "" if text is None else self._operands.assign(text, found[2])

        meaning = row.meaning
        kinds = {half.name: half.kind for halves in row.operands for half in halves}
        if _ASSIGNMENT.search(meaning) or "d" not in results:
            filled = _WORD.sub(word, _ASSIGNMENT.sub(assign, meaning))
            return filled if filled.rstrip().endswith((";", "}")) or not filled else filled + ";"
        value = _WORD.sub(word, meaning)
        if kinds["d"] != "vector":
            return self._operands.assign(results["d"], value)
        elements = self._operands.elements(results["d"])
        puts = (self._operands.assign(e, f"v.e[{i}]") for i, e in enumerate(elements))
        return f"{{ const auto v = {value}; {' '.join(puts)} }}"

    def _guard(self, guard: str, code: str) -> str:
        if not guard or not code:
            return code
        return f"if ({self._operands.value(guard, 'pred')}) {{ {code} }}"
