"""Writes a kernel for each form of mma and wgmma: ``python -m ... <folder>``.

A kernel loads the registers that the test filled, executes one instruction, and stores them.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from .tensor_forms import MMA_FORMS, WGMMA_FORMS, MmaForm, WgmmaForm

PER_FILE = 24  # wgmma forms; a file with all of them takes the compilers too long

MMA_FILE = """// One kernel for each form of mma.sync: one warp, one instruction.
#include "conformance/buffers.cuh"

namespace {{

constexpr int kWarp = 32;
{kernels}
struct Form {{
  void (*kernel)(const char* a, const char* b, const char* c, char* d);
  int word;
  int a, b, c;  // registers
}};
const Form kForms[] = {{
{table}
}};

}}  // namespace

// Registers as [32 lanes][registers].
CONFORMANCE_API int run_mma(int form, char* a, char* b, char* c, char* d) {{
  const Form& f = kForms[form];
  const auto bytes = [&f](int registers) {{ return size_t(kWarp * registers * f.word); }};
  conformance::Buffer<char> da(a, bytes(f.a)), db(b, bytes(f.b)), dc(c, bytes(f.c)),
      dd(d, bytes(f.c));
  f.kernel<<<1, kWarp>>>(da.device(), db.device(), dc.device(), dd.device());
  const int status = conformance::finish();
  dd.copy_back();
  return status;
}}
"""

MMA_KERNEL = """
// {form}
__global__ void mma_{number}(const char* a_, const char* b_, const char* c_, char* d_) {{
  const auto* a = reinterpret_cast<const {type}*>(a_) + threadIdx.x * {na};
  const auto* b = reinterpret_cast<const {type}*>(b_) + threadIdx.x * {nb};
  const auto* c = reinterpret_cast<const {type}*>(c_) + threadIdx.x * {nc};
  auto* d = reinterpret_cast<{type}*>(d_) + threadIdx.x * {nc};
  {held.type} r[{nc}];
  asm volatile("{instruction} {{{d}}}, {{{a}}}, {{{b}}}, {{{c}}};"
               : {outputs}
               : {inputs});
  for (int i = 0; i < {nc}; ++i) d[i] = {held.to_bits}(r[i]);
}}
"""

WGMMA_FILE = """// One kernel for each form of wgmma.mma_async: a warpgroup, one instruction.
#include "conformance/wgmma_run.cuh"

namespace {{
{kernels}
const WgmmaForm kForms[] = {{
{table}
}};

}}  // namespace

CONFORMANCE_API int run_wgmma_{part}(int form, WgmmaRun* run) {{
  return run_form(kForms[form], *run);
}}
"""

WGMMA_KERNEL = """
// {form}
__global__ void __launch_bounds__(128) wgmma_{number}(WgmmaArguments x) {{
  load_shared(x);
  {held.type} r[{count}];
  for (int i = 0; i < {count}; ++i) {{
    r[i] = {held.from_bits}(x.d[threadIdx.x * {count} + i]);
  }}
  uint32_t a[4];
  for (int i = 0; i < 4; ++i) a[i] = x.a[threadIdx.x * 4 + i];
  ptx::wgmma_fence();
  asm volatile("{{\\n .reg .pred p;\\n setp.ne.b32 p, %{p}, 0;\\n"
               " {instruction} {{{d}}}, {a}, %{b}, p{immediates};\\n}}"
               : {outputs}
               : {inputs}, "l"(x.b_descriptor), "r"(x.scale_d));
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  for (int i = 0; i < {count}; ++i) {{
    x.d[threadIdx.x * {count} + i] = {held.to_bits}(r[i]);
  }}
}}
"""


class Held(NamedTuple):
    """How a kernel holds accumulators: their C++ type, asm constraint, and conversions."""

    type: str
    constraint: str
    from_bits: str = ""
    to_bits: str = ""


WORDS = Held("uint32_t", "r")
HELD = {"f32": Held("float", "f", "__uint_as_float", "__float_as_uint"),
        "f64": Held("double", "d")}  # fmt: skip


def operands(first: int, count: int) -> str:
    return ", ".join(f"%{first + i}" for i in range(count))


def listed(constraint: str, name: str, count: int) -> str:
    return ", ".join(f'"{constraint}"({name}[{i}])' for i in range(count))


def mma_kernel(number: int, form: MmaForm) -> str:
    na, nb, nc = form.a_registers, form.b_registers, form.c_registers
    held, word = HELD.get(form.c, WORDS), HELD["f64"] if form.a == "f64" else WORDS
    c = ", ".join(f'"{held.constraint}"({held.from_bits}(c[{i}]))' for i in range(nc))
    inputs = [listed(word.constraint, "a", na), listed(word.constraint, "b", nb), c]
    return MMA_KERNEL.format(
        form=form, number=number, type=word.type, held=held, na=na, nb=nb, nc=nc,
        instruction=f"mma.sync.aligned.m{form.m}n8k{form.k}.row.col{'.satfinite' * form.saturate}"
                    f".{form.c}.{form.a}.{form.b}.{form.c}",
        d=operands(0, nc), a=operands(nc, na), b=operands(nc + na, nb),
        c=operands(nc + na + nb, nc), outputs=listed(f"={held.constraint}", "r", nc),
        inputs=", ".join(inputs),
    )  # fmt: skip


def mma_file() -> str:
    kernels = "".join(mma_kernel(i, form) for i, form in enumerate(MMA_FORMS))
    table = "\n".join(
        f"    {{mma_{i}, {f.word}, {f.a_registers}, {f.b_registers}, {f.c_registers}}},"
        for i, f in enumerate(MMA_FORMS)
    )
    return MMA_FILE.format(kernels=kernels, table=table)


def wgmma_immediates(form: WgmmaForm) -> str:
    if form.c == "s32":
        return ""
    values = [-1 if form.negate_a else 1, -1 if form.negate_b else 1]
    if form.a in ("f16", "bf16"):
        if not form.a_in_registers:
            values.append(int(form.transpose_a))
        values.append(int(form.transpose_b))
    return "".join(f", {value}" for value in values)


def wgmma_kernel(number: int, form: WgmmaForm) -> str:
    count, held = form.registers, HELD.get(form.c, WORDS)
    if form.a_in_registers:
        a, a_inputs, b = f"{{{operands(count, 4)}}}", listed("r", "a", 4), count + 4
    else:
        a, a_inputs, b = f"%{count}", '"l"(x.a_descriptor)', count + 1
    return WGMMA_KERNEL.format(
        form=form, number=number, count=count, held=held, a=a, b=b, p=b + 1,
        instruction=f"wgmma.mma_async.sync.aligned.m64n{form.n}k{form.k}"
                    f"{'.satfinite' * form.saturate}.{form.c}.{form.a}.{form.b}",
        d=operands(0, count), immediates=wgmma_immediates(form), inputs=a_inputs,
        outputs=listed(f"+{held.constraint}", "r", count),
    )  # fmt: skip


def wgmma_file(part: int, forms: list[WgmmaForm]) -> str:
    kernels = "".join(wgmma_kernel(i, form) for i, form in enumerate(forms))
    table = "\n".join(f"    {{wgmma_{i}, {form.registers}}}," for i, form in enumerate(forms))
    return WGMMA_FILE.format(kernels=kernels, table=table, part=part)


def main(folder: Path) -> None:
    files = {"tensor_mma.cu": mma_file()}
    for first in range(0, len(WGMMA_FORMS), PER_FILE):
        part = first // PER_FILE
        text = wgmma_file(part, WGMMA_FORMS[first : first + PER_FILE])
        files[f"tensor_wgmma_{part}_sm90a.cu"] = text
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
