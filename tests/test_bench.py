"""Every benchmark runs, compares results before times, and writes what it found."""

import json
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are not installed

from bench import __main__ as command  # noqa: E402
from bench import measure, plans, summary, timing  # noqa: E402
from bench.problem import Bound, Row, Side, Traffic  # noqa: E402
from bench.report import summarize  # noqa: E402
from bench.timing import Contestant, Spread, interleave, ratios  # noqa: E402
from tests.cases import models  # noqa: E402

TINY = ["--tiny", "--rounds", "2", "--no-compile"]


def numel(shapes):
    return sum(torch.Size(shape).numel() for shape in shapes)


def run(tmp_path, *words):
    path = tmp_path / "out.json"
    threads = torch.get_num_threads()
    try:
        assert command.main([*words, *TINY, "--json", str(path)]) == 0
    finally:
        torch.set_num_threads(threads)
    return json.loads(path.read_text())


def test_models_have_the_published_parameters():
    shapes = models.gpt2_small()
    assert (len(shapes), numel(shapes)) == (148, models.GPT2_SMALL_PARAMETERS)
    shapes = models.llama_1b()
    assert (len(shapes), numel(shapes)) == (146, models.LLAMA_1B_PARAMETERS)
    shapes = models.billion()
    assert len(shapes) == 300
    assert 1e9 <= numel(shapes) < 1.001e9


@pytest.mark.parametrize("bench", command.BENCHES)
def test_every_row_is_measured_and_written(bench, tmp_path, capsys):
    (found,) = run(tmp_path, bench, "--threads", "1")
    output = capsys.readouterr()
    names = [row.name for row in command.BENCHES[bench](tiny=True)]
    assert [row["name"] for row in found["rows"]] == names
    assert found["machine"]["threads"] == 1
    assert all(name in output.err and name in output.out for name in names)
    for row in found["rows"]:
        ours, *rivals = row["lines"]
        assert ours["speedup"] is None
        others = [line["name"] for line in rivals if not line["name"].startswith("halfword")]
        assert row["best_rival"] in (others or [None])
        for line in row["lines"]:
            assert len(line["samples"]) == 2
            assert line["ns_per_element"] > 0
            assert line["gb_per_s"] > 0 or line["gop_per_s"] > 0
        for line in rivals:
            assert 0 <= line["worst_error"] <= 1
            assert line["verdict"] in ("win", "loss", "even")


def test_all_runs_every_benchmark_and_a_filter_keeps_some_rows(tmp_path):
    found = run(tmp_path, "all", "--filter", "^check, fp16|^AdamW bf16|^AMP step, fp32")
    rows = {entry["bench"]: [row["name"] for row in entry["rows"]] for entry in found}
    assert list(rows) == ["adam", "amp", "unscale"]
    assert all(name.startswith("AdamW bf16") for name in rows["adam"])
    assert all(name.startswith("AMP step, fp32") for name in rows["amp"])
    assert all(name.startswith("check, fp16") for name in rows["unscale"])
    assert all(rows.values())


def test_a_group_of_rows_is_summed_up_against_the_best_rival_of_each(tmp_path, capsys):
    (found,) = run(tmp_path, "int8", "--filter", "codes.*M = 1")
    (group,) = found["summary"]
    assert group["group"] == "codes, usual shapes"
    speedups = []
    for row in found["rows"]:
        (best,) = [line for line in row["lines"] if line["name"] == row["best_rival"]]
        speedups.append(best["speedup"]["median"])
    assert group["rows"] == len(speedups)
    assert group["lowest"] == min(speedups)
    assert math.prod(speedups) == pytest.approx(group["geometric_mean"] ** len(speedups))
    assert f"{group['geometric_mean']:.2f}x" in capsys.readouterr().out


def test_a_file_of_several_runs_is_summed_up_as_one(tmp_path, capsys):
    (found,) = run(tmp_path, "int8", "--filter", "codes to bf16, tiny")
    apart = [{**found, "rows": [row]} for row in found["rows"]]
    assert len(apart) > 1
    path = tmp_path / "apart.json"
    path.write_text(json.dumps(apart))
    rows = [summary.row_of(row) for entry in apart for row in entry["rows"]]
    assert [asdict(each) for each in summarize(rows)] == found["summary"]
    capsys.readouterr()
    summary.main(str(path))
    assert f"{found['summary'][0]['geometric_mean']:.2f}x" in capsys.readouterr().out


def test_no_row_begins_after_the_seconds_given(tmp_path):
    (found,) = run(tmp_path, "unscale", "--filter", "fp16", "--seconds", "0")
    assert found["rows"] == []
    assert "left out" in found["failures"]


def test_usage_errors_exit_with_2():
    words_of = ["knitting", "adam --rounds 0", "adam --filter (", "adam --device abacus"]
    if not torch.cuda.is_available():
        words_of.append("adam --device cuda")
    for words in map(str.split, words_of):
        with pytest.raises(SystemExit) as stopped:
            command.main(words)
        assert stopped.value.code == 2


def row_of_sides(*values, optional=False):
    def sides(shapes):
        return [
            Side(str(value), lambda: None, lambda value=value: {"x": [torch.tensor([value])]},
                 optional)
            for value in values
        ]  # fmt: skip

    return Row("row", [(1,)], Traffic(update=8), sides, {"x": Bound(0.0, 0.5)})


def test_sides_that_agree_within_the_bound_may_be_timed():
    assert measure.check_row(row_of_sides(1.0, 1.25)) == ({"1.25": 0.5}, {})


@pytest.mark.parametrize("other", [2.0, float("nan"), float("inf")])
def test_sides_that_differ_are_not_timed(other):
    with pytest.raises(measure.DifferentResultsError):
        measure.check_row(row_of_sides(1.0, other))


def test_another_package_that_differs_is_left_out_with_the_reason():
    errors, refused = measure.check_row(row_of_sides(1.0, 1.25, 2.0, optional=True))
    assert list(errors) == ["1.25"]
    assert "2 times the allowed difference" in refused["2.0"]


def test_sides_without_a_common_result_are_not_timed():
    row = row_of_sides(1.0)
    other = Side("other", lambda: None, lambda: {"y": [torch.zeros(1)]})
    with pytest.raises(measure.DifferentResultsError):
        measure.compare(row.sides(())[0], other, row.bounds)


def test_a_wrong_kernel_stops_the_benchmark(monkeypatch, capsys):
    from halfword import ops

    monkeypatch.setattr(ops, "accumulate_grads", lambda *args, **kwargs: None)
    assert command.main(["unscale", *TINY, "--filter", "^accumulate"]) == 1
    assert "results differ" in capsys.readouterr().err


def test_contestants_take_turns():
    order = []
    contestants = [Contestant(name, lambda name=name: order.append(name)) for name in "ab"]
    samples = interleave(contestants, rounds=3)
    assert {name: len(times.seconds) for name, times in samples.items()} == {"a": 3, "b": 3}
    turns = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert "".join(turns) == "ab" + "ab" * 3  # warm-up, then rounds


def test_short_calls_go_on_for_a_while_before_a_sample_and_long_ones_do_not():
    clock, calls = timing.CpuClock(), []

    def run():
        calls.append(time.perf_counter())

    clock.lead_in(run, timing.LONG_CALL_S)
    assert not calls
    start = time.perf_counter()
    clock.lead_in(run, timing.LONG_CALL_S / 2)
    assert time.perf_counter() - start >= timing.LEAD_IN_S
    assert len(calls) >= 1


def test_ratios_are_taken_pair_by_pair():
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_the_largest_step_of_a_plan_is_named_and_steps_above_a_tenth_are_counted():
    assert plans.steps_of([10.0, 10.5, 21.0, 24.0, 24.0]) == plans.Steps(2.0, 3, 2)


def test_plans_need_a_library_with_the_kernels(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["plans", "--library", str(tmp_path / "none.so")])
    assert "without its CUDA part" in capsys.readouterr().err
