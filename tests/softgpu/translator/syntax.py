"""What a PTX file says, as the parser hands it over."""

from __future__ import annotations

from dataclasses import dataclass, field


class TranslationError(Exception):
    """The PTX says something that the software GPU does not know."""


@dataclass(frozen=True)
class Place:
    """A line of the .cu source."""

    file: str
    line: int

    def __str__(self):
        return f"{self.file}:{self.line}"


# Bytes of every type that a register, a variable or an instruction can have.
TYPE_BYTES = {
    **dict.fromkeys(("b8", "u8", "s8"), 1),
    **dict.fromkeys(("b16", "u16", "s16", "f16", "bf16", "e4m3x2", "e5m2x2"), 2),
    **dict.fromkeys(("b32", "u32", "s32", "f32", "tf32"), 4),
    **dict.fromkeys(("f16x2", "bf16x2", "u16x2", "s16x2"), 4),
    **dict.fromkeys(("b64", "u64", "s64", "f64"), 8),
    "b128": 16,
}


@dataclass
class Variable:
    """A declaration in any state space: `.space .align N .type name[dimensions] = values`."""

    space: str
    type: str
    name: str
    alignment: int
    count: int | None  # None: an array without a size
    values: list[str] = field(default_factory=list)
    extern: bool = False

    @property
    def bytes(self) -> int:
        return TYPE_BYTES[self.type] * (self.count or 0)


@dataclass
class Instruction:
    opcode: str  # with its modifiers
    operands: list[str]
    guard: str  # "", "%p" or "!%p"
    place: Place


@dataclass
class Label:
    name: str


@dataclass
class Registers:
    type: str
    names: list[str]


@dataclass
class LabelList:
    """`name: .branchtargets a, b, ...`, what brx.idx chooses from."""

    name: str
    labels: list[str]


@dataclass
class Scope:
    """A pair of braces: registers and labels declared inside are its own."""

    statements: list[object] = field(default_factory=list)


@dataclass
class Function:
    name: str
    is_kernel: bool
    place: Place
    parameters: list[Variable]
    results: list[Variable]
    body: Scope | None  # None: declared only
    max_threads: int = 0
    cluster: tuple[int, int, int] = (1, 1, 1)


@dataclass
class Module:
    variables: list[Variable]
    functions: list[Function]
