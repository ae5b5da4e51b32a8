"""Control flow. Calls are in calls.py."""

from ..table import Row

ROWS = [
    Row("bra{.uni}", "@target", "target"),
    Row("brx.idx{.uni}", "index:u32, @targets",
        'switch (index) { targets default: trap(self, "brx.idx past its targets", at); }'),
    Row("ret{.uni}", "", "goto leave;"),
    Row("exit", "", "goto leave;"),
    Row("trap", "", 'trap(self, "trap", at);'),
    Row("brkpt", "", 'trap(self, "brkpt", at);'),
    Row("nanosleep.u32", "a", "nanosleep(self, at);"),
    Row("pmevent", "#a", ""),
    Row("setmaxnreg.direction.sync.aligned.u32", "#count", "", {"count": range(24, 257, 8)},
        direction=("inc", "dec")),
    Row("griddepcontrol.what", "", "", what=("launch_dependents", "wait")),
]  # fmt: skip
