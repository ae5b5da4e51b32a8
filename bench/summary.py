"""All rows of a file of results, summed up by group: ``python -m bench.summary FILE``.

A bench sums up its own run; a file may hold several.
"""

import json
import sys
from pathlib import Path
from typing import Any

from .report import Line, RowReport, console, print_summary, summarize
from .timing import Spread

DERIVED = {"best_rival", "verdict"}  # in the file for its readers


def row_of(entry: dict[str, Any]) -> RowReport:
    """A row as it was before it was written."""
    fields = {key: value for key, value in entry.items() if key not in DERIVED}
    return RowReport(**{**fields, "lines": [line_of(line) for line in entry["lines"]]})


def line_of(entry: dict[str, Any]) -> Line:
    fields = {key: value for key, value in entry.items() if key not in DERIVED}
    for key in ("seconds", "host_seconds", "speedup"):
        fields[key] = None if fields[key] is None else Spread(**fields[key])
    return Line(**fields)


def main(path: str) -> None:
    benches = json.loads(Path(path).read_text())
    rows = [row_of(row) for bench in benches for row in bench["rows"]]
    print_summary(console(), summarize(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
