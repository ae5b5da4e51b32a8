"""One instruction to try: its text, the types of its operands, and what it must give."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from . import scalar_reference as exact

BITS = {"pred": 32, "e4m3x2": 16, "e5m2x2": 16, "tf32": 32}
MODES = {"rni": "rn", "rzi": "rz", "rmi": "rm", "rpi": "rp"}


def bits_of(type_):
    """How many bits a value of a type takes in its array."""
    if type_ in BITS:
        return BITS[type_]
    base, _, pair = type_.partition("x")
    return max(16, int(re.sub(r"\D", "", base)) * int(pair or 1))


def is_pair(type_):
    return type_.endswith("x2")


def element_of(type_):
    return type_.removesuffix("x2")


def is_signed(type_):
    return type_[0] == "s"


@dataclass
class Case:
    name: str
    text: str  # of the inline assembly
    results: tuple[str, ...]
    operands: tuple[str, ...]
    reference: Callable
    values: dict[str, str] = field(default_factory=dict)  # of what the text was made from
    arch: int = 80
    bound: tuple[str, float] | None = None  # ("relative" or "absolute", how far from exact)
    memory: str | None = None  # "global" or "shared": the first operand is there, at `[{a}]`
    written: bool = False  # the last result is what the memory then holds
    warp: bool = False  # the reference is of lists: a value for each of 32 lanes
    operand_values: tuple | None = None  # to choose from, for each operand; None: any

    @cached_property
    def modifiers(self):
        return set(re.split(r"[.\s,]+", self.name))

    @property
    def mode(self):
        """The rounding mode."""
        found = [m for m in self.modifiers if re.fullmatch(r"r[nzmp]i?|rna", m)]
        return MODES.get(found[0], found[0]) if found else "rn"

    @property
    def width(self):
        return bits_of(element_of(self.operands[0]))

    @property
    def form(self):
        return exact.FORMATS[element_of(self.operands[0])]

    def decode(self, type_, bits):
        """A number for integers, an exact value for floats, a pair of them for pairs."""
        if is_pair(type_):
            half = bits_of(type_) // 2
            low, high = bits & (1 << half) - 1, bits >> half
            return self.decode(element_of(type_), low), self.decode(element_of(type_), high)
        if type_ in exact.FORMATS:
            value = exact.decode(exact.FORMATS[type_], bits)
            return exact.flush(exact.FORMATS[type_], value) if "ftz" in self.modifiers else value
        if type_ == "pred":
            return bool(bits)
        width = int(type_[1:])
        bits &= (1 << width) - 1
        return bits - (1 << width) if is_signed(type_) and bits >> (width - 1) else bits

    def encode(self, type_, value):
        """The bits of a result, or None for a NaN."""
        if type_ not in exact.FORMATS:
            own = int(value) & (1 << bits_of(type_)) - 1
            # A byte lies in a wider register, extended as its type says.
            return self.decode(type_, own) & (1 << bits_of(type_)) - 1
        form = exact.FORMATS[type_]
        if "sat" in self.modifiers:
            value = exact.saturate(value)
        if "relu" in self.modifiers:
            value = exact.relu(value)
        finite = "satfinite" in self.modifiers
        code = exact.encode(form, value, self.mode, finite)
        if code is not None and "ftz" in self.modifiers:
            code = exact.encode(form, exact.flush(form, exact.decode(form, code)))
        return code

    def expected(self, bits):
        """Bits of each result; of a pair result a pair. None stands for any NaN."""
        values = [self.decode(t, b) for t, b in zip(self.operands, bits, strict=True)]
        pairs = [is_pair(t) for t in self.operands]
        if all(map(is_pair, self.results)) and any(pairs):  # the reference is of one element
            halves = [
                self.reference(
                    self, *(v[i] if p else v for v, p in zip(values, pairs, strict=True))
                )
                for i in range(2)
            ]
            if len(self.results) == 1:
                return [self._encode_all(self.results[0], halves)]
            both = zip(*halves, strict=True)
            return [self._encode_all(t, v) for t, v in zip(self.results, both, strict=True)]
        found = self.reference(self, *values)
        found = found if len(self.results) > 1 else (found,)
        return [self._encode_all(t, v) for t, v in zip(self.results, found, strict=True)]

    def expected_of_warp(self, lanes):
        """The same for 32 lanes, bits of operands each."""
        columns = zip(*lanes, strict=True)
        decoded = [
            [self.decode(t, bits) for bits in column]
            for t, column in zip(self.operands, columns, strict=True)
        ]
        found = self.reference(self, *decoded)
        found = found if len(self.results) > 1 else (found,)
        return list(
            zip(
                *(
                    [self.encode(t, v) for v in vs]
                    for t, vs in zip(self.results, found, strict=True)
                ),
                strict=True,
            )
        )

    def _encode_all(self, type_, value):
        if is_pair(type_):
            return tuple(self.encode(element_of(type_), v) for v in value)
        return self.encode(type_, value)


def cases(instruction, results, operands, reference, *, text=None, **options):
    """A Case for each choice of the {names} in the instruction."""
    fields = {k: v for k, v in options.items() if k not in Case.__dataclass_fields__}
    rest = {k: v for k, v in options.items() if k in Case.__dataclass_fields__}
    made = []
    for choice in product(*fields.values()):
        values = dict(zip(fields, choice, strict=True))
        name = instruction.format(**values)
        types = tuple(results.format(**values).split()), tuple(operands.format(**values).split())
        body = (text or "").format(**values) or plain_text(name, *types)
        made.append(Case(name, body, *types, reference, values=values, **rest))
    return made


def plain_text(instruction, results, operands):
    """`op d, a, b, ...;` with predicates moved from and to integers."""
    before, after, names, declared = [], [], [], []
    opcode, _, immediates = instruction.partition(" ")
    for i, type_ in enumerate(results + operands):
        is_result = i < len(results)
        if type_ != "pred":
            names.append(f"%{i}")
            continue
        names.append(f"p{i}")
        declared.append(f"p{i}")
        if is_result:
            after.append(f"selp.u32 %{i}, 1, 0, p{i};")
        else:
            before.append(f"setp.ne.u32 p{i}, %{i}, 0;")
    first = "|".join(names[: len(results)])
    operands_text = ", ".join([first, *names[len(results) :], *filter(None, [immediates])])
    lines = [*before, f"{opcode} {operands_text};", *after]
    registers = f".reg .pred {', '.join(declared)}; " if declared else ""
    return f"{{ {registers}{' '.join(lines)} }}"
