"""Does one build of halfword work under every torch? ``python tools/check_torch_versions.py``

Builds one wheel, installs it beside each version of torch in a scratch environment under
build/torch, and runs the tests of the ops there. Only torch's own wheel is downloaded (0.2 to 1
GB): where it wants NVIDIA's libraries, empty ones that define the symbols it links to stand in, and
the CPU part works. Run it from an environment that `make test` has set up.
"""

import argparse
import re
import subprocess
import sys
import venv
from collections import defaultdict
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "torch"
DEFAULT = ["2.10.0", "2.12.0", "newest"]
# What the system has. Any other library that torch needs and does not bring is stood in for.
SYSTEM = re.compile(r"(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s|ld-linux.*)\.so\.\d+")
CUDA_ERROR_INSUFFICIENT_DRIVER = 35


def run(*command: object, **options: object) -> str:
    """Run a command and return its output; its failure is ours."""
    words = [str(word) for word in command]
    done = subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, **options)
    return done.stdout


def build_wheel() -> Path:
    """The one wheel that all versions get."""
    run(sys.executable, "-m", "pip", "wheel", "-qq", "--no-build-isolation", "--no-deps",
        "--wheel-dir", WORK, ROOT)  # fmt: skip
    return max(WORK.glob("halfword-*.whl"), key=lambda path: path.stat().st_mtime)


def make_environment(version: str) -> Path:
    """A virtual environment with that torch, without what the GPU part of torch needs."""
    home = WORK / version
    python = home / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "-qq")
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        run(*pip, "--no-deps", "torch" if version == "newest" else f"torch=={version}")
        script = "import importlib.metadata as m; print(*m.requires('torch'), sep='\\n')"
        needs = [line for line in run(python, "-c", script).splitlines() if ";" not in line]
        extra = run(sys.executable, ROOT / "tools" / "requirements.py", "test").splitlines()
        run(*pip, *needs, "setuptools", *extra)
        stand_in_for_cuda(next(home.glob("lib/python*/site-packages/torch/lib")))
        (home / "ready").touch()
    return python


def stand_in_for_cuda(folder: Path) -> None:
    """Write libraries that define every symbol which torch's own want from libraries not here."""
    libraries = sorted(folder.glob("*.so*"))
    present = {library.name for library in libraries}
    missing, versions = set(), {}
    for library in libraries:
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", library))
        missing |= {name for name in needed if name not in present and not SYSTEM.fullmatch(name)}
        for block in run("readelf", "-VW", library).split("File: ")[1:]:
            owner = block.split()[0]
            versions |= dict.fromkeys(re.findall(r"Name: (\S+)", block), owner)
    if not missing:
        return
    defined, wanted = set(), set()
    for library in libraries:
        for line in run("nm", "-D", library).splitlines():
            kind, symbol = line.split()[-2:]
            (wanted if kind in "Uwv" else defined).add(symbol.replace("@@", "@"))
    symbols: dict[str, list[tuple[str, str]]] = defaultdict(list)
    unversioned = {symbol.split("@")[0] for symbol in defined}
    for symbol in sorted(wanted):
        name, _, version = symbol.partition("@")
        owner = versions.get(version, min(missing))
        if owner in missing and name not in unversioned:
            symbols[owner].append((name, version))
    for library in sorted(missing):
        write_stand_in(folder / library, symbols[library])


def write_stand_in(path: Path, symbols: list[tuple[str, str]]) -> None:
    """A library whose functions all return "no driver"."""
    versions = defaultdict(list)
    lines = [".text"]
    for name, version in symbols:
        versions[version].append(name)
        lines += [f".globl {name}", f".type {name}, @function", f"{name}:"]
    lines += [f"mov ${CUDA_ERROR_INSUFFICIENT_DRIVER}, %eax", "ret", ""]
    script = "\n".join(f"{version} {{ global: {'; '.join(names)}; }};"
                       for version, names in versions.items() if version)  # fmt: skip
    source, map_file = path.with_suffix(".s"), path.with_suffix(".map")
    source.write_text("\n".join(lines))
    map_file.write_text(script)
    flags = [f"-Wl,--version-script={map_file}"] if script else []
    run("gcc", "-shared", "-nostdlib", f"-Wl,-soname={path.name}", *flags, "-o", path, source)


def test(version: str, wheel: Path) -> str:
    """Run the tests of the ops under that torch; the last line that pytest printed."""
    python = make_environment(version)
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps",
        "--force-reinstall", wheel)  # fmt: skip
    stems = [path.stem for path in (ROOT / "csrc" / "ops").glob("*.h")]
    tests = [path for stem in stems if (path := ROOT / "tests" / f"test_{stem}.py").exists()]
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    (WORK / f"{version}.log").write_text(done.stdout)
    result = done.stdout.strip().splitlines()[-1]
    return result if done.returncode == 0 else f"FAILED: {result} (see build/torch/{version}.log)"


def installed_torch(version: str) -> str:
    """What "newest" came to."""
    script = "import torch; print(torch.__version__)"
    return run(WORK / version / "bin" / "python", "-c", script).strip()


def main() -> int:
    """Test each version; the exit status is 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=DEFAULT, help="default: %(default)s")
    wheel = build_wheel()
    print(f"{wheel.name}, built beside torch {distribution('torch').version}")
    failed = False
    for version in parser.parse_args().versions:
        result = test(version, wheel)
        failed |= result.startswith("FAILED")
        print(f"torch {installed_torch(version)}: {result}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
