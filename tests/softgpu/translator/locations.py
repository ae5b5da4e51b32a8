"""Which line of the .cu source an instruction comes from: .file and .loc."""

from __future__ import annotations

import re

from .syntax import Place

_FILE = re.compile(r'^\s*\.file\s+(\d+)\s+"([^"]*)"', re.MULTILINE)
_LOC = re.compile(r"\.loc\s+(\d+)\s+(\d+)\s+(\d+)(?:.*inlined_at\s+(\d+)\s+(\d+)\s+(\d+))?")

# Lines inlined from these stand for nothing of their own: the caller's line is shown.
_WRAPPERS = re.compile(r"(^|/)ptx\.cuh$|/targets/[^/]+/include/|/cuda[^/]*/include/")

NOWHERE = Place("unknown.cu", 0)


class Locations:
    """Follows .loc directives in the order of the file."""

    def __init__(self, text: str):
        self._files = dict(_FILE.findall(text))
        self._callers: dict[tuple, tuple] = {}
        self.place = NOWHERE

    def advance(self, directive: str) -> None:
        """Take over a .loc; line 0 stands for code that no line is responsible for."""
        file, line, column, *caller = _LOC.match(directive).groups()
        here = (file, line, column)
        if caller[0] is not None:
            self._callers[here] = tuple(caller)
        else:
            self._callers.pop(here, None)
        if line != "0":
            self.place = self._visible(here)

    def _visible(self, here: tuple) -> Place:
        seen = set()
        while here in self._callers and here not in seen and self._is_wrapper(here):
            seen.add(here)
            here = self._callers[here]
        return Place(self._files.get(here[0], NOWHERE.file), int(here[1]))

    def _is_wrapper(self, here: tuple) -> bool:
        return _WRAPPERS.search(self._files.get(here[0], "")) is not None
