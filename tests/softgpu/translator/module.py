"""A PTX file as a C++ file: its variables, its kernels, and their registration."""

from __future__ import annotations

from .function import FunctionTranslator, KernelContext, layout
from .names import Symbol, identifier
from .operands import literal_bits
from .parser import parse
from .syntax import TYPE_BYTES, Function, Module, TranslationError, Variable


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class ModuleTranslator:
    def __init__(self, module: Module):
        self._module = module
        self._files: dict[str, str] = {}
        self._variables = [v for v in module.variables if v.space in ("global", "const")]
        self._defined = {f.name: f for f in module.functions if f.body is not None}
        self._globals = {
            v.name: Symbol(f"{identifier(v.name)}_shared", shared=True)
            if v.space == "shared"
            else Symbol(f"uint64_t({identifier(v.name)}_memory)")
            for v in module.variables
        }
        self.rows_used: set = set()

    def translate(self) -> str:
        kernels = [f for f in self._defined.values() if f.is_kernel]
        code = [self._kernel(kernel, number) for number, kernel in enumerate(kernels)]
        files = [
            f"static constexpr char {name}[] = {_quoted(file)};\n"
            for file, name in self._files.items()
        ]
        parts = [
            '#include "engine/translated.h"\n\nnamespace softgpu {\nnamespace {\n',
            *files,
            *map(self._variable, self._variables),
            *map(self._addresses, self._variables),
            *code,
            self._registration(kernels),
            "}  // namespace\n}  // namespace softgpu\n",
        ]
        return "\n".join(parts)

    def _kernel(self, kernel: Function, number: int) -> str:
        """A kernel, what it calls, and its description."""
        names = {
            f.name: f"f{number}_{identifier(f.name)}"
            for f in self._defined.values()
            if not f.is_kernel
        }
        context = KernelContext(self._module, self._globals, names, self._files)
        main = FunctionTranslator(kernel, context).translate(f"k_{identifier(kernel.name)}")
        declarations, functions = [], []
        for name in context.called:  # grows while it is walked
            translator = FunctionTranslator(self._defined[name], context)
            functions.append(translator.translate(names[name]))
            declarations.append(f"static {translator.signature(names[name])};")
        self.rows_used |= context.rows_used
        tables = self._tables(kernel, context.shared)
        return "\n".join([*declarations, *functions, main, tables])

    def _tables(self, kernel: Function, shared: list[Variable]) -> str:
        name = identifier(kernel.name)
        places = ", ".join(f"{{{at}, {size}}}" for at, size in layout(kernel.parameters))
        variables = ", ".join(f"{{{_quoted(v.name)}, {v.bytes}, {v.alignment}}}" for v in shared)
        return (
            f"static constexpr Parameter parameters_{name}[] = {{{places or '{0, 0}'}}};\n"
            f"static constexpr SharedVariable shared_{name}[] = "
            f"{{{variables or '{nullptr, 0, 1}'}}};\n"
            f"static constexpr uint32_t shared_count_{name} = {len(shared)};\n"
        )

    def _registration(self, kernels: list[Function]) -> str:
        entries = ",\n".join(map(self._entry, kernels))
        variables = ",\n".join(
            f"    {{{_quoted(v.name)}, {identifier(v.name)}_memory, {v.bytes}, "
            f"{str(v.space == 'const').lower()}}}"
            for v in self._variables
        )
        kernel_table = f"static const Kernel kernels[] = {{\n{entries}}};\n" if entries else ""
        variable_table = f"static const Variable variables[] = {{\n{variables}}};\n"
        return (
            f"{kernel_table}{variable_table if variables else ''}"
            f"static const RegisterModule registration(Module{{"
            f"{'kernels' if entries else 'nullptr'}, {len(kernels)}, "
            f"{'variables' if variables else 'nullptr'}, {len(self._variables)}}});\n"
        )

    def _entry(self, kernel: Function) -> str:
        name = identifier(kernel.name)
        total = max((at + size for at, size in layout(kernel.parameters)), default=0)
        x, y, z = kernel.cluster
        return (
            f"    {{{_quoted(kernel.name)}, k_{name}, parameters_{name}, "
            f"{len(kernel.parameters)}, {total},\n     shared_{name}, shared_count_{name}, "
            f"{kernel.max_threads}, {{{x}, {y}, {z}}}}}"
        )

    def _variable(self, variable: Variable) -> str:
        if variable.extern:
            raise TranslationError(f"{variable.name}: a variable of another file")
        values = [v for v in variable.values if not self._is_address(v)]
        data = (
            b"".join(
                literal_bits(v, variable.type).to_bytes(TYPE_BYTES[variable.type], "little")
                for v in variable.values
            )
            if len(values) == len(variable.values)
            else b""
        )
        data = data.rstrip(b"\0")
        text = f" = {{{', '.join(map(str, data))}}}" if data else ""
        return (
            f"alignas({max(variable.alignment, 16)}) static unsigned char "
            f"{identifier(variable.name)}_memory[{max(variable.bytes, 1)}]{text};"
        )

    def _is_address(self, value: str) -> bool:
        return not value[0].isdigit() and value[0] != "-"

    def _addresses(self, variable: Variable) -> str:
        """Initial values that hold addresses, which the compiler cannot know."""
        if not any(map(self._is_address, variable.values)):
            return ""
        if TYPE_BYTES[variable.type] != 8:
            raise TranslationError(f"{variable.name}: addresses in a .{variable.type} variable")
        words = ", ".join(map(self._address, variable.values))
        name = f"{identifier(variable.name)}_memory"
        return f"static const InitialAddresses {name}_values({name}, {{{words}}});"

    def _address(self, value: str) -> str:
        if not self._is_address(value):
            return f"{literal_bits(value, 'u64')}ull"
        name, _, offset = value.replace("generic(", "").replace(")", "").partition("+")
        symbol = self._globals.get(name.strip())
        if symbol is None or symbol.shared:
            raise TranslationError(f"the address of {name} in a variable")
        return f"{symbol.address} + {offset or 0}"


def translate(ptx: str) -> str:
    """The C++ for a PTX file."""
    return ModuleTranslator(parse(ptx)).translate()
