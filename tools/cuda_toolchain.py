"""Where is nvcc? ``python tools/cuda_toolchain.py [--install]`` prints its path.

Looked for in CUDACXX, on PATH, and in the environment of this Python, where ``--install`` puts
CUDA's compiler and static runtime from the package index (280 MB unpacked) if there is no other.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

RELEASE = "13.0"
# nvcc itself, its headers, its back end, the runtime that we link, and the C++ headers of the
# runtime's headers. Each is pinned: pip would take the newest back end, which nvcc does not know.
PACKAGES = [
    f"{name}=={RELEASE}.*"
    for name in (
        *("nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-nvvm"),
        *("nvidia-cuda-runtime", "nvidia-cuda-cccl"),
    )
]


SITE = Path(sysconfig.get_path("purelib"))


def find_nvcc() -> Path | None:
    """The nvcc to use, or None."""
    named = os.environ.get("CUDACXX")
    found = shutil.which(named) if named else shutil.which("nvcc")
    if found:
        return Path(found)
    return min(SITE.glob("nvidia/*/bin/nvcc"), default=None)


def install() -> None:
    """Put nvcc and what it needs into the environment of this Python."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    subprocess.run([*pip, *PACKAGES], check=True, stdout=sys.stderr)
    for library in SITE.glob("nvidia/*/lib"):
        # nvcc links from lib64, the packages have lib.
        if (library / "libcudart_static.a").exists() and not library.with_name("lib64").exists():
            library.with_name("lib64").symlink_to("lib")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="install it where there is none")
    args = parser.parse_args()
    if args.install and find_nvcc() is None:
        install()
    nvcc = find_nvcc()
    if nvcc is None:
        print("no nvcc in CUDACXX, on PATH or in this Python's environment", file=sys.stderr)
        return 1
    print(nvcc)
    return 0


if __name__ == "__main__":
    sys.exit(main())
