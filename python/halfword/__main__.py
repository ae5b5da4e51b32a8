"""Command line: ``python -m halfword doctor``."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from ._version import __version__
from .doctor import Report, examine

ABOUT = "What was built, what this machine has, and whether every kernel computes the right thing."
EXIT_OK, EXIT_PROBLEM = 0, 1  # argparse exits with 2 on a usage error


def lines(report: Report) -> Iterator[str]:
    """The report as text."""
    torch, build, isa = report["torch"], report["build"], report.get("isa")
    yield f"halfword {report['halfword']} in {report['location']}"
    yield f"python   {report['python']} on {report['system']}"
    if torch:
        cuda = f"CUDA {torch['cuda']}" if torch["cuda"] else "CPU only"
        yield (f"torch    {torch['version']} ({cuda}; needs {torch['oldest']} or newer), "
               f"{torch['threads']} threads")  # fmt: skip
    if build and isa:
        yield f"built by {build['compiler']}, {build['build_type']}"
        yield f"CUDA     {cuda_line(report['cuda'])}"
        features = [name for name, there in report["cpu"]["features"].items() if there]
        yield f"CPU      {report['cpu']['machine']} with {' '.join(features) or 'nothing special'}"
        yield f"uses     {isa['in_use']}: {isa['reason']} (has {', '.join(isa['supported'])})"
        yield "kernels"
        for entry in report.get("kernels", {}).values():
            results = ", ".join(f"{name} {result}" for name, result in entry["results"].items())
            yield f"  {entry['kernel']}: {results or 'not checked'}"
    for note in report["notes"]:
        yield f"note     {note['what']}; to change that: {note['fix']}"
    for found in report["problems"]:
        yield f"PROBLEM  {found['what']}"
        yield f"  fix    {found['fix']}"
    verdict = "all is well" if report["ok"] else f"{len(report['problems'])} to fix"
    yield f"{verdict} ({report['seconds']} s)"


def cuda_line(cuda: Report) -> str:
    if not cuda["built_for"]:
        return "not built"
    names = [device["name"] for device in cuda.get("devices", [])]
    found = ", ".join(names) or cuda.get("error") or "no device"
    return (
        f"{cuda['built_for']} for {', '.join(cuda['archs'])}; driver {cuda.get('driver')}; {found}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: all is well, 1: a problem, 2: not a command of ours."""
    parser = argparse.ArgumentParser(prog="python -m halfword", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("doctor", help="check this installation", description=ABOUT)
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    args = parser.parse_args(argv)
    report = examine()
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(lines(report)))
    return EXIT_OK if report["ok"] else EXIT_PROBLEM


if __name__ == "__main__":
    sys.exit(main())
