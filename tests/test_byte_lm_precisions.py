"""The comparison of precisions trains what is missing, and no more."""

import inspect
import json
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the examples are not installed

from examples.byte_lm import precisions  # noqa: E402
from examples.byte_lm.command import EXIT_USER_ERROR  # noqa: E402

SIZES = {
    "layers": 1, "width": 32, "heads": 2, "context": 32, "ngram": 2, "batch": 4, "warmup": 2,
    "steps": 4, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def command(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(inspect.getsource(ArgumentParser))
    sizes = [word for name, value in SIZES.items() for word in (f"--{name}", str(value))]
    return ["--text", str(text), "--out", str(tmp_path / "found.json"), "--quiet",
            "--rounds", "2", *sizes]  # fmt: skip


def found(tmp_path):
    return json.loads((tmp_path / "found.json").read_text())


def test_runs_are_added_once_and_compared_seed_by_seed(command, tmp_path):
    assert precisions.main([*command, "--precisions", "fp32", "--seeds", "0", "1"]) == 0
    first = found(tmp_path)["runs"]
    assert [(run["kind"], run["seed"]) for run in first] == [("fp32", 0), ("fp32", 1)]
    both = [*command, "--precisions", "fp32", "int8", "--seeds", "0", "1"]
    assert precisions.main(both) == 0
    after = found(tmp_path)
    assert after["runs"][:2] == first
    assert [run["settings"]["int8"] for run in after["runs"]] == [False, False, True, True]
    for run in after["runs"]:
        assert len(run["held_out_nats"]) == SIZES["steps"]
        assert run["final_nats"] == run["held_out_nats"][-1]["nats"]
    gaps = after["summary"]["int8"]["gaps"]
    ours, theirs = after["runs"][2:], after["runs"][:2]
    assert gaps == [a["final_nats"] - b["final_nats"] for a, b in zip(ours, theirs, strict=True)]
    assert all(0 < abs(gap) < 0.1 for gap in gaps)
    times = after["step_times"]
    assert times["rounds"] == 2
    assert list(times["kinds"]) == ["fp32", "int8"]
    assert all(kind["median_s"] > 0 and kind["speedup"] > 0 for kind in times["kinds"].values())
    assert times["kinds"]["fp32"]["speedup"] == 1
    assert (tmp_path / "found.png").stat().st_size > 0


def test_other_settings_replace_a_run(command, tmp_path):
    once = [*command, "--precisions", "int8", "--seeds", "0"]
    assert precisions.main(once) == 0
    assert precisions.main([*once, "--lr", "0.001"]) == 0
    (run,) = found(tmp_path)["runs"]
    assert run["settings"]["lr"] == 0.001


def test_mistakes_are_one_line(command, capsys):
    assert precisions.main([*command, "--steps", "0"]) == EXIT_USER_ERROR
    assert capsys.readouterr().err.startswith("byte_lm: --steps must be a positive integer")
    assert precisions.main([*command, "--rounds", "0"]) == EXIT_USER_ERROR
    assert capsys.readouterr().err == "byte_lm: --rounds must be a positive integer; got 0\n"
    with pytest.raises(precisions.UserError, match="invalid choice"):
        precisions.make_parser().parse_args(["--precisions", "fp3"])
