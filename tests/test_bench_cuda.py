"""What the benchmarks do on a CUDA device, as far as it can be seen without one; and with one."""

import json
import sys
import time
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are not installed

from bench import __main__ as command  # noqa: E402
from bench import devices, graphs, measure, report, timing  # noqa: E402
from bench.problem import Row, Side, Traffic  # noqa: E402

HAS_CUDA = torch.cuda.is_available() and command.no_cuda() is None


class Event:
    """A CUDA event of a device whose work is done 2 ms after it is queued."""

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.seconds = time.perf_counter()

    def synchronize(self):
        self.seconds += 2e-3

    def elapsed_time(self, other):
        return (other.seconds - self.seconds) * 1e3


def test_the_cuda_clock_tells_device_time_from_host_time(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    seconds, host = timing.CudaClock().sample(lambda: None, calls=2)
    assert 0 <= host < seconds
    assert seconds >= 1e-3


def cuda_rows():
    for bench, rows in command.BENCHES.items():
        found = [row.name for row in rows(tiny=True, compiled=False, device="cuda")]
        assert len(set(found)) == len(found), f"two rows of {bench} have the same name"
        yield from ((bench, name) for name in found if "10^9" not in name)


@pytest.mark.parametrize(("bench", "name"), list(cuda_rows()))
def test_every_row_for_cuda_compares_equal_results(bench, name, monkeypatch):
    """On the CPU, with a capture that records nothing: a replay runs the step."""
    if "GPT-2" in name and "optimizer" not in name:
        pytest.skip("as for Llama, but for the shapes, which are not used here")

    def capture(side):
        for _ in range(graphs.WARMUP_STEPS):
            side.step()

        class Graph:
            replay = staticmethod(side.step)

        return Graph()

    monkeypatch.setattr(graphs, "on_cuda", lambda tensors: True)
    monkeypatch.setattr(graphs, "capture", capture)
    rows = command.BENCHES[bench](tiny=True, compiled=False, device="cuda")
    (row,) = [row for row in rows if row.name == name]
    errors, refused = measure.check_row(row)
    assert refused == {}
    assert errors
    assert all(error <= 1 for error in errors.values())
    graphed = {rival for rival in errors if rival.endswith("CUDA graph")}
    whole_step = bench == "amp" and "not clipped" not in name
    assert len(graphed) == (2 if whole_step or name.startswith("optimizer") else 0)


def test_a_capture_that_fails_is_a_line_of_the_report(monkeypatch):
    def capture(side):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(graphs, "capture", capture)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    monkeypatch.setattr(torch.cuda, "default_stream", lambda: None)
    line = graphs.graphed(Side("x", lambda: None, dict), [])
    assert line == (
        "x, CUDA graph: cannot be captured "
        "(RuntimeError: operation not permitted when stream is capturing)"
    )


def row_that_needs(limit):
    """A row whose sides fit in memory with at most `limit` tensors."""

    def sides(shapes):
        if len(shapes) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [Side(name, lambda: None, lambda: {"x": [torch.zeros(1)]}) for name in "ab"]

    bounds = {"x": measure.Bound(0.0)}
    return Row("row", [(8,)] * 9, Traffic(), sides, bounds, check=[])


def test_a_row_that_memory_does_not_hold_is_halved_and_says_so(capsys):
    limits = timing.Limits({}, {}, {})
    found = measure.run_row(row_that_needs(4), limits, rounds=2)
    assert (found.tensors, found.tensors_wanted, found.elements) == (4, 9, 32)
    report.print_row(command.Console(width=command.WIDTH), found)
    assert "memory holds no more of the 9" in capsys.readouterr().out
    with pytest.raises(torch.OutOfMemoryError):
        measure.run_row(row_that_needs(0), limits, rounds=2)


def test_one_failing_row_does_not_stop_the_others_on_cuda(monkeypatch):
    def broken(*args):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(command, "run_row", broken)
    monkeypatch.setattr(command, "release", lambda device: None)
    args = command.make_parser().parse_args(["adam", "--device", "cuda"])
    console = command.Console(stderr=True)
    reports, failures = [], {}
    command.run_and_print(row_that_needs(9), None, args, reports, failures, console, console)
    assert reports == []
    assert "illegal memory access" in failures["row"]


SMI = """#!/bin/sh
echo "580.159.04, 700.00, [N/A], 2619"
"""


def test_nvidia_smi_is_read_and_its_absence_is_null(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.query(devices.FACTS) == dict.fromkeys(devices.FACTS)
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert devices.query(devices.FACTS) == {
        "driver": "580.159.04", "power_limit_w": 700.0, "largest_sm_mhz": None,
        "largest_memory_mhz": 2619.0,
    }  # fmt: skip
    assert devices.query(devices.CLOCKS)["sm_mhz"] == "580.159.04"
    assert devices.query({"one": "field"}) == {"one": None}


class PretendedDevice:
    """What a row is built on, in place of torch.device("cuda"); its tensors are on the CPU."""

    type, index = "cuda", None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


FACTS = {
    **{"name": "Pretended GPU", "memory_bytes": 2**33, "cuda": "13.0", "driver": None},
    **{"power_limit_w": None, "clocks_at_start": {"sm_mhz": 345.0, "memory_mhz": None}},
}


def test_a_run_on_cuda_reports_gpu_and_host_time(tmp_path, monkeypatch, capsys):
    pretended = {
        (command, "device_of"): lambda args: PretendedDevice(),
        (command, "no_cuda"): lambda: None,
        (devices, "describe"): lambda device: dict(FACTS),
        (devices, "clocks"): lambda device: {"sm_mhz": 1980.0},
        (torch.cuda, "Event"): Event,
        (torch.cuda, "synchronize"): lambda: None,
        (torch.cuda, "empty_cache"): lambda: None,
        (torch.random, "fork_rng"): lambda devices: PretendedDevice(),
    }
    path = tmp_path / "out.json"
    words = ["unscale", "--device", "cuda", "--tiny", "--rounds", "2"]
    words += ["--filter", "fp16,.*(Llama|64$)", "--json", str(path)]
    with monkeypatch.context() as patch:
        for (place, name), value in pretended.items():
            patch.setattr(place, name, value)
        assert command.main(words) == 0
    output, progress = capsys.readouterr()
    assert progress.endswith("6 rows timed, 0 failed\n")
    assert "Pretended GPU, 8 GiB, CUDA 13.0, driver None" in output
    assert "host" in output
    (found,) = json.loads(path.read_text())
    assert found["machine"]["gpu"]["clocks_at_end"] == {"sm_mhz": 1980.0}
    assert found["settings"]["device"] == "cuda"
    assert len(found["rows"]) == 6  # four checks, accumulation, a small list
    assert all(len(line["samples"]) == 2 for row in found["rows"] for line in row["lines"])
    assert all(line["host_seconds"] for row in found["rows"] for line in row["lines"])


@pytest.mark.skipif(not HAS_CUDA, reason="needs a CUDA device")
@pytest.mark.parametrize("bench", command.BENCHES)
def test_every_row_is_measured_on_cuda(bench, tmp_path):
    path = tmp_path / "out.json"
    words = [bench, "--device", "cuda", "--tiny", "--rounds", "2", "--json", str(path)]
    assert command.main(words) == 0
    (found,) = json.loads(path.read_text())
    assert found["failures"] == {}
    assert found["machine"]["gpu"]["name"]
    for row in found["rows"]:
        assert all(line["host_seconds"]["median"] > 0 for line in row["lines"])
        assert [reason for reason in row["absent"] if "CUDA graph" in reason] == []
