"""Calls of device functions. Their parameters are bytes in the caller's frame."""

from __future__ import annotations

from .meaning import Meaning
from .names import Names, Symbol
from .operands import Operands
from .syntax import Instruction, TranslationError


def _symbol(names: Names, text: str) -> str:
    found = names.find(text)
    if not isinstance(found, Symbol):
        raise TranslationError(f"call parameter {text} not understood")
    return found.address


def call(
    instruction: Instruction,
    names: Names,
    operands: Operands,
    meaning: Meaning,
    functions: dict[str, str],
) -> str:
    """`call (results), function, (parameters)`; `functions` has their C++ names."""
    lists = [o for o in instruction.operands if o.startswith("(")]
    plain = [o for o in instruction.operands if not o.startswith("(")]
    if len(plain) != 1 or plain[0].startswith("%"):
        raise TranslationError("unknown instruction: a call through a pointer")
    arguments = [a.strip() for text in lists for a in text.strip("()").split(",") if a.strip()]
    pointers = [f"frame({_symbol(names, a)})" for a in arguments]
    site = meaning.site(instruction.place)
    if plain[0] in functions:
        code = f"{functions[plain[0]]}({', '.join(['self', *pointers])});"
    elif plain[0] == "vprintf":
        code = f"print_nothing({pointers[0]});"
    elif plain[0] == "__assertfail":
        code = f"assertion_failed(self, {', '.join(pointers[:3])}, {site});"
    else:
        raise TranslationError(f"unknown function {plain[0]}")
    if not instruction.guard:
        return code
    return f"if ({operands.value(instruction.guard, 'pred')}) {{ {code} }}"
