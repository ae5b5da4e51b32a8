"""What ptxas makes of each CUDA kernel: registers, spills, shared and constant memory.

``python -m bench ptxas`` compiles csrc/cuda for every architecture that CMakeLists.txt lists. It
needs nvcc, but no GPU. A kernel that spills registers, or of which ptxas notes that it had to
serialize wgmma, is a failure: exit status 1.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tools.cuda_toolchain import find_nvcc

ROOT = Path(__file__).resolve().parents[1]
CUDA = ROOT / "csrc" / "cuda"
# As in cmake/cuda.cmake.
FLAGS = ["-std=c++20", "--fmad=false", f"-I{ROOT / 'csrc'}"]
JOB_BYTES = 2 << 30  # that nvcc can take for one file

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")
CONSTANT = re.compile(r"(\d+) bytes cmem\[\d+\]")
NOTE = re.compile(r"\(C75\d\d\).*")  # wgmma serialized, setmaxnreg ignored


@dataclass
class Usage:
    """One kernel on one architecture; all but the registers in bytes."""

    kernel: str
    file: str
    arch: str
    registers: int = 0
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    shared: int = 0
    constant: int = 0

    @property
    def spills(self) -> bool:
        return self.spill_stores + self.spill_loads > 0


class CompileError(Exception):
    """nvcc did not compile a file; the message is its own."""


def architectures() -> list[str]:
    """Those that the product has machine code for, ``sm_80`` and the like."""
    text = (ROOT / "CMakeLists.txt").read_text()
    (listed,) = re.findall(r'set\(HALFWORD_CUDA_ARCHS "([^"]*)"', text)
    return [f"sm_{word.removesuffix('-real')}" for word in listed.split(";") if "-real" in word]


def is_for(source: Path, arch: str) -> bool:
    """A file may name its one architecture: ``gemm_int8_sm90a.cu``."""
    suffix = re.search(r"_sm(\w+)$", source.stem)
    return suffix is None or f"sm_{suffix[1]}" == arch


def compile_verbosely(nvcc: Path, source: Path, arch: str) -> str:
    """What ptxas says of a file."""
    code = f"arch={arch.replace('sm', 'compute')},code={arch}"
    command = [nvcc, "-cubin", "-gencode", code, *FLAGS, "-Xptxas", "-v", "-o", os.devnull, source]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CompileError(done.stdout + done.stderr)
    return done.stdout + done.stderr


def parse(output: str, file: str) -> tuple[list[Usage], list[str]]:
    """The kernels that ptxas reports of, under their mangled names, and its notes."""
    usages: list[Usage] = []
    for line in output.splitlines():
        if found := ENTRY.search(line):
            usages.append(Usage(found[1], file, found[2]))
        elif usages and (found := SPILLS.search(line)):
            stack, stores, loads = map(int, found.groups())
            usages[-1].stack += stack
            usages[-1].spill_stores += stores
            usages[-1].spill_loads += loads
        elif usages and (found := USED.search(line)):
            usages[-1].registers = int(found[1])
            usages[-1].shared = sum(map(int, SHARED.findall(line)))
            usages[-1].constant = sum(map(int, CONSTANT.findall(line)))
    return usages, [f"{file}: {note}" for note in NOTE.findall(output)]


def demangle(names: Sequence[str]) -> list[str]:
    """Names as people write them: ``adam_step_kernel<float, 4>``."""
    done = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    return [shorten(line) for line in done.stdout.splitlines()]


def shorten(name: str) -> str:
    """Without return type, parameters, namespaces and casts of template arguments."""
    name = name.replace("(anonymous namespace)::", "").removeprefix("void ")
    name = re.sub(r"\((?:\w|::|<|>| )+\)(?=-?[\w:])", "", name)  # (Kind)1
    name = name[: closing_parameters(name)]
    return re.sub(r"\b\w+::(?=\w)", "", name)


def closing_parameters(name: str) -> int:
    """Where the parameter list begins: the first parenthesis outside all angle brackets."""
    depth = 0
    for place, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            return place
    return len(name)


def measure(nvcc: Path, sources: Sequence[Path]) -> tuple[list[Usage], list[str]]:
    """Compile everything, as many files at a time as memory allows."""
    work = [(s, arch) for s in sources for arch in architectures() if is_for(s, arch)]
    fit = int(psutil.virtual_memory().available // JOB_BYTES)
    jobs = max(1, min(fit, len(os.sched_getaffinity(0))))
    with ThreadPoolExecutor(jobs) as pool:
        outputs = list(pool.map(lambda item: compile_verbosely(nvcc, *item), work))
    usages, notes = [], []
    for (source, _), output in zip(work, outputs, strict=True):
        found, said = parse(output, source.name)
        usages += found
        notes += said
    for usage, name in zip(usages, demangle([u.kernel for u in usages]), strict=True):
        usage.kernel = name
    return sorted(usages, key=lambda u: (u.file, u.kernel, u.arch)), notes


def rows(usages: Sequence[Usage]) -> Iterator[list[str]]:
    before = ""
    for usage in usages:
        name = "" if usage.kernel == before else usage.kernel
        before = usage.kernel
        spills = f"{usage.spill_stores}/{usage.spill_loads}" if usage.spills else "-"
        numbers = (usage.stack, usage.shared, usage.constant)
        yield [name, usage.arch, str(usage.registers), spills, *map(str, numbers)]


def print_table(out: Console, usages: Sequence[Usage]) -> None:
    table = Table(box=None, header_style="bold")
    table.add_column("kernel", overflow="fold")
    table.add_column("arch")
    for title in ("registers", "spill st/ld", "stack", "shared", "constant"):
        table.add_column(title, justify="right")
    for row in rows(usages):
        table.add_row(*row)
    out.print(table)


def main(argv: Sequence[str], out: Console) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench ptxas", description=__doc__)
    parser.add_argument(
        "--filter", default="", metavar="REGEX", help="only files whose name has it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    args = parser.parse_args(argv)
    nvcc = find_nvcc()
    if nvcc is None:
        parser.error("found no nvcc: CUDACXX, PATH, or tools/cuda_toolchain.py --install")
    sources = [s for s in sorted(CUDA.glob("*.cu")) if re.search(args.filter, s.name)]
    try:
        usages, notes = measure(nvcc, sources)
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    print_table(out, usages)
    if args.json:
        found = {"kernels": [asdict(usage) for usage in usages], "notes": notes}
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    failures = [f"{u.kernel} spills registers on {u.arch}" for u in usages if u.spills] + notes
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0
