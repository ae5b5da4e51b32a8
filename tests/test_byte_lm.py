"""The example trains, resumes bit for bit, survives Ctrl-C and explains bad input."""

import argparse
import inspect
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the examples are not installed

from examples.byte_lm.__main__ import main  # noqa: E402
from examples.byte_lm.config import PRECISIONS, Config  # noqa: E402
from examples.byte_lm.data import load_corpus  # noqa: E402
from examples.byte_lm.sample import generate  # noqa: E402
from examples.byte_lm.train import Run  # noqa: E402

SIZES = {
    "layers": 1,
    "width": 32,
    "heads": 2,
    "context": 32,
    "ngram": 2,
    "batch": 4,
    "accumulate": 2,
    "warmup": 2,
    "device": "cpu",
}
STEPS = 8  # with the short text, more than one epoch
SOURCE = inspect.getsource(argparse).encode()


@pytest.fixture
def short_text(tmp_path):
    path = tmp_path / "short.txt"
    path.write_bytes(SOURCE[:2000])
    return path


@pytest.fixture
def long_text(tmp_path):
    path = tmp_path / "long.txt"
    path.write_bytes(SOURCE)
    return path


def make_run(text, **settings):
    config = Config(**{**SIZES, "text": text, "steps": STEPS, **settings})
    return Run(config, load_corpus(text, config.context))


def train_steps(run, count):
    for _ in range(count):
        run.train_step()


def command(text, out, **settings):
    words = [
        str(word)
        for name, value in {**SIZES, "steps": STEPS, **settings}.items()
        for word in ("--" + name.replace("_", "-"), value)
    ]
    return ["--text", str(text), "--out", str(out), *words]


def everything(run):
    """All that a checkpoint must restore, without the clock's readings."""
    sides = {side.name: side.state_dict() for side in run.sides}
    for side in sides.values():
        del side["history"]["times"]
    return {
        "step": run.step,
        "batches": run.batches.state_dict(),
        "sides": sides,
        "rng": torch.get_rng_state(),
    }


def leaves(value, path=""):
    """Pairs of path and leaf; a tensor becomes its type and bytes, so that NaN equals NaN."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}/{index}")
    elif isinstance(value, torch.Tensor):
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        yield path, (value.dtype, tuple(value.shape), bytes(raw.tolist()))
    else:
        yield path, value


@pytest.mark.parametrize("compare", [False, True], ids=["ours", "compare"])
@pytest.mark.parametrize("kind", [*PRECISIONS, "int8"])
def test_resumed_run_ends_bit_for_bit_like_an_uninterrupted_one(
    kind, compare, short_text, tmp_path
):
    precision = "bf16" if kind == "int8" else kind
    settings = {"precision": precision, "int8": kind == "int8", "compare": compare}
    whole = make_run(short_text, **settings)
    train_steps(whole, STEPS)
    expected = dict(leaves(everything(whole)))

    first = make_run(short_text, **settings)
    train_steps(first, STEPS // 2)
    first.save(tmp_path / "checkpoint.pt")
    halfway = dict(leaves(everything(first)))
    resumed = make_run(short_text, **{**settings, "seed": 0})
    torch.manual_seed(1234)  # the checkpoint must bring the generator back too
    resumed.resume(tmp_path / "checkpoint.pt")
    assert dict(leaves(everything(resumed))) == halfway
    train_steps(resumed, STEPS - STEPS // 2)

    assert dict(leaves(everything(resumed))) == expected
    assert expected["/batches/epoch"] > 0
    changed = {path for path in halfway if halfway[path] != expected[path]}
    assert any("/model/" in path for path in changed)
    assert any(path.endswith("/exp_avg_sq") for path in changed)
    assert any(path.endswith("/master_param") for path in changed) == (precision != "fp32")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_linear_layers_are_16_bit_and_their_masters_fp32(precision, short_text):
    run = make_run(short_text, precision=precision)
    train_steps(run, 1)
    side = run.sides[0]
    for name, parameter in side.model.named_parameters():
        if name in ("recent.weight", "position.weight"):
            assert parameter.dtype is torch.float32
            continue
        assert parameter.dtype is PRECISIONS[precision]
        master = side.optimizer.state[parameter]["master_param"]
        assert master.dtype is torch.float32
        assert torch.equal(master.to(parameter.dtype), parameter)


def test_fp16_overflow_skips_the_step_and_lowers_the_scale(short_text):
    run = make_run(short_text, precision="fp16")
    train_steps(run, 1)
    side = run.sides[0]
    before = [parameter.clone() for parameter in side.model.parameters()]
    scale, skipped = side.scaler.get_scale(), side.skipped_steps()
    next(side.model.parameters()).register_hook(lambda gradient: gradient * math.inf)
    train_steps(run, 1)
    assert side.skipped_steps() == skipped + 1
    assert side.scaler.get_scale() == scale / 2
    assert all(map(torch.equal, before, side.model.parameters()))


def test_ctrl_c_saves_a_checkpoint_equal_to_an_uninterrupted_run(long_text, tmp_path):
    out = tmp_path / "out"
    settings = {"steps": 100_000, "precision": "fp32", "accumulate": 1}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "examples.byte_lm",
            *command(long_text, out, **settings),
            "--save-every",
            "3",
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((out / "checkpoint.pt").exists, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "--resume" in errors
    resumed = make_run(long_text, **settings)
    resumed.resume(out / "checkpoint.pt")
    assert resumed.step >= 3
    uninterrupted = make_run(long_text, **settings)
    train_steps(uninterrupted, min(resumed.step, 200))
    losses = [run.sides[0].state_dict()["history"]["losses"] for run in (resumed, uninterrupted)]
    assert losses[0][:200] == losses[1]
    assert not list(out.glob("*.tmp"))


def wait_until(holds, process, seconds=200):
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_time_limit_saves_and_the_printed_command_finishes_the_run(short_text, tmp_path, capsys):
    words = command(short_text, tmp_path)
    assert main([*words, "--minutes", "1e-9"]) == 130
    assert "time is up after step 0" in capsys.readouterr().err
    assert main([*words, "--resume", "--sample-bytes", "0"]) == 0
    assert json.loads((tmp_path / "log.json").read_text())["finished"] is True


BAD_INPUT = {
    "no such file": (["--text", "/no/such/file"], "--text must be a readable file"),
    "unknown precision": (["--precision", "fp8"], "--precision must be one of"),
    "unknown device": (["--device", "abacus"], "--device must be one of"),
    "unknown option": (["--colour", "red"], "unrecognized arguments: --colour red"),
    "zero width": (["--width", "0"], "--width must be a positive integer; got 0"),
    "negative steps": (["--steps", "-1"], "--steps must be a positive integer; got -1"),
    "steps not a number": (["--steps", "many"], "--steps: invalid int value: 'many'"),
    "width not divisible": (["--width", "33"], "--width must divide into 2 heads; got 33"),
    "infinite rate": (["--lr", "inf"], "--lr must be positive and finite; got inf"),
    "negative seed": (["--seed", "-1"], "--seed must lie in"),
    "save never": (["--save-every", "0"], "--save-every must be a positive integer; got 0"),
    "cold": (["--temperature", "-1"], "--temperature must be finite and not negative; got -1"),
    "nothing to resume": (["--resume"], "no checkpoint to resume from"),
}


@pytest.mark.parametrize(("words", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line_and_status_2(words, message, short_text, tmp_path, capsys):
    assert main([*command(short_text, tmp_path / "out"), *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [0, 1, 65])
def test_text_too_short_for_a_context_is_refused(size, tmp_path, capsys):
    (tmp_path / "text").write_bytes(SOURCE[:size])
    assert main(command(tmp_path / "text", tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert "must hold at least 66 bytes" in said
    assert f"holds {size}" in said


def test_shortest_text_trains(tmp_path):
    (tmp_path / "text").write_bytes(SOURCE[:66])
    assert main([*command(tmp_path / "text", tmp_path), "--sample-bytes", "1"]) == 0


@pytest.fixture
def checkpoint(short_text, tmp_path):
    run = make_run(short_text)
    train_steps(run, 2)
    run.save(tmp_path / "checkpoint.pt")
    return tmp_path / "checkpoint.pt"


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lose_a_part(path):
    state = torch.load(path, weights_only=True)
    del state["batches"]
    torch.save(state, path)


def lose_the_optimizer(path):
    state = torch.load(path, weights_only=True)
    del state["sides"]["halfword"]["optimizer"]
    torch.save(state, path)


DAMAGE = {
    "truncated": (truncate, "truncated, damaged or not a checkpoint"),
    "empty": (lambda path: path.write_bytes(b""), "truncated, damaged or not a checkpoint"),
    "bit flipped": (flip_a_bit, "damaged checkpoint"),
    "not torch's": (lambda path: path.write_text("hello"), "not a checkpoint"),
    "someone else's": (
        lambda path: torch.save({"model": torch.ones(3)}, path),
        "not a checkpoint of this program",
    ),
    "code inside": (lambda path: torch.save({"x": Path("x")}, path), "torch can load safely"),
    "part missing": (lose_a_part, "it lacks batches"),
    "state missing": (lose_the_optimizer, "damaged checkpoint"),
    "a zip": (
        lambda path: (
            shutil.make_archive(str(path.with_suffix("")), "zip", path.parent)
            and path.with_suffix(".zip").replace(path)
        ),
        "not a checkpoint",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_checkpoint_is_named_and_nothing_is_loaded(
    damage, message, checkpoint, short_text, capsys
):
    damage(checkpoint)
    before = checkpoint.read_bytes()
    assert main([*command(short_text, checkpoint.parent), "--resume"]) == 2
    said = capsys.readouterr().err
    assert str(checkpoint) in said
    assert message in said
    assert said.count("\n") == 1
    assert checkpoint.read_bytes() == before


def test_checkpoint_of_another_run_is_refused_and_the_difference_named(
    checkpoint, short_text, capsys
):
    words = [*command(short_text, checkpoint.parent, width=64, seed=3), "--resume"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "--width 32 there and 64 here" in said
    assert "--seed 0 there and 3 here" in said
    assert "--layers" not in said


def test_checkpoint_of_another_text_is_refused(checkpoint, short_text, capsys):
    short_text.write_bytes(SOURCE[1:2001])
    assert main([*command(short_text, checkpoint.parent), "--resume"]) == 2
    assert "made with other settings: --text" in capsys.readouterr().err


def test_small_run_learns_more_than_the_frequencies_of_bytes(long_text, tmp_path):
    words = command(long_text, tmp_path, steps=150, width=64, batch=16, accumulate=1, lr=1e-2)
    assert main([*words, "--quiet", "--sample-bytes", "20"]) == 0
    log = json.loads((tmp_path / "log.json").read_text())
    final = log["sides"]["halfword"]["held_out_bits_per_byte"][-1]
    assert final["step"] == 150
    assert 0 < final["bits_per_byte"] < 0.9 * log["text"]["unigram_bits_per_byte"]


def test_compare_prints_both_sides_and_fp32_losses_agree(short_text, tmp_path, capsys):
    words = command(short_text, tmp_path, precision="fp32", lr=1e-2)
    assert main([*words, "--compare", "--sample-bytes", "0"]) == 0
    said = capsys.readouterr().out
    for row in (
        "halfword",
        "torch",
        "torch / halfword",
        "held-out loss",
        "forward / backward",
        "optimizer",
        "whole step",
    ):
        assert row in said
    sides = json.loads((tmp_path / "log.json").read_text())["sides"]
    ours, theirs = (sides[name]["train_bits_per_byte"] for name in ("halfword", "torch"))
    assert ours[0] == theirs[0]  # the same weights on the same bytes
    # Rounding moves the losses a thousandth of what training moves them, or less.
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < (ours[0] - ours[-1]) / 1e3


def test_log_and_plot_describe_the_run(short_text, tmp_path):
    assert main([*command(short_text, tmp_path), "--sample-bytes", "5", "--prompt", "ab"]) == 0
    log = json.loads((tmp_path / "log.json").read_text())
    side = log["sides"]["halfword"]
    assert len(side["train_bits_per_byte"]) == STEPS
    assert side["held_out_bits_per_byte"][-1]["step"] == STEPS
    assert all(value > 0 for value in side["median_ms"].values())
    assert log["config"]["width"] == SIZES["width"]
    assert log["versions"]["torch"] == torch.__version__
    assert log["sample"].startswith("ab")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_says_nothing(short_text, tmp_path, capfd):
    assert main([*command(short_text, tmp_path), "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_greedy_sample_repeats_and_warm_samples_follow_the_seed(short_text):
    side = make_run(short_text).sides[0]
    greedy = [generate(side, "x", 40, 0.0, seed) for seed in (1, 2)]
    warm = [generate(side, "x", 40, 1.0, seed) for seed in (1, 1, 2)]
    assert greedy[0] == greedy[1]
    assert warm[0] == warm[1] != warm[2]
    assert len(warm[0]) == 41
