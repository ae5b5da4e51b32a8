"""Builds what a machine with a GPU needs, into a folder to carry there: ``make gpu-bundle``.

    bundle.json            of which sources, by which compilers, for which Python
    python/halfword/       the package, with its libraries for every GPU and `_core` for one Python
    include/pybind11/      to build `_core` there, where that Python is another one
    site/<package>/        what the tests import, a folder each; those that are missing there serve
    conformance/           the kernels of tests/softgpu/conformance, compiled for sm_90a

Nothing of it needs a network to be used; see docs/gpu.md.
"""

import argparse
import hashlib
import importlib.metadata as metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cuda_toolchain import find_nvcc  # noqa: E402

# What the tests and the doctor import beside torch and numpy, whose absence nothing here can mend.
PACKAGES = ("pytest", "pytest-timeout", "hypothesis", "expecttest", "rich", "typer", "psutil")
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 17, 12, 5)]
SOURCES = ("csrc", "cmake", "python", "CMakeLists.txt")
CONFORMANCE_PARTS = ("scalar", "async", "tensor")
CONFORMANCE_FLAGS = [
    *("-std=c++20", "--fmad=false", "-O2", "-Xcompiler=-fPIC,-fvisibility=hidden"),
    *("-gencode", "arch=compute_90a,code=sm_90a"),
]
ABOUT = (
    "import json, sys, sysconfig as s; print(json.dumps([sys.executable, s.get_path('include')]))"
)


class BundleError(Exception):
    """Something that the bundle needs is not here."""


def run(*command: object, cwd: Path = ROOT) -> str:
    """Run a command; what it printed, or a BundleError with that."""
    words = [str(word) for word in command]
    tools = str(Path(sys.executable).parent)  # cmake and ninja may be this environment's
    environment = os.environ | {"PATH": os.pathsep.join([tools, os.environ["PATH"]])}
    try:
        done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise BundleError(f"cannot run {words[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise BundleError(f"{' '.join(words[:4])} ... failed:\n{done.stdout}{done.stderr}")
    return done.stdout


# --- the package ----------------------------------------------------------------------------------


def find_python(version: str) -> Path:
    """An interpreter of that version (3.12) with its headers: here, on PATH, pyenv's, or uv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates: list[str | Path | None] = [
        sys.executable if sys.version.startswith(f"{version}.") else None,
        shutil.which(f"python{version}"),
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")),
    ]
    if shutil.which("uv"):
        found = subprocess.run(["uv", "python", "find", version], capture_output=True, text=True)
        candidates.append(found.stdout.strip())
    for candidate in filter(None, candidates):
        done = subprocess.run([candidate, "-c", ABOUT], capture_output=True, text=True)
        if done.returncode == 0:
            executable, include = json.loads(done.stdout)
            if (Path(include) / "Python.h").exists():
                return Path(executable)
    raise BundleError(
        f"found no Python {version} with headers here; the GPU machine will have to build _core"
    )


def build_package(python: Path, tree: Path, folder: Path) -> dict[str, str]:
    """Build the libraries and `_core`, and put the package together in `folder`/halfword. Returns
    what they were built from, for bundle.json."""
    sources = {"revision": revision(), "digest": digest()}
    cmake_files = run(sys.executable, "-m", "pybind11", "--cmakedir").strip()
    generator = ["-G", "Ninja"] if find_tool("ninja") else []
    said = run("cmake", "-S", ROOT, "-B", tree, *generator, "-DHALFWORD_CUDA=ON",
               f"-DPython_EXECUTABLE={python}", f"-Dpybind11_DIR={cmake_files}")  # fmt: skip
    run("cmake", "--build", tree, "--parallel", os.cpu_count() or 1)
    package = folder / "halfword"
    shutil.rmtree(package, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "python" / "halfword", package, ignore=ignore)
    run("cmake", "--install", tree, "--component", "python", "--prefix", package)
    if digest() != sources["digest"]:
        raise BundleError("the sources changed during the build: build again")
    cuda = re.search(r"CUDA (\S+) part for (.+)", said)
    version, archs = cuda.groups() if cuda else ("", "")
    return {**sources, "cuda": version, "cuda_archs": archs}


def find_tool(name: str) -> str | None:
    """On PATH, or beside this Python."""
    return shutil.which(name) or shutil.which(str(Path(sys.executable).with_name(name)))


def digest() -> str:
    """Of all sources that the package is made from: is a bundle of the tree as it is?"""
    state = hashlib.sha256()
    for name in SOURCES:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".so":
                state.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


# --- what the tests need --------------------------------------------------------------------------


def needed_packages(version: str) -> dict[str, str]:
    """PACKAGES and what they need, as this environment has them: name to version."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    waiting = list(PACKAGES)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise BundleError(f"needs {name} in this environment: make test") from None
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            target = {"python_version": version, "python_full_version": f"{version}.0", "extra": ""}
            if requirement.marker is None or requirement.marker.evaluate(target):
                waiting.append(requirement.name)
    return found


def carry_packages(version: str, folder: Path) -> None:
    """Each into a folder of its own, built for that Python."""
    shutil.rmtree(folder, ignore_errors=True)
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    for name, release in needed_packages(version).items():
        run(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq",
            "--no-deps", "--no-compile", "--only-binary=:all:", "--python-version", version,
            "--implementation", "cp", *platforms, "--target", folder / name,
            f"{name}=={release}")  # fmt: skip


# --- conformance ----------------------------------------------------------------------------------


def conformance_sources(part: str, generated: Path) -> Iterator[Path]:
    """The .cu files of one part: written by hand, then generated."""
    softgpu = ROOT / "tests" / "softgpu"
    yield from sorted((softgpu / "conformance").glob(f"{part}*.cu"))
    if (softgpu / "conformance" / f"{part}_generate.py").exists():
        run(sys.executable, "-m", f"tests.softgpu.conformance.{part}_generate", generated)
        yield from sorted(generated.glob("*.cu"))


def build_conformance(nvcc: Path, tree: Path, folder: Path) -> None:
    """A library for each part, as tests/softgpu/CMakeLists.txt has them, by nvcc alone."""
    for each in (tree, folder):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    include = f"-I{ROOT / 'tests' / 'softgpu'}"

    def compile_one(source: Path) -> Path:
        object_file = tree / f"{source.stem}.o"
        run(nvcc, *CONFORMANCE_FLAGS, include, "-c", source, "-o", object_file)
        return object_file

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in CONFORMANCE_PARTS:
            generated = tree / part
            generated.mkdir()
            objects = list(pool.map(compile_one, conformance_sources(part, generated)))
            run(nvcc, "-shared", *objects, "-o", folder / f"libsoftgpu_{part}.so")


# --- all of it ------------------------------------------------------------------------------------


def revision() -> str:
    try:
        return run("git", "describe", "--always", "--dirty", "--abbrev=12", "--match=").strip()
    except BundleError:
        return "unknown"


def make_bundle(version: str, folder: Path, conformance: bool) -> None:
    nvcc = find_nvcc()
    if nvcc is None:
        raise BundleError("needs nvcc: CUDACXX, PATH, or `tools/cuda_toolchain.py --install`")
    os.environ["CUDACXX"] = str(nvcc)
    try:
        python = find_python(version)
    except BundleError as error:
        print(error, file=sys.stderr)
        python = Path(sys.executable)
    tree = ROOT / "build" / "gpu"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"building for {python}")
    facts = build_package(python, tree / f"cp{version.replace('.', '')}", folder / "python")
    pybind11 = Path(run(sys.executable, "-m", "pybind11", "--includes").split("-I")[-1].strip())
    shutil.copytree(pybind11 / "pybind11", folder / "include" / "pybind11", dirs_exist_ok=True)
    print("packages for the tests")
    carry_packages(version, folder / "site")
    if conformance:
        print("conformance kernels")
        build_conformance(nvcc, tree / "conformance", folder / "conformance")
    facts["python"] = version
    (folder / "bundle.json").write_text(json.dumps(facts, indent=1) + "\n")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 2**20:.0f} MiB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default="3.12", help="of the GPU machine; default: %(default)s")
    parser.add_argument("--to", type=Path, default=ROOT / ".gpu-bundle", metavar="FOLDER")
    parser.add_argument("--conformance", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    try:
        make_bundle(args.python, args.to.resolve(), args.conformance)
    except BundleError as error:
        print(f"gpu-bundle: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
