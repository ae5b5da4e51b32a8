"""Builds the software GPU and libraries of kernels: ``python -m tests.softgpu.build [target ...]``

A build that is up to date takes a moment. It needs nvcc, cmake, ninja and g++.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tools.cuda_toolchain import find_nvcc

SOURCE = Path(__file__).resolve().parent
# Where to build, if not in the checkout's own folder.
TREE = Path(os.environ.get("SOFTGPU_TREE", SOURCE.parents[1] / "build" / "softgpu"))


class BuildError(Exception):
    """The build failed; the message is the compiler's."""


class NoCompilerError(Exception):
    """There is no nvcc here, so that nothing can be built."""


def build(*targets: str) -> Path:
    """Bring targets up to date, all of them by default; returns the folder of the libraries.

    Raises:
        NoCompilerError: there is no nvcc.
        BuildError: with the output of the command that failed.
    """
    return _build(targets)


@cache  # a test session builds a target once
def _build(targets: tuple[str, ...]) -> Path:
    nvcc = find_nvcc()
    if nvcc is None:
        raise NoCompilerError("needs nvcc: CUDACXX, PATH, or `tools/cuda_toolchain.py --install`")
    TREE.mkdir(parents=True, exist_ok=True)
    with open(TREE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (TREE / "build.ninja").exists() or _configured_with() != str(nvcc):
            _run("cmake", "-S", SOURCE, "-B", TREE, "-G", "Ninja", f"-DSOFTGPU_NVCC={nvcc}",
                 f"-DSOFTGPU_PYTHON={sys.executable}")  # fmt: skip
        _run("cmake", "--build", TREE, *(["--target", *targets] if targets else []))
    return TREE


def _configured_with() -> str | None:
    """The nvcc of the tree as it is."""
    for line in (TREE / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("SOFTGPU_NVCC:"):
            return line.partition("=")[2]
    return None


def tool_environment() -> dict[str, str]:
    """Ours, with this Python's own tools found first: ninja and cmake may be there."""
    tools = str(Path(sys.executable).parent)
    return os.environ | {"PATH": os.pathsep.join([tools, os.environ["PATH"]])}


def _run(*command: object) -> None:
    environment = tool_environment()
    words = [str(word) for word in command]
    if shutil.which(words[0], path=environment["PATH"]) is None:
        raise BuildError(f"softgpu: needs {words[0]} on PATH")
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        output = done.stdout + done.stderr
        raise BuildError(output[max(0, output.find("FAILED: ")) :])


def main() -> int:
    try:
        print(build(*sys.argv[1:]))
    except (BuildError, NoCompilerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
