"""Parses the PTX that nvcc writes."""

from __future__ import annotations

import re

from .locations import Locations
from .syntax import (
    TYPE_BYTES,
    Function,
    Instruction,
    Label,
    LabelList,
    Module,
    Registers,
    Scope,
    TranslationError,
    Variable,
)

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_SECTION = re.compile(r"^\s*\.section\s+\S+\s*\{[^}]*\}", re.MULTILINE)
_IDENTIFIER = r"[A-Za-z_$%][\w$]*"

# One thing at a time; a statement may hold braces of vector operands or initialisers.
_ITEM = re.compile(
    rf"""\s*(?:
      (?P<loc>\.loc\s[^\n]*)
    | (?P<line>\.(?:file|version|target|address_size)\s[^\n]*)
    | (?P<open>\{{)
    | (?P<close>\}})
    | (?P<header>(?:\.(?:visible|weak|extern)\s+)*\.(?:entry|func)\b[^{{;]*)
    | (?P<label>{_IDENTIFIER})\s*:(?!:)
    | (?P<statement>[^;{{}}]*(?:\{{[^{{}}]*\}}[^;{{}}]*)*;)
    )""",
    re.VERBOSE,
)
_VARIABLE = re.compile(
    rf"""(?P<linking>(?:\.(?:visible|weak|extern|common)\s+)*)
    \.(?P<space>global|const|shared|local|param|reg)\s+
    (?:\.align\s+(?P<align>\d+)\s+)?
    (?:\.attribute\([^)]*\)\s*)?
    (?:\.(?P<vector>v[24])\s+)?
    \.(?P<type>\w+)\s+
    (?:\.ptr(?:\s*\.(?:global|shared|const|local))?(?:\s*\.align\s+\d+)?\s+)?
    (?P<name>{_IDENTIFIER})\s*
    (?P<dimensions>(?:\[\d*\]\s*)*)
    (?:=\s*(?P<values>.*))?$""",
    re.VERBOSE | re.DOTALL,
)
_HEADER = re.compile(
    rf"""(?P<linking>(?:\.(?:visible|weak|extern)\s+)*)\.(?P<kind>entry|func)\s*
    (?:\((?P<results>[^)]*)\))?\s*(?P<name>{_IDENTIFIER})\s*
    (?:\((?P<parameters>[^)]*)\))?(?P<directives>.*)$""",
    re.VERBOSE | re.DOTALL,
)
_GUARD = re.compile(r"@\s*(!?)\s*([\w$%]+)\s+(.*)$", re.DOTALL)
_RANGE = re.compile(r"(%?[A-Za-z_$][\w$]*)<(\d+)>$")


def split_commas(text: str) -> list[str]:
    """`a, {b, c}, [d, e]` -> three operands."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "{[(") - (character in "}])")
        if character == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def parse_variable(text: str) -> Variable:
    found = _VARIABLE.match(text.strip())
    if found is None or found["type"] not in TYPE_BYTES:
        raise TranslationError(f"declaration not understood: {text.strip()}")
    count: int | None = int(found["vector"][1]) if found["vector"] else 1
    for size in re.findall(r"\[(\d*)\]", found["dimensions"]):
        count = count * int(size) if size else None
    values = (found["values"] or "").strip()
    if values.startswith("{"):
        values = values.replace("{", "").replace("}", "")
    return Variable(
        space=found["space"],
        type=found["type"],
        name=found["name"],
        alignment=int(found["align"] or TYPE_BYTES[found["type"]]),
        count=count,
        values=split_commas(values),
        extern=".extern" in found["linking"],
    )


class _Parser:
    def __init__(self, text: str):
        self._locations = Locations(text)
        self._text = _SECTION.sub("", _COMMENT.sub("", text)).rstrip()
        self._at = 0
        self.module = Module([], [])

    def _next(self) -> tuple[str, str] | None:
        """The kind and the text of the next item; .loc is taken care of here."""
        while self._at < len(self._text):
            found = _ITEM.match(self._text, self._at)
            if found is None:
                rest = self._text[self._at :].strip().split("\n")[0]
                raise TranslationError(f"{self._locations.place}: not understood: {rest}")
            self._at = found.end()
            if found.lastgroup == "loc":
                self._locations.advance(found["loc"])
            elif found.lastgroup != "line":
                return found.lastgroup, found[found.lastgroup].strip().removesuffix(";").strip()
        return None

    def parse(self) -> Module:
        while (item := self._next()) is not None:
            kind, text = item
            if kind == "header":
                self._function(text)
            elif kind == "statement" and text:
                self.module.variables.append(parse_variable(text))
            elif kind != "statement":
                raise TranslationError(f"{kind} outside of a function: {text}")
        return self.module

    def _function(self, header: str) -> None:
        found = _HEADER.match(header)
        kind, text = self._next() or ("", "")
        function = Function(
            name=found["name"],
            is_kernel=found["kind"] == "entry",
            place=self._locations.place,
            parameters=[parse_variable(p) for p in split_commas(found["parameters"] or "")],
            results=[parse_variable(p) for p in split_commas(found["results"] or "")],
            body=self._scope() if kind == "open" else None,
        )
        if kind not in ("open", "statement") or (kind == "statement" and text):
            raise TranslationError(f"{function.name}: not understood: {text}")
        self._directives(function, found["directives"])
        self.module.functions.append(function)

    def _directives(self, function: Function, text: str) -> None:
        for name, values in re.findall(r"\.(\w+)([^.]*)", text):
            numbers = [int(n) for n in re.findall(r"\d+", values)]
            if name in ("maxntid", "reqntid"):
                padded = [*numbers, 1, 1][:3]
                function.max_threads = padded[0] * padded[1] * padded[2]
            elif name == "reqnctapercluster":
                function.cluster = tuple([*numbers, 1, 1][:3])
            elif name not in (
                "minnctapersm",
                "maxnreg",
                "explicitcluster",
                "noreturn",
                "pragma",
                "maxclusterrank",
                "blocksareclusters",
            ):
                raise TranslationError(f"{function.name}: unknown directive .{name}")

    def _scope(self) -> Scope:
        scope = Scope()
        while True:
            item = self._next()
            if item is None:
                raise TranslationError("a brace is not closed")
            kind, text = item
            if kind == "close":
                return scope
            if kind == "open":
                scope.statements.append(self._scope())
            elif kind == "label":
                scope.statements.append(self._label(text))
            elif text and not text.startswith(".pragma"):
                scope.statements.append(self._statement(text))

    def _label(self, name: str):
        """A label, or a list of labels, which looks like a statement behind one."""
        found = re.compile(r"\s*\.(branchtargets|callprototype)\b([^;]*);").match(
            self._text, self._at
        )
        if found is None:
            return Label(name)
        self._at = found.end()
        return LabelList(name, split_commas(found[2]) if found[1] == "branchtargets" else [])

    def _statement(self, text: str):
        if text.startswith(".reg"):
            return self._registers(text)
        if text.startswith((".local", ".shared", ".param", ".extern")):
            return parse_variable(text)
        guard = ""
        if text.startswith("@"):
            negated, predicate, text = _GUARD.match(text).groups()
            guard = negated + predicate
        opcode, _, operands = re.sub(r"\s+", " ", text).partition(" ")
        return Instruction(opcode, split_commas(operands), guard, self._locations.place)

    def _registers(self, text: str) -> Registers:
        _, kind, names = re.sub(r"\s+", " ", text).split(" ", 2)
        expanded = []
        for name in split_commas(names):
            found = _RANGE.match(name)
            expanded += [f"{found[1]}{i}" for i in range(int(found[2]))] if found else [name]
        return Registers(kind.removeprefix("."), expanded)


def parse(text: str) -> Module:
    return _Parser(text).parse()
