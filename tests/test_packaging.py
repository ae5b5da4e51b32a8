"""What is in the wheel and the sdist, and what the libraries in it ask of a machine.

CUDA is in the wheel where nvcc is. It is built in the same tree as `pip install .`, so that little
is compiled twice.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

import halfword
from tools.cuda_toolchain import find_nvcc

ROOT = Path(__file__).resolve().parents[1]
VERSION = halfword.__version__
NVCC = find_nvcc()
pytestmark = pytest.mark.timeout(900)  # the first test compiles everything, CUDA included
# For one architecture: all of them take minutes, and differ in machine code only.
WITH_CUDA = {"HALFWORD_CUDA": "AUTO", "HALFWORD_CUDA_ARCHS": "90-virtual"}
MACHINE_PATHS = re.compile(rb"/(?:home|root|tmp|build|work|usr/local/cuda)[\w.-]*/[\w./-]+")

# The oldest system that a library runs on, as built with gcc 11 or 12. GLIBCXX_3.4.29 is gcc 11's.
# The CPU library takes nothing new from glibc. _core does, through pybind11's std::shared_ptr, and
# so does the static CUDA runtime; both take what the build machine offers.
OLDEST = {
    "libhalfword_cpu.so": {"GLIBC": (2, 14), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 11)},
    "_core.so": {"GLIBC": (2, 32), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13)},
    "libhalfword_cuda.so": {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 9)},
}
SYSTEM = {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"}
NEEDED = {
    "libhalfword_cpu.so": {"libtorch.so"},
    "_core.so": {"libhalfword_cpu.so"},
    "libhalfword_cuda.so": {"libtorch.so"},
}


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The path of a source distribution of this tree."""
    folder = tmp_path_factory.mktemp("sdist")
    script = f"import scikit_build_core.build as b; b.build_sdist({str(folder)!r})"
    run(sys.executable, "-c", script, cwd=ROOT)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of a wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "-qq", "--no-build-isolation", "--no-deps"),
        *("--wheel-dir", folder, ROOT),
        env=os.environ | WITH_CUDA | ({"CUDACXX": str(NVCC)} if NVCC else {}),
    )
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def libraries(wheel, tmp_path_factory):
    """The shared libraries of the wheel: their names, without Python's tag, and paths."""
    folder = tmp_path_factory.mktemp("libraries")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    paths = sorted((folder / "halfword").glob("*.so"))
    return {re.sub(r"\.cpython.*\.so", ".so", path.name): path for path in paths}


def python_files():
    package = ROOT / "python" / "halfword"
    files = [p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return {str(path.relative_to(package.parent)) for path in files}


def test_wheel_is_the_package_and_its_libraries(wheel, libraries):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = {name for name in names if name.startswith(f"halfword-{VERSION}.dist-info/")}
    expected = python_files() | {f"halfword/{path.name}" for path in libraries.values()}
    assert names - metadata == expected
    assert {Path(name).name for name in metadata} == {
        *("METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt")
    }
    assert set(libraries) == set(NEEDED) - (set() if NVCC else {"libhalfword_cuda.so"})
    assert "halfword/py.typed" in names


def test_sdist_is_what_the_build_needs(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    sources = {
        str(path.relative_to(ROOT))
        for folder in ("cmake", "csrc", "python")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    top = {"CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert names == sources | top


def test_libraries_need_nothing_but_torch_and_the_system(libraries):
    for name, path in libraries.items():
        needed = set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", path)))
        assert NEEDED[name] <= needed, name
        assert needed <= NEEDED[name] | SYSTEM, name


def test_libraries_run_on_old_systems(libraries):
    for name, path in libraries.items():
        newest = {}
        for family, number in re.findall(r"\b(\w+)_([\d.]+)\b", run("objdump", "-T", path)):
            version = tuple(map(int, number.strip(".").split(".")))
            newest[family] = max(newest.get(family, ()), version)
        for family, version in newest.items():
            if family in ("GLIBC", "GLIBCXX", "CXXABI"):
                assert version <= OLDEST[name][family], f"{name} needs {family}_{version}"


def undefined(path):
    """Names of the symbols without a version that a library takes from elsewhere."""
    lines = run("nm", "-D", "--undefined-only", path).splitlines()
    return {line.split()[-1] for line in lines if "@" not in line}


def test_cpu_library_takes_from_torch_what_its_header_declares(libraries):
    header = (ROOT / "csrc" / "binding" / "torch_abi.h").read_text()
    declared = set(re.findall(r"(\w+)\(", header))
    hooks = {"__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable"}
    assert undefined(libraries["libhalfword_cpu.so"]) - hooks <= declared


def test_libraries_hold_no_path_of_the_build_machine(libraries):
    for name, path in libraries.items():
        assert MACHINE_PATHS.findall(path.read_bytes()) == [], name
        assert str(ROOT).encode() not in path.read_bytes(), name


def test_isa_objects_share_no_inline_function(wheel):
    """The linker keeps one copy of a weak symbol: an AVX one would crash machines without AVX."""
    tree = ROOT / "build" / wheel.stem.split("-", 2)[2]
    sources = sorted((ROOT / "csrc" / "cpu").glob("*_avx*.cpp"))
    assert sources
    for source in sources:
        (compiled,) = tree.rglob(f"{source.name}.o")
        symbols = run("nm", "-C", compiled).splitlines()
        weak = [line for line in symbols if re.search(" [WVu] ", line)]
        assert weak == [], source.name


@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
def test_cuda_library_exports_its_c_functions_only(libraries):
    """And, weakly, the standard library's templates: g++ gives them away."""
    lines = run("nm", "-D", "--defined-only", libraries["libhalfword_cuda.so"]).splitlines()
    strong = [line.split()[-1] for line in lines if line.split()[-2] not in "Wu"]
    asked = ("runtime_version", "driver_version", "device_count", "device", "error_text")
    assert set(strong) == {
        "halfword_forget_adam_plan",
        "halfword_gemm_int8_plan",
        "halfword_gemm_w4a16_plan",
        "halfword_gemm_w4a8_plan",
        *(f"halfword_cuda_{name}" for name in asked),
    }


@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
def test_cuda_library_loads_and_reports_with_and_without_a_driver(libraries):
    path = libraries["libhalfword_cuda.so"].parents[1]
    ask = "import json; from halfword import _cuda; print(json.dumps(_cuda.device_info()))"
    search = os.pathsep.join([str(path), site_packages()])
    environment = os.environ | {"PYTHONPATH": search}  # -S: no editable halfword before it
    info = json.loads(run(sys.executable, "-S", "-c", ask, env=environment))
    release = re.search(r"release ([\d.]+)", run(NVCC, "--version")).group(1)
    assert info["built_for"] == release
    assert info["archs"] == ["compute_90"]
    assert (info["error"] is None) == bool(info["devices"])
    if not Path("/dev/nvidiactl").exists():
        assert info["driver"] is None
        assert "driver" in info["error"]


def site_packages():
    return str(Path(torch.__file__).parents[1])


def configure(tmp_path, cuda):
    """Run only CMake's configure step, with a PATH that has no nvcc."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("g++", "gcc", "cc", "c++", "ld", "as", "ar", "ranlib", "nm", "ninja", "make"):
        if (path := shutil.which(name)) is not None:
            (tools / name).symlink_to(path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CUDA")}
    done = subprocess.run(
        [shutil.which("cmake"), "-S", str(ROOT), "-B", str(tmp_path / "tree"),
         f"-DHALFWORD_CUDA={cuda}", f"-DPython_EXECUTABLE={sys.executable}",
         f"-Dpybind11_DIR={run(sys.executable, '-m', 'pybind11', '--cmakedir').strip()}"],
        env=environment | {"PATH": str(tools)}, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_cuda_on_without_nvcc_is_an_error_that_says_what_to_do(tmp_path):
    status, output = configure(tmp_path, "ON")
    assert status != 0
    assert "HALFWORD_CUDA=ON, but found no nvcc. Put a newer nvcc on PATH" in output


def test_cuda_auto_without_nvcc_builds_for_the_cpu_and_says_so(tmp_path):
    status, output = configure(tmp_path, "AUTO")
    assert status == 0
    assert (
        "CPU kernels for portable, avx2, avxvnni, avx512, avx512vnni, avx512bf16; no CUDA part"
        in output
    )
    assert "(found no nvcc)" in output


def test_cuda_of_another_value_is_an_error(tmp_path):
    status, output = configure(tmp_path, "yes")
    assert status != 0
    assert "HALFWORD_CUDA must be AUTO, ON or OFF; got 'yes'" in output


@pytest.mark.slow  # pip takes the machine's own CMake here, where it has one
def test_pip_builds_without_torch_in_the_environment(sdist, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    environment = os.environ | {"HALFWORD_CUDA": "OFF"}
    pip = (python, "-m", "pip", "install", "-qq", "--no-deps")
    run(*pip, sdist, env=environment, cwd=tmp_path)
    installed = run(python, "-m", "pip", "list", "--format=freeze")
    assert f"halfword=={VERSION}" in installed
    assert "torch" not in installed
    # It works when a torch comes later: this one's environment, searched after its own.
    ask = "import halfword; print(halfword.__file__)"
    late = f"import sys; sys.path.append({site_packages()!r}); {ask}"
    assert str(tmp_path) in run(python, "-c", late, cwd=tmp_path)
