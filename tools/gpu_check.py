"""Checks halfword on a machine with a GPU, without a network: ``make gpu-check OUT=folder``.

Tests, conformance of the software GPU, compute-sanitizer, benchmarks; each with a limit, most
valuable first, in 8 minutes together. It takes a carried build (``--build``, from
``make gpu-bundle``), or builds one where cmake and nvcc are. In OUT: summary.txt, summary.json,
log.txt, JUnit files of the tests, and the benchmarks as <device>.json. The exit status is 1 if
anything failed. Where there is no GPU, one line says so, and the status is 0.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import gpu_bundle, gpu_steps  # noqa: E402
from tools.gpu_steps import Result, Step, summary  # noqa: E402

MINUTES = 8.0
# Tests that need no GPU and no compiler, and do not look at packaging.
IGNORED = ("softgpu", "test_packaging.py", "test_house.py", "test_ptxas.py", "test_torch_abi.py",
           "test_byte_lm.py", "test_byte_lm_parts.py")  # fmt: skip
# A minute under a sanitizer has to be spent well: views, tails, shared scalars, the norm's tree.
SANITIZED = ("tests/test_adam_step.py", "tests/test_adam_step_layout.py",
             "tests/test_unscale_check.py", "tests/test_accumulate_grads.py",
             "tests/test_update_scale.py")  # fmt: skip
SANITIZED_TESTS = (
    "cuda and (memory_beside or list_is_as or one_step_counter or expanded or past_float32 "
    "or every_pair_of_strides_gives_the_same_bits and every-other or trackers_are_optional)"
)
SANITIZERS = {
    "memcheck": ["--report-api-errors", "no"],
    "racecheck": ["--racecheck-report", "analysis"],
    "synccheck": [],
}
SANITIZER_FOUND = 86  # the exit status that stands for a finding


class CannotRunError(Exception):
    """The machine has a GPU, but lacks something without which nothing can be checked."""


# --- the machine ----------------------------------------------------------------------------------


class Device(NamedTuple):
    """The GPU that torch would use."""

    name: str
    capability: tuple[int, int]


PROBE = """
import json
import torch
cuda = torch.cuda
there = cuda.is_available()
print(json.dumps([cuda.get_device_name(), cuda.get_device_capability()] if there else None))
"""


def find_device() -> Device | None:
    """Asked in a process of its own: one that had a context would hold memory of the device."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    if done.returncode != 0:
        reason = gpu_steps.last_line(done.stderr)
        raise CannotRunError(f"{sys.executable} cannot ask torch for a GPU: {reason}")
    found = json.loads(done.stdout)
    return None if found is None else Device(found[0], tuple(found[1]))


# --- what is checked ------------------------------------------------------------------------------


def facts_of(bundle: Path) -> dict[str, str]:
    """Of what sources, and for which CUDA, a bundle was built."""
    try:
        facts: dict[str, str] = json.loads((bundle / "bundle.json").read_text())
    except OSError:
        raise CannotRunError(f"{bundle} has no bundle.json: make gpu-bundle") from None
    return facts


def ensure_core(bundle: Path) -> None:
    """`_core` for this Python; built here, with carried headers, if the bundle's is for another."""
    package = bundle / "python" / "halfword"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    if (package / f"_core{suffix}").exists():
        return
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        raise CannotRunError(
            f"the bundle has no _core for {version}, and its headers are not here "
            f"({include / 'Python.h'}) to build it: make gpu-bundle PYTHON_TARGET="
            f"{sys.version_info.major}.{sys.version_info.minor}"
        )
    built = facts_of(bundle)
    facts = {"COMPILER": "g++", "BUILD_TYPE": "Release", "CUDA_VERSION": built["cuda"],
             "CUDA_ARCHS": built["cuda_archs"]}  # fmt: skip
    command = [
        *(os.environ.get("CXX", "g++"), "-std=c++20", "-O2", "-fPIC", "-shared"),
        *("-fvisibility=hidden", f"-I{ROOT / 'csrc'}", f"-I{bundle / 'include'}", f"-I{include}"),
        *(f'-DHALFWORD_{name}="{value}"' for name, value in facts.items()),
        str(ROOT / "csrc" / "binding" / "module.cpp"),
        *(f"-L{package}", "-lhalfword_cpu", "-Wl,-rpath,$ORIGIN", "-Wl,--allow-shlib-undefined"),
        *("-o", str(package / f"_core{suffix}")),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise CannotRunError(f"cannot build _core: {command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise CannotRunError(f"cannot build _core for {version}:\n{done.stderr}")


def build_here() -> Path:
    """Without a bundle: the package, built by this machine's own tools."""
    nvcc = gpu_bundle.find_nvcc()
    if gpu_bundle.find_tool("cmake") is None or nvcc is None:
        raise CannotRunError("needs cmake and nvcc, or a carried build: make gpu-bundle, --build")
    folder = ROOT / "build" / "gpu-check"
    os.environ["CUDACXX"] = str(nvcc)
    facts = gpu_bundle.build_package(Path(sys.executable), folder / "tree", folder / "python")
    (folder / "bundle.json").write_text(json.dumps(facts))
    return folder


def carried_packages(bundle: Path) -> list[Path]:
    """Folders of the packages that this Python lacks."""
    site = bundle / "site"
    folders = sorted(site.iterdir()) if site.is_dir() else []
    return [folder for folder in folders if not all(map(is_here, modules_of(folder)))]


def modules_of(folder: Path) -> list[str]:
    """What can be imported from it: folders and files, without metadata and private helpers."""
    names = [path.name.partition(".")[0] for path in folder.iterdir()
             if path.suffix not in (".dist-info", ".pth") and path.name != "bin"]  # fmt: skip
    return [name for name in names if name.isidentifier() and not name.startswith("_")]


def is_here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def environment_of(bundle: Path) -> dict[str, str]:
    """For all steps: our package, what this Python lacks, and which sources these are."""
    paths = [bundle / "python", *carried_packages(bundle)]
    before = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([*map(str, paths), *([before] if before else [])]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HALFWORD_REVISION": facts_of(bundle)["revision"],
    }


# --- the steps ------------------------------------------------------------------------------------


def pytest(*words: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]


def find_sanitizer() -> str | None:
    """On PATH, or in CUDA's own folder."""
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which("compute-sanitizer") or shutil.which(f"{home}/bin/compute-sanitizer")


def sanitizer_steps(environment: dict[str, str]) -> list[Step]:
    """Without torch's cache of memory, so that each tensor is an allocation with bounds."""
    program = find_sanitizer()
    missing = "" if program else "compute-sanitizer is not here"
    bare = environment | {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    steps = []
    for tool, options in SANITIZERS.items():
        command = [program or "", "--tool", tool, *options, "--print-limit", "20",
                   "--error-exitcode", str(SANITIZER_FOUND),
                   *pytest("-k", SANITIZED_TESTS, *SANITIZED)]  # fmt: skip
        steps.append(Step(tool, command, 45, 20, missing, bare))
    return steps


def plan(bundle: Path, out: Path, device: Device) -> list[Step]:
    """All steps, most valuable first."""
    environment = environment_of(bundle)
    conformance = bundle / "conformance"
    no_conformance = "" if conformance.is_dir() else "its libraries are not in the build"
    if device.capability != (9, 0):
        no_conformance = no_conformance or "its libraries are for compute capability 9.0"
    ignored = [f"--ignore=tests/{name}" for name in IGNORED]
    workers = ["-n", "4"] if is_here("xdist") else []
    few_threads = environment | ({"OMP_NUM_THREADS": "4"} if workers else {})
    results = out / f"{re.sub(r'[^a-z0-9]+', '-', device.name.lower())}.json"
    tests = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("tests/softgpu/test_conformance_*"))
    python, on_cuda, on_cpu = sys.executable, "cuda and not softgpu", "not cuda and not softgpu"
    return [
        Step("doctor", [python, "-m", "halfword", "doctor"], 60, environment=environment),
        Step("tests on cuda",
             pytest("-k", on_cuda, *workers, f"--junitxml={out}/tests-cuda.xml", *ignored, "tests"),
             150, environment=few_threads),
        Step("conformance",
             pytest("-p", "tools.gpu_conformance", "--tb=short", "--maxfail=40",
                    f"--junitxml={out}/conformance.xml", *tests),
             60, 20, no_conformance, environment | {"GPU_CONFORMANCE": str(conformance)}),
        *sanitizer_steps(environment),
        Step("benchmarks",
             [python, "-m", "bench", "all", "--device", "cuda", "--seconds", gpu_steps.SECONDS,
              "--json", str(results)],
             240, 60, environment=environment),
        Step("tests on cpu",
             pytest("-k", on_cpu, *workers, f"--junitxml={out}/tests-cpu.xml", *ignored, "tests"),
             120, 30, environment=few_threads),
    ]  # fmt: skip


# --- all of it ------------------------------------------------------------------------------------


def report(out: Path, head: str, results: list[Result]) -> None:
    """Write what there is so far: a run that is cut off has not been in vain."""
    (out / "summary.txt").write_text(head + "\n" + summary(results))
    plain = [{k: v for k, v in asdict(result).items() if k != "output"} for result in results]
    (out / "summary.json").write_text(json.dumps({"about": head, "steps": plain}, indent=1) + "\n")
    gpu_steps.write_log(out / "log.txt", results)


def check(out: Path, build: Path | None, minutes: float, device: Device) -> bool:
    """Run everything; whether all is well."""
    end = time.monotonic() + 60 * minutes
    out.mkdir(parents=True, exist_ok=True)
    bundle = build_here() if build is None else build.resolve()
    ensure_core(bundle)
    facts = facts_of(bundle)
    head = f"{device.name}, Python {sys.version.split()[0]}, halfword of {facts['revision']}"
    if facts["digest"] != gpu_bundle.digest():
        head += ", BUILT FROM OTHER SOURCES than these"
    print(head, flush=True)
    results: list[Result] = []
    for result in gpu_steps.run_steps(plan(bundle, out.resolve(), device), end - time.monotonic()):
        results.append(result)
        print(summary([result]), end="", flush=True)
        report(out, head, results)
    print(gpu_steps.tails(results), end="")
    return gpu_steps.all_well(results)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--build", type=Path, metavar="FOLDER", help="of make gpu-bundle")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="default: %(default)s")
    args = parser.parse_args()
    os.chdir(ROOT)
    try:
        device = find_device()
        if device is None:
            print("gpu-check: skipped, torch finds no CUDA device here")
            return 0
        return 0 if check(args.out, args.build, args.minutes, device) else 1
    except (CannotRunError, gpu_bundle.BundleError) as error:
        print(f"gpu-check: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
