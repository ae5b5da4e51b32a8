"""The example reads each byte once, and compares a model with smaller forms of it."""

import copy
import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the examples are not installed

from examples.byte_lm.__main__ import main  # noqa: E402
from examples.byte_lm.config import Config  # noqa: E402
from examples.byte_lm.model import ByteGPT, Cache, ModelConfig  # noqa: E402
from examples.byte_lm.quantized import FORMS, in_form, load, save, state_bytes  # noqa: E402
from examples.byte_lm.sample import extend  # noqa: E402

WIDTH, LAYERS, CONTEXT = 64, 2, 16
SIZES = {
    "layers": LAYERS, "width": WIDTH, "heads": 2, "context": CONTEXT, "ngram": 3, "batch": 4,
    "warmup": 2, "steps": 4, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ByteGPT(ModelConfig(LAYERS, WIDTH, heads=2, context=CONTEXT, ngram=3))


@pytest.mark.parametrize("first", [1, 2, 5, CONTEXT])
def test_reading_on_gives_the_logits_of_reading_all(model, first):
    text = torch.randint(256, (3, CONTEXT))
    cache = Cache(model.config)
    parts = [model(text[:, :first], cache)]
    parts += [model(text[:, i : i + 1], cache) for i in range(first, CONTEXT)]
    torch.testing.assert_close(torch.cat(parts, 1), model(text))
    assert torch.equal(cache.text, text)


def test_two_bytes_cannot_follow_a_first_text(model):
    cache = Cache(model.config)
    model(torch.zeros(1, 2, dtype=torch.long), cache)
    with pytest.raises(ValueError, match="one byte at a time; got 2"):
        model(torch.zeros(1, 2, dtype=torch.long), cache)


@pytest.mark.parametrize("given", [1, CONTEXT // 2, CONTEXT, 2 * CONTEXT])
def test_a_full_cache_starts_again_from_its_last_half(model, given):
    text = torch.randint(256, (2, given))
    found = extend(model, text, 2 * CONTEXT)
    expected, start = text, max(0, given - CONTEXT)
    for _ in range(2 * CONTEXT):
        if expected.shape[1] - start > CONTEXT:
            start = expected.shape[1] - CONTEXT // 2
        logits = model(expected[:, start:])[:, -1]
        expected = torch.cat((expected, logits.argmax(-1, keepdim=True)), 1)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("form", ["bf16", *FORMS])
def test_a_form_read_from_its_file_is_the_form_that_was_written(form, model, tmp_path):
    config = Config(**SIZES)
    model.to_mixed(config.dtype)
    text = torch.randint(256, (2, CONTEXT))
    path = tmp_path / "model.safetensors"
    save(model, form, path)
    expected = in_form(copy.deepcopy(model), form)(text)
    assert torch.equal(load(config, form, path)(text), expected)
    assert torch.equal(model(text), expected) == (form == "bf16")


def test_linear_layers_take_the_bytes_of_their_codes_and_scales(model):
    model.to_mixed(torch.bfloat16)
    weights = LAYERS * 12 * WIDTH**2
    rows = LAYERS * 9 * WIDTH  # qkv 3, out 1, up 4, down 1
    found = {
        form: state_bytes(in_form(copy.deepcopy(model), form).blocks) for form in ["bf16", *FORMS]
    }
    scale, zero_point = 4, 1
    assert found == {
        "bf16": 2 * weights,
        "int8": weights + rows * scale,
        "int4": weights // 2 + weights // 32 * (scale + zero_point),
    }


@pytest.fixture
def command(tmp_path):
    text = tmp_path / "text.txt"
    text.write_bytes(Path(__file__).read_bytes())
    sizes = [word for name, value in SIZES.items() for word in (f"--{name}", str(value))]
    return ["--text", str(text), "--out", str(tmp_path / "out"), *sizes]


def test_forms_stand_side_by_side_and_in_files(command, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*command, "--quantize", "int8", "int4", "--sample-bytes", "20"]) == 0
    said = capsys.readouterr().out
    result = json.loads((out / "quantized.json").read_text())
    assert list(result["forms"]) == ["bf16", "int8", "int4"]
    assert result["settings"]["width"] == WIDTH
    for form, its in result["forms"].items():
        assert its["file_bytes"] == (out / f"model-{form}.safetensors").stat().st_size
        assert its["text"].startswith("def ")
        assert its["text"] in said
        assert f"{its['bits_per_byte']:.4f}" in said
        assert all(speed["median"] > 0 for speed in its["tokens_per_s"].values())
    base = result["forms"]["bf16"]
    assert {speed["speedup"] for speed in base["tokens_per_s"].values()} == {1.0}
    assert base["bits_per_byte"] == json.loads((out / "log.json").read_text())["sides"][
        "halfword"]["held_out_bits_per_byte"][-1]["bits_per_byte"]  # fmt: skip
    assert (out / "quantized.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_run_is_compared_without_more_training(command, tmp_path, capsys):
    assert main([*command, "--quiet"]) == 0
    before = json.loads((tmp_path / "out" / "log.json").read_text())["sides"]
    assert main([*command, "--resume", "--quantize", "int4", "--quiet"]) == 0
    assert json.loads((tmp_path / "out" / "log.json").read_text())["sides"] == before
    assert capsys.readouterr().out == ""
    assert list(json.loads((tmp_path / "out" / "quantized.json").read_text())["forms"]) == [
        "bf16",
        "int4",
    ]


def test_an_unknown_form_is_refused_before_training(command, tmp_path, capsys):
    assert main([*command, "--quantize", "int3"]) == 2
    assert "--quantize: invalid choice: 'int3'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
