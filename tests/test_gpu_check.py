"""The check of a GPU machine plans, limits and sums up as it says, seen without a GPU."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # tools are not installed

from tools import gpu_bundle, gpu_check, gpu_steps  # noqa: E402
from tools.gpu_steps import FAILED, PASSED, SKIPPED, STOPPED, Finished, Result, Step  # noqa: E402


class Machine:
    """Runs nothing: a command's first word is the seconds that it takes, its second the status."""

    def __init__(self):
        self.now = 0.0
        self.commands = []

    def clock(self):
        return self.now

    def run(self, command, environment, limit_s):
        self.commands.append(command)
        needed, status = float(command[0]), int(command[1])
        self.now += min(needed, limit_s)
        if needed > limit_s:
            return Finished(None, "half of it")
        return Finished(status, f"first\n== {status} failed in {needed:.0f}s ==\n\n")


def run(steps, total_s=100.0):
    machine = Machine()
    results = list(gpu_steps.run_steps(steps, total_s, machine.run, machine.clock))
    return {result.name: result for result in results}, machine


def states(results):
    return {name: result.state for name, result in results.items()}


# Steps and their limits.


def test_a_failure_does_not_stop_the_steps_after_it():
    results, _ = run([Step("a", ["5", "1"], 10), Step("b", ["5", "0"], 10)])
    assert states(results) == {"a": FAILED, "b": PASSED}
    assert results["a"].note == "1 failed in 5s"


def test_a_step_is_stopped_at_its_own_limit():
    results, machine = run([Step("a", ["50", "0"], 10), Step("b", ["5", "0"], 10)])
    assert states(results) == {"a": STOPPED, "b": PASSED}
    assert results["a"].note == "stopped after 10 s; half of it"
    assert machine.now == 15


def test_the_time_left_limits_a_step_and_skips_one_that_needs_more():
    steps = [
        Step("a", ["70", "0"], 80),
        Step("b", ["50", "0"], 60),
        Step("c", ["1", "0"], 10, least_s=5),
    ]
    results, machine = run(steps)
    assert states(results) == {"a": PASSED, "b": STOPPED, "c": SKIPPED}
    assert results["c"].note == "needs 5 s, 0 s are left"
    assert machine.now == 100


def test_a_step_that_lacks_something_is_skipped_and_says_what():
    results, machine = run([Step("a", ["1", "0"], 10, missing="no sanitizer here")])
    assert (results["a"].state, results["a"].note) == (SKIPPED, "no sanitizer here")
    assert machine.commands == []


def test_a_program_that_plans_is_told_its_seconds():
    steps = [Step("a", ["60", "0"], 60), Step("b", ["1", "0", gpu_steps.SECONDS], 240)]
    _, machine = run(steps)
    assert machine.commands[1][2] == "25"  # 40 are left, some to finish


@pytest.mark.parametrize(
    ("found", "well"),
    [
        ([PASSED, SKIPPED], True),
        ([PASSED, FAILED], False),
        ([PASSED, STOPPED], False),
        ([SKIPPED], False),
        ([], False),
    ],
)
def test_all_is_well_if_something_passed_and_nothing_did_not(found, well):
    assert gpu_steps.all_well([Result("x", state, 0.0, "") for state in found]) is well


def test_the_summary_has_a_line_for_each_step():
    results = [Result("a", PASSED, 1.26, "3 passed"), Result("b", SKIPPED, 0.0, "no library")]
    first, second = gpu_steps.summary(results).splitlines()
    assert first.split() == ["passed", "a", "1.3", "s", "3", "passed"]
    assert second.endswith("no library")


# Real processes.


def test_a_command_gives_its_output_and_status():
    script = "import os, sys; print(os.environ['WORD']); print('err', file=sys.stderr); sys.exit(3)"
    done = gpu_steps.run_command([sys.executable, "-c", script], {"WORD": "out"}, 60)
    assert done.status == 3
    assert set(done.output.split()) == {"out", "err"}


def test_a_command_that_is_not_there_fails():
    done = gpu_steps.run_command(["no-such-program"], {}, 10)
    assert done.status == 127
    assert "no-such-program" in done.output


CHILD = "import time; time.sleep(600)"
PARENT = """
import pathlib, subprocess, sys, time
try:
    child = subprocess.Popen([sys.executable, "-c", {child!r}])
    print("child", child.pid, flush=True)
    pathlib.Path({begun!r}).touch()
    time.sleep(600)
except KeyboardInterrupt:
    print("asked to end", flush=True)
"""


def test_a_late_command_is_asked_to_end_and_its_children_end_with_it(monkeypatch, tmp_path):
    begun = tmp_path / "begun"

    class Late(subprocess.Popen):
        """Its limit is over as soon as it has begun."""

        def communicate(self, input=None, timeout=None):
            while self.poll() is None and not begun.exists():
                time.sleep(0.01)
            return super().communicate(input, timeout)

    monkeypatch.setattr(subprocess, "Popen", Late)
    monkeypatch.setattr(gpu_steps, "GRACE_S", 60.0)
    command = [sys.executable, "-c", PARENT.format(child=CHILD, begun=str(begun))]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as shells do for what is in background
    try:
        done = gpu_steps.run_command(command, {}, 0.0)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.status is None
    lines = done.output.splitlines()
    assert "asked to end" in lines
    child = next(int(line.split()[1]) for line in lines if line.startswith("child"))
    while is_running(child):
        time.sleep(0.01)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# The plan.


@pytest.fixture
def bundle(tmp_path):
    """What make_bundle leaves, with nothing in it."""
    folder = tmp_path / "bundle"
    (folder / "python" / "halfword").mkdir(parents=True)
    facts = {"revision": "abc", "digest": gpu_bundle.digest(), "cuda": "13.0", "cuda_archs": "x"}
    (folder / "bundle.json").write_text(json.dumps(facts))
    return folder


def plan(bundle, tmp_path, capability=(9, 0)):
    device = gpu_check.Device("NVIDIA H100 80GB HBM3", capability)
    steps = gpu_check.plan(bundle, tmp_path / "out", device)
    return {step.name: step for step in steps}


def test_conformance_needs_its_libraries_and_a_hopper_gpu(bundle, tmp_path):
    step = plan(bundle, tmp_path)["conformance"]
    assert step.missing == "its libraries are not in the build"
    (bundle / "conformance").mkdir()
    assert plan(bundle, tmp_path)["conformance"].missing == ""
    step = plan(bundle, tmp_path, capability=(8, 0))["conformance"]
    assert "9.0" in step.missing


def test_sanitizers_are_skipped_where_there_is_none(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert plan(bundle, tmp_path)["racecheck"].missing
    program = tmp_path / "bin" / "compute-sanitizer"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)
    step = plan(bundle, tmp_path)["racecheck"]
    assert step.missing == ""
    assert step.command[:3] == [str(program), "--tool", "racecheck"]


def test_the_steps_fit_in_the_time_if_they_take_half_their_limits(bundle, tmp_path):
    steps = plan(bundle, tmp_path).values()
    assert sum(step.limit_s for step in steps) / 2 < 60 * gpu_check.MINUTES
    assert list(plan(bundle, tmp_path)) == [
        *("doctor", "tests on cuda", "conformance", "memcheck", "racecheck", "synccheck"),
        *("benchmarks", "tests on cpu"),
    ]


def test_results_are_named_for_the_device_and_are_few(bundle, tmp_path):
    out = str(tmp_path / "out")
    words = itertools.chain(*(s.command for s in plan(bundle, tmp_path).values()))
    files = {Path(word.rpartition("=")[2]).name for word in words if out in word}
    files |= {"summary.txt", "summary.json", "log.txt"}
    assert "nvidia-h100-80gb-hbm3.json" in files
    assert len(files) <= 8


def test_what_is_named_in_the_plan_exists(bundle, tmp_path):
    for name in gpu_check.IGNORED:
        assert (ROOT / "tests" / name).exists(), name
    for name in gpu_check.SANITIZED:
        assert (ROOT / name).exists(), name
    command = plan(bundle, tmp_path)["conformance"].command
    assert [word for word in command if word.startswith("tests/softgpu/test_conformance_")]


def test_every_sanitized_test_is_there():
    """The names in the expression, for any device."""
    expression = gpu_check.SANITIZED_TESTS.replace("cuda and", "cpu-portable and")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-k", expression]
    done = subprocess.run(
        [*command, *gpu_check.SANITIZED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = set("_".join(done.stdout.split()).split("::"))
    for word in ("memory_beside", "list_is_as", "one_step_counter", "expanded", "past_float32",
                 "every_pair_of_strides", "trackers_are_optional"):  # fmt: skip
        assert any(word in name for name in names), word
    assert 10 <= done.stdout.count("::") <= 60


# The bundle.


def test_only_packages_that_are_missing_here_are_taken_from_the_bundle(bundle):
    for package, module in (("pytest", "pytest"), ("nowhere", "nowhere_to_be_found")):
        (bundle / "site" / package / module).mkdir(parents=True)
        (bundle / "site" / package / f"{package}-1.0.dist-info").mkdir()
    path = gpu_check.environment_of(bundle)["PYTHONPATH"].split(os.pathsep)
    assert path[:2] == [str(bundle / "python"), str(bundle / "site" / "nowhere")]


def test_a_missing_core_is_built_or_the_missing_headers_are_named(bundle, monkeypatch):
    monkeypatch.setattr(gpu_check.sysconfig, "get_path", lambda name: str(bundle / "nothing"))
    with pytest.raises(gpu_check.CannotRunError, match=r"its headers are not here .*Python\.h"):
        gpu_check.ensure_core(bundle)
    suffix = gpu_check.sysconfig.get_config_var("EXT_SUFFIX")
    (bundle / "python" / "halfword" / f"_core{suffix}").write_text("")
    gpu_check.ensure_core(bundle)


def test_the_packages_for_the_tests_are_known_with_all_that_they_need():
    needed = gpu_bundle.needed_packages("3.12")
    assert set(gpu_bundle.PACKAGES) <= set(needed)
    assert {"pluggy", "iniconfig", "markdown-it-py"} <= set(needed)
    assert "torch" not in needed


def test_the_digest_sees_a_changed_source(tmp_path, monkeypatch):
    for name in ("csrc/a.cu", "cmake/b.cmake", "python/c.py", "CMakeLists.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(gpu_bundle, "ROOT", tmp_path)
    before = gpu_bundle.digest()
    (tmp_path / "python" / "built.so").write_text("2")
    assert gpu_bundle.digest() == before
    (tmp_path / "csrc" / "a.cu").write_text("2")
    assert gpu_bundle.digest() != before


def test_a_python_without_headers_is_not_built_for(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(gpu_bundle.BundleError, match=r"found no Python 3\.99 with headers"):
        gpu_bundle.find_python("3.99")


def test_a_folder_that_is_no_bundle_is_named(tmp_path):
    with pytest.raises(gpu_check.CannotRunError, match=r"has no bundle\.json: make gpu-bundle"):
        gpu_check.facts_of(tmp_path)


# The whole.


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(gpu_check, "find_device", lambda: None)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--out", str(tmp_path / "out")])
    monkeypatch.chdir(tmp_path)
    assert gpu_check.main() == 0
    assert capsys.readouterr().out == "gpu-check: skipped, torch finds no CUDA device here\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("last", "status"), [("pass", 0), ("fail", 1)])
def test_results_are_written_after_every_step(last, status, bundle, monkeypatch, capsys, tmp_path):
    script = f"print('it did {last}'); raise SystemExit({status})"
    steps = [
        Step("first", [sys.executable, "-c", "print('fine')"], 30),
        Step("last", [sys.executable, "-c", script], 30),
    ]
    out = tmp_path / "out"
    monkeypatch.setattr(gpu_check, "find_device", lambda: gpu_check.Device("Some GPU", (9, 0)))
    monkeypatch.setattr(gpu_check, "plan", lambda *args: steps)
    monkeypatch.setattr(gpu_check, "ensure_core", lambda bundle: None)
    words = ["gpu_check.py", "--out", str(out), "--build", str(bundle)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.chdir(ROOT)
    assert gpu_check.main() == status
    assert f"it did {last}" in (out / "summary.txt").read_text()
    found = json.loads((out / "summary.json").read_text())
    assert [step["state"] for step in found["steps"]] == ["passed", f"{last}ed"]
    assert "abc" in found["about"]
    assert "==== first\nfine" in (out / "log.txt").read_text()
    output = capsys.readouterr().out
    assert "OTHER SOURCES" not in output
    assert ("==== last" in output) == (status != 0)


def test_a_python_without_torch_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_check, "PROBE", "import no_such_torch")
    with pytest.raises(gpu_check.CannotRunError, match="No module named 'no_such_torch'"):
        gpu_check.find_device()


def test_a_device_is_what_the_probe_prints(monkeypatch):
    monkeypatch.setattr(gpu_check, "PROBE", "print('[\"H200\", [9, 0]]')")
    assert gpu_check.find_device() == ("H200", (9, 0))
    monkeypatch.setattr(gpu_check, "PROBE", "print('null')")
    assert gpu_check.find_device() is None
