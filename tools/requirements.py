"""Prints what a part of the project needs: ``python tools/requirements.py build test``."""

import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]


def main(parts: list[str]) -> None:
    """One requirement a line; ``build`` is the build system's, the rest are extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    # scikit-build-core asks for these two only where pip isolates the build.
    lists = {"build": [*project["build-system"]["requires"], "cmake>=3.24", "ninja>=1.10"]}
    lists |= project["project"]["optional-dependencies"]
    for part in parts:
        print(*lists[part], sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
