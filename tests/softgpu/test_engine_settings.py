"""Settings of the software GPU that the environment gives."""

import os
import subprocess
import sys

SHOW = "from tests.softgpu import library; print([library.get(n) for n in {names}])"


def _python(code, **environment):
    variables = os.environ | {f"SOFTGPU_{name}": value for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=variables
    )


def test_the_environment_sets_the_adversary(softgpu):
    names = ["seed", "schedule", "landing", "race", "count", "resident_blocks", "patience"]
    shown = _python(
        SHOW.format(names=names),
        SEED="5",
        SCHEDULE="last-in",
        LANDING="mixed",
        RACE="1",
        COUNT="1",
        RESIDENT_BLOCKS="2",
        PATIENCE="1000",
    )
    assert shown.stdout.strip() == "[5, 'last-in', 'mixed', 1, 1, 2, 1000]", shown.stderr


def test_a_name_that_is_none_is_refused(softgpu):
    done = _python(SHOW.format(names=["seed"]), SCHEDULE="fifo")
    assert done.returncode != 0
    assert (
        "SOFTGPU_SCHEDULE must be one of first-in last-in random priority; got fifo" in done.stderr
    )
