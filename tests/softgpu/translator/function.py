"""One PTX function as one C++ function."""

from __future__ import annotations

from dataclasses import dataclass, field

from .calls import call
from .meaning import Meaning
from .names import Names, Symbol, identifier
from .operands import Operands
from .rows import TABLE
from .syntax import (
    Function,
    Instruction,
    Label,
    Module,
    Scope,
    TranslationError,
    Variable,
)


def align(offset: int, alignment: int) -> int:
    return (offset + alignment - 1) // alignment * alignment


def layout(parameters: list[Variable]) -> list[tuple[int, int]]:
    """Offset and size of each parameter."""
    at, placed = 0, []
    for parameter in parameters:
        at = align(at, parameter.alignment)
        placed.append((at, parameter.bytes))
        at += parameter.bytes
    return placed


@dataclass
class KernelContext:
    """What the functions of one kernel share. Each kernel has its own copies of them."""

    module: Module
    globals: dict[str, Symbol]
    functions: dict[str, str]  # the C++ names of the device functions
    files: dict[str, str]  # the C++ names of the source files' names
    shared: list[Variable] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    rows_used: set = field(default_factory=set)


class FunctionTranslator:
    """Translates a function into `declarations`, for its top, and `code`."""

    def __init__(self, function: Function, context: KernelContext):
        self._function = function
        self._context = context
        self._names = Names(context.globals)
        self._operands = Operands(self._names)
        self._meaning = Meaning(TABLE, self._operands, self._names.label, context.files)
        self._declarations: list[str] = []
        self._code: list[str] = []
        self._locals = 0
        self._own_shared: dict[str, int] = {}

    def translate(self, cpp_name: str) -> str:
        self._declare_parameters()
        self._scope(self._function.body)
        self._context.rows_used |= self._meaning.rows_used
        body = "\n".join(f"  {line}" for line in [*self._top(), *self._code, self._leave()])
        return f"static {self.signature(cpp_name)} {{\n{body}\n}}\n"

    def signature(self, cpp_name: str) -> str:
        if self._function.is_kernel:
            return f"void {cpp_name}(Thread& self, const char* parameters)"
        everything = [*self._function.results, *self._function.parameters]
        pointers = [f"char* {identifier(v.name)}" for v in everything]
        return f"void {cpp_name}({', '.join(['Thread& self', *pointers])})"

    def _declare_parameters(self) -> None:
        if self._function.is_kernel:
            placed = layout(self._function.parameters)
            for parameter, (offset, _) in zip(self._function.parameters, placed, strict=True):
                symbol = Symbol(f"(uint64_t(parameters) + {offset})")
                self._names.declare(parameter.name, symbol)
        else:
            for v in [*self._function.results, *self._function.parameters]:
                self._names.declare(v.name, Symbol(f"uint64_t({identifier(v.name)})"))

    def _scope(self, scope: Scope) -> None:
        self._names.open(scope)
        for statement in scope.statements:
            if isinstance(statement, Scope):
                self._scope(statement)
            elif isinstance(statement, Label):
                self._code.append(f"{self._names.label(statement.name)[0]}:;")
            elif isinstance(statement, Variable):
                self._variable(statement)
            elif isinstance(statement, Instruction):
                self._instruction(statement)
        self._names.close()

    def _instruction(self, instruction: Instruction) -> None:
        try:
            if instruction.opcode == "exit" and not self._function.is_kernel:
                raise TranslationError("unknown instruction: exit in a function that is called")
            if instruction.opcode.split(".")[0] == "call":
                code = self._call(instruction)
            else:
                code = self._meaning.translate(instruction)
        except TranslationError as error:
            where = f"{instruction.place}: in {self._function.name}"
            raise TranslationError(f"{where}: {error}") from None
        if code:
            self._code.append(code)

    def _call(self, instruction: Instruction) -> str:
        for operand in instruction.operands:
            if operand in self._context.functions and operand not in self._context.called:
                self._context.called.append(operand)
        return call(
            instruction, self._names, self._operands, self._meaning, self._context.functions
        )

    def _variable(self, variable: Variable) -> None:
        """A .local, .shared or .param variable of the function, declared at its top."""
        name = self._names.unique(variable)
        if variable.space == "shared":
            self._context.shared.append(variable)
            self._own_shared[name] = len(self._context.shared) - 1
            self._names.declare(variable.name, Symbol(name, shared=True))
            return
        alignment = max(variable.alignment, 16)
        self._declarations.append(f"alignas({alignment}) char {name}[{variable.bytes}];")
        if variable.space == "local":
            self._declarations.append(f"declare_local(self, {name}, {variable.bytes});")
            self._locals += 1
        self._names.declare(variable.name, Symbol(f"uint64_t({name})"))

    def _top(self) -> list[str]:
        lines = list(self._declarations)
        by_type: dict[str, list[str]] = {}
        for register in self._names.used.values():
            by_type.setdefault(register.cpp_type, []).append(register.name)
        for cpp_type, names in by_type.items():
            garbage = ", ".join(f"{name} = kGarbage<{cpp_type}>" for name in names)
            lines.append(f"{cpp_type} {garbage};")
        lines.append("bool carry = false;")
        for name, index in self._own_shared.items():
            lines.append(f"const uint32_t {name} = shared_variable(self, {index});")
        lines += self._module_shared()
        return lines

    def _module_shared(self) -> list[str]:
        """Shared variables of the module that this function names."""
        lines = []
        for variable in self._context.module.variables:
            if variable.space != "shared" or variable.name not in self._names.used_symbols:
                continue
            if variable.count is None or variable.extern:
                address = "softgpu::dynamic_shared(self)"
            else:
                if variable not in self._context.shared:
                    self._context.shared.append(variable)
                address = f"softgpu::shared_variable(self, {self._context.shared.index(variable)})"
            lines.append(f"const uint32_t {identifier(variable.name)}_shared = {address};")
        return lines

    def _leave(self) -> str:
        return f"leave: forget_locals(self, {self._locals});"
