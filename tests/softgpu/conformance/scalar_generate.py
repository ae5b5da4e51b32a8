"""Writes the kernels of the scalar conformance test: `python -m ...scalar_generate FOLDER`.

A kernel for each instruction. Thread i reads element i of every operand's array, runs the
instruction and writes element i of every result's.
"""

import sys
from pathlib import Path

from . import (
    scalar_bits,
    scalar_convert,
    scalar_float,
    scalar_integer,
    scalar_memory,
    scalar_warp,
)
from .scalar_case import bits_of

CASES = [
    *scalar_integer.CASES,
    *scalar_bits.CASES,
    *scalar_float.CASES,
    *scalar_convert.CASES,
    *scalar_memory.CASES,
    *scalar_warp.CASES,
]
CASES_PER_FILE = 250
CONSTRAINTS = {16: "h", 32: "r", 64: "l"}

HEADER = """\
// Written by scalar_generate.py.
#include <cuda_runtime.h>

#include <cstdint>

struct Arrays {
  void* of[8];  // of a kernel: results, then operands
};
"""


FOOTER = """\
}}  // namespace

// kernels[i] runs instruction first + i.
extern "C" const void* const kernels_{part}[] = {{
{kernels}
}};
"""


def bind(letter, type_, value):
    return f'"{letter}{CONSTRAINTS[bits_of(type_)]}"({value})'


def memory_lines(case, first_operand):
    """Puts the first operand where the instruction looks for it: `place`."""
    type_ = f"uint{bits_of(case.operands[0])}_t"
    initial = f"*x{first_operand}"
    if case.memory == "shared":
        return [
            f"  __shared__ {type_} slots[128];",
            f"  {type_}* place = slots + threadIdx.x;",
            f"  *place = {initial};",
        ]
    if not case.written:
        return [f"  {type_}* place = x{first_operand};"]
    return [f"  {type_}* place = x{first_operand - 1};", f"  *place = {initial};"]


def kernel(number, case):
    types = case.results + case.operands
    first_operand = len(case.results)
    outputs = range(first_operand - case.written)
    lines = [
        f"  auto* x{i} = static_cast<uint{bits_of(t)}_t*>(arrays.of[{i}]) + index;"
        for i, t in enumerate(types)
    ]
    lines += [f"  uint{bits_of(types[i])}_t d{i};" for i in outputs]
    inputs = [bind("", t, f"*x{i}") for i, t in enumerate(types) if i >= first_operand]
    if case.memory:
        lines += memory_lines(case, first_operand)
        address = "(uint32_t)__cvta_generic_to_shared(place)"
        inputs[0] = f'"r"({address})' if case.memory == "shared" else '"l"(place)'
    bound = ", ".join(bind("=", types[i], f"d{i}") for i in outputs)
    lines.append(f'  asm volatile("{case.text}" : {bound} : {", ".join(inputs)} : "memory");')
    lines += [f"  *x{i} = d{i};" for i in outputs]
    if case.written and case.memory == "shared":
        lines.append(f"  *x{first_operand - 1} = *place;")
    body = "\n".join(lines)
    return (
        f"// {case.name}\n"
        f"__global__ void case_{number}(Arrays arrays, int count) {{\n"
        "  const int index = blockIdx.x * blockDim.x + threadIdx.x;\n"
        f"  if (index >= count) return;\n{body}\n}}\n"
    )


def source(part, numbers):
    kernels = "".join(kernel(n, CASES[n]) for n in numbers)
    table = "\n".join(f"    (const void*)case_{n}," for n in numbers)
    return f"{HEADER}\nnamespace {{\n{kernels}{FOOTER.format(part=part, kernels=table)}"


def parts():
    """The files: their names and the numbers of their cases."""
    found = []
    for arch, ending in ((80, ""), (90, "_sm90a")):
        numbers = [n for n, case in enumerate(CASES) if case.arch == arch]
        for start in range(0, len(numbers), CASES_PER_FILE):
            name = f"scalar_part{len(found)}{ending}"
            found.append((name, numbers[start : start + CASES_PER_FILE]))
    return found


def dispatcher(found):
    """`run`: the one entry point."""
    declared = "\n".join(
        f"extern const void* const kernels_{part}[];" for part in range(len(found))
    )
    places = {n: (part, i) for part, (_, ns) in enumerate(found) for i, n in enumerate(ns)}
    table = "\n".join(f"    kernels_{places[n][0]}[{places[n][1]}]," for n in range(len(CASES)))
    return f"""{HEADER}
extern "C" {{
{declared}

// Runs instruction `number` on host arrays of `count` elements of bytes[i] bytes each: results
// first, operands behind them. Returns a cudaError_t.
__attribute__((visibility("default")))
int run(int number, void* const* arrays, const int* bytes, int array_count, int count) {{
  const void* const kernels[] = {{
{table}
  }};
  Arrays device{{}};
  for (int i = 0; i < array_count; ++i) {{
    const size_t size = size_t(bytes[i]) * count;
    if (cudaError_t error = cudaMalloc(&device.of[i], size)) return error;
    if (cudaError_t error = cudaMemcpy(device.of[i], arrays[i], size, cudaMemcpyHostToDevice)) {{
      return error;
    }}
  }}
  void* parameters[] = {{&device, &count}};
  const unsigned blocks = (count + 127) / 128;
  if (cudaError_t error = cudaLaunchKernel(kernels[number], blocks, 128, parameters, 0, 0)) {{
    return error;
  }}
  for (int i = 0; i < array_count; ++i) {{
    const size_t size = size_t(bytes[i]) * count;
    if (cudaError_t error = cudaMemcpy(arrays[i], device.of[i], size, cudaMemcpyDeviceToHost)) {{
      return error;
    }}
    cudaFree(device.of[i]);
  }}
  return cudaSuccess;
}}
}}
"""


def main():
    folder = Path(sys.argv[1])
    found = parts()
    wanted = {f"{name}.cu": source(i, numbers) for i, (name, numbers) in enumerate(found)}
    wanted["scalar_run.cu"] = dispatcher(found)
    for path in folder.glob("*.cu"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
