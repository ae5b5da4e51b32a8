"""The doctor finds what is wrong, says how to fix it, and still speaks when nothing loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from halfword import _core, doctor, ops
from halfword.__main__ import main

PACKAGE = Path(doctor.__file__).parent
HERE = [sys.executable, "-m", "halfword"]
# The package without its native part: importing that fails, as in a tree that was never built.
UNBUILT = """
import sys, types
package = types.ModuleType("halfword")
package.__path__ = [sys.argv.pop(1)]
sys.modules["halfword"] = package
sys.modules["halfword._core"] = None
from halfword.__main__ import main
sys.exit(main())
"""


def run(*words, command=HERE, **environment):
    environment = {**os.environ, **environment}
    return subprocess.run([*command, *words], capture_output=True, text=True, env=environment)


def run_json(**environment):
    done = run("doctor", "--json", **environment)
    return done.returncode, json.loads(done.stdout)


def break_op(monkeypatch, name, after):
    """The op as it is, and then something that it should not do."""
    good = getattr(ops, name)

    def broken(*args, **kwargs):
        good(*args, **kwargs)
        after(*args, **kwargs)

    monkeypatch.setattr(ops, name, broken)


def test_a_good_installation_has_no_problems():
    code, report = run_json(HALFWORD_ISA=_core.supported_isas()[-1])
    assert (code, report["ok"], report["problems"]) == (0, True, [])
    assert report["build"] == _core.build_info()
    assert report["torch"]["version"] == torch.__version__


def test_every_op_is_checked_on_every_instruction_set():
    report = doctor.examine()
    expected = dict.fromkeys(_core.supported_isas(), "ok")
    found = {name: entry["results"] for name, entry in report["kernels"].items()}
    assert found == dict.fromkeys(filter(str.islower, ops.__all__), expected)


def test_the_checks_leave_the_instruction_set_alone():
    before = _core.isa()
    doctor.examine()
    assert _core.isa() == before


def test_the_instruction_set_asked_for_is_reported():
    code, report = run_json(HALFWORD_ISA="portable")
    assert code == 0
    assert (report["isa"]["in_use"], report["isa"]["reason"]) == (
        "portable",
        "HALFWORD_ISA=portable",
    )
    assert report["kernels"]["adam_step"]["kernel"] == "adam_step_portable"


def test_an_unknown_instruction_set_is_a_problem_with_a_fix():
    code, report = run_json(HALFWORD_ISA="mmx")
    assert code == 1
    assert ["HALFWORD_ISA" in found["what"] for found in report["problems"]] == [True]
    assert "unset HALFWORD_ISA" in report["problems"][0]["fix"]


def test_a_missing_native_part_is_a_problem_with_a_fix():
    done = run("doctor", command=[sys.executable, "-c", UNBUILT, str(PACKAGE)])
    assert done.returncode == 1, done.stderr
    assert "PROBLEM  the kernels cannot be loaded" in done.stdout
    assert "pip install" in done.stdout
    assert done.stderr == ""


def double_first(tensors, *args, **kwargs):
    tensors[0].mul_(2)


def set_first_nan(tensors, *args, **kwargs):
    tensors[0].view(-1)[-1] = float("nan")


def test_results_that_are_wrong_are_a_problem(monkeypatch, capsys):
    for name in ("accumulate_grads", "adam_step", "unscale_check"):
        for fault in (double_first, set_first_nan):
            with monkeypatch.context() as patch:
                break_op(patch, name, fault)
                assert main(["doctor"]) == 1
            assert f"PROBLEM  {name} on {_core.isa()}" in capsys.readouterr().out


def test_a_scale_that_is_wrong_is_a_problem(monkeypatch):
    break_op(monkeypatch, "update_scale", lambda scale, *args, **kwargs: scale.mul_(2))
    whats = [found["what"].split(" on ")[0] for found in doctor.examine()["problems"]]
    assert whats == ["update_scale"] * len(_core.supported_isas())


def test_a_kernel_that_raises_is_a_problem(monkeypatch):
    monkeypatch.setattr(ops, "adam_step", lambda *args, **kwargs: 1 / 0)
    assert "ZeroDivisionError" in doctor.examine()["problems"][0]["what"]


def test_one_bad_instruction_set_is_worked_around(monkeypatch):
    def only_portable(main_grads, *args, **kwargs):
        if _core.isa() == "portable":
            main_grads[0].zero_()

    if len(_core.supported_isas()) == 1:
        pytest.skip("this machine has one instruction set")
    break_op(monkeypatch, "accumulate_grads", only_portable)
    (found,) = doctor.examine()["problems"]
    assert found["what"].startswith("accumulate_grads on portable")
    assert f"HALFWORD_ISA={_core.supported_isas()[-1]}" in found["fix"]


def test_an_old_torch_is_a_problem(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    fixes = [found["fix"] for found in doctor.examine()["problems"]]
    assert fixes == [doctor.INSTALL_TORCH]


def test_a_gpu_without_kernels_for_it_is_a_problem(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(_core, "build_info", lambda: {**BUILD, "cuda": "", "cuda_archs": ""})
    fixes = [found["fix"] for found in doctor.examine()["problems"]]
    assert fixes == [doctor.WITH_CUDA]


BUILD = dict(_core.build_info())


@pytest.mark.parametrize(
    ("archs", "capability", "runs"),
    [
        (["sm_80"], (8, 0), True),
        (["sm_80"], (8, 9), True),
        (["sm_80"], (7, 5), False),
        (["sm_80"], (9, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_90a"], (9, 1), False),
        (["compute_90"], (12, 0), True),
        (["compute_90"], (8, 0), False),
        ([], (8, 0), False),
    ],
)
def test_an_architecture_runs_where_nvidia_says(archs, capability, runs):
    assert doctor.runs_on(archs, capability) is runs


def test_the_home_directory_is_not_in_the_report(monkeypatch):
    monkeypatch.setenv("HOME", str(PACKAGE.parent))
    report = doctor.examine()
    assert report["location"] == "~/halfword"
    assert str(PACKAGE.parent) not in json.dumps(report)


def test_usage_errors_exit_with_2():
    assert run("surgeon").returncode == 2
    assert run("doctor", "--color").returncode == 2
    assert run().returncode == 2


def test_nothing_but_the_report_is_printed():
    done = run("doctor")
    assert done.stderr == ""
    assert done.stdout.startswith("halfword ")


@pytest.mark.parametrize("name", sorted(doctor.CHECKS))
def test_every_check_passes_on_every_kind_of_device(kind_of_device, name):
    assert doctor.first_fault(getattr(ops, name), doctor.CHECKS[name]) is None
