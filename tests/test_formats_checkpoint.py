"""quant.formats.load_checkpoint and load_gguf: the layers of files, and what is wrong with some."""

import json

import pytest
import torch

from halfword.ops import Int4Weight
from halfword.quant import formats

from .cases.int4_weights import equal

pytestmark = pytest.mark.usefixtures("one_thread")

CODES = (torch.arange(16 * 64) * 7 % 16 - 8).view(16, 64).char()
SCALE = (torch.arange(32).view(16, 2) / 8 - 1).half()
POINTS = (torch.arange(32).view(16, 2) % 15 - 7).int()
WEIGHT = Int4Weight(CODES, SCALE, POINTS, None, 32)
SYMMETRIC = WEIGHT._replace(zero_point=None)
ORDER = torch.cat([torch.arange(1, 64, 2), torch.arange(0, 64, 2)]).int()
BIAS = torch.arange(16).half()

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}
WEIGHTS = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}
COMPRESSED = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": WEIGHTS}},
}


def named(layer, tensors):
    return {f"{layer}.{name}": tensor for name, tensor in tensors.items()}


@pytest.fixture
def gguf_file(tmp_path):
    """One with a layer in Q4_0, one in Q4_1, and a vector."""
    gguf = pytest.importorskip("gguf")
    kinds = gguf.GGMLQuantizationType
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    q4_0, q4_1 = formats.to_gguf_q4_0(SYMMETRIC), formats.to_gguf_q4_1(WEIGHT)
    writer.add_tensor("blk.0.ffn_up.weight", q4_0.numpy(), raw_dtype=kinds.Q4_0)
    writer.add_tensor("blk.0.ffn_down.weight", q4_1.numpy(), raw_dtype=kinds.Q4_1)
    writer.add_tensor("output_norm.weight", BIAS.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def write(tmp_path):
    """Write a checkpoint: a file of tensors each, and its config."""
    torch_files = pytest.importorskip("safetensors.torch")

    def write(config, *files, name="config.json"):
        for i, tensors in enumerate(files):
            torch_files.save_file(tensors, tmp_path / f"model-{i}.safetensors")
        config = {"quantization_config": config} if name == "config.json" else config
        (tmp_path / name).write_text(json.dumps(config))
        return tmp_path

    return write


def layers(path):
    return {layer.name: layer for layer in formats.load_checkpoint(path)}


@pytest.mark.parametrize(("kind", "version"), [("gptq", 1), ("gptq_v2", 2)])
def test_layers_of_gptq(write, kind, version):
    one = named("model.0.up", formats.to_gptq(WEIGHT, ORDER, version=version))
    two = named("model.1.up", {**formats.to_gptq(SYMMETRIC, version=version), "bias": BIAS})
    other = {"model.norm.weight": torch.ones(16)}
    path = write({**GPTQ, "checkpoint_format": kind}, two, {**one, **other})
    found = layers(path)
    assert list(found) == ["model.0.up", "model.1.up"]
    first, second = found.values()
    assert equal((*first.weight, first.order), (*WEIGHT, ORDER))
    assert first.bias is None
    assert equal((*second.weight, second.order, second.bias), (*SYMMETRIC, None, BIAS))


def test_layers_of_awq(write):
    path = write(AWQ, named("up", {**formats.to_awq(WEIGHT), "bias": BIAS}))
    assert equal((*layers(path)["up"].weight, layers(path)["up"].bias), (*WEIGHT, BIAS))


def test_layers_of_compressed_tensors(write):
    one = named("one", formats.to_compressed_tensors(WEIGHT, ORDER))
    two = named("two", formats.to_compressed_tensors(SYMMETRIC._replace(scale=SCALE.clone())))
    found = layers(write(COMPRESSED, {**one, **two}))
    assert equal((*found["one"].weight, found["one"].order), (*WEIGHT, ORDER))
    assert equal((*found["two"].weight, found["two"].order), (*SYMMETRIC, None))


@pytest.mark.parametrize(
    ("name", "config", "tensors"),
    [
        ("quantize_config.json", {"bits": 4, "group_size": 32}, formats.to_gptq(WEIGHT)),
        ("quant_config.json", {"w_bit": 4, "q_group_size": 32}, formats.to_awq(WEIGHT)),
    ],
)
def test_the_configs_of_older_tools_are_found(write, name, config, tensors):
    assert equal(layers(write(config, named("up", tensors), name=name))["up"].weight, WEIGHT)


def test_layers_of_a_gguf_file(gguf_file):
    up, down = formats.load_gguf(gguf_file)
    assert (up.name, down.name) == ("blk.0.ffn_up", "blk.0.ffn_down")
    assert equal(up.weight, SYMMETRIC)
    assert equal(down.weight, formats.from_gguf_q4_1(formats.to_gguf_q4_1(WEIGHT)))


# What is wrong is said before the first layer is given, where it can be known.

GROUPS = "config_groups"
BAD_CONFIGS = [
    ({**GPTQ, "bits": 8}, "config's bits must be 4; got 8"),
    ({**GPTQ, "quant_method": "hqq"}, "config's quant_method must be 'gptq' or 'awq' or"),
    ({**GPTQ, "quant_method": ["gptq"]}, r"config's quant_method must be .*; got \['gptq'\]"),
    ({**GPTQ, "checkpoint_format": "marlin"}, "config's checkpoint_format must be 'gptq' or"),
    ({**AWQ, "version": "gemv"}, "config's version must be 'gemm'; got 'gemv'"),
    ({**COMPRESSED, "format": "int-quantized"}, "config's format must be 'pack-quantized'; got"),
    ({**COMPRESSED, "transform_config": {"a": 1}}, "config's transform_config must be None; got"),
    ({**COMPRESSED, GROUPS: {"a": {"weights": {**WEIGHTS, "num_bits": 8}}}},
     "config's a.weights.num_bits must be 4; got 8"),
    ({**COMPRESSED, GROUPS: {"a": {"weights": {**WEIGHTS, "type": "float"}}}},
     "config's a.weights.type must be 'int'; got 'float'"),
    ({**COMPRESSED, GROUPS: {"a": {"weights": None}}}, "config's weights must be an object; got"),
    ({**COMPRESSED, GROUPS: 3}, "config's config_groups must be an object; got 3"),
    (3, "config.json must have an object; got 3"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS, ids=[b[1][:40] for b in BAD_CONFIGS])
def test_a_config_of_something_else_is_named(write, config, message):
    path = write(config, named("up", formats.to_gptq(WEIGHT)))
    with pytest.raises(ValueError, match=f"^load_checkpoint: {message}"):
        formats.load_checkpoint(path)


def test_missing_tensors_are_named_before_the_first_layer_is_given(write):
    good, bad = named("a", formats.to_gptq(WEIGHT)), named("b", formats.to_gptq(WEIGHT))
    del bad["b.scales"]
    with pytest.raises(ValueError, match=r"load_checkpoint: b\.scales must exist"):
        formats.load_checkpoint(write(GPTQ, good, bad))


def test_a_tensor_in_two_files_is_named(write):
    tensors = named("a", formats.to_gptq(WEIGHT))
    with pytest.raises(ValueError, match=r"load_checkpoint: a\.g_idx must be in one file"):
        formats.load_checkpoint(write(GPTQ, tensors, tensors))


def test_a_file_without_layers_of_the_format_is_named(write):
    with pytest.raises(ValueError, match="folder must have a layer with weight_packed"):
        formats.load_checkpoint(write(COMPRESSED, named("a", formats.to_gptq(WEIGHT))))


def test_damaged_files_are_named(write):
    path = write(GPTQ, named("a", formats.to_gptq(WEIGHT)))
    file = path / "model-0.safetensors"
    data = file.read_bytes()
    for damaged in (data[:-1], data[:100], b"", b"\xff" * 64):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"load_checkpoint: model-0\.safetensors is damaged"):
            formats.load_checkpoint(path)
    (path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        formats.load_checkpoint(path)


def test_damaged_gguf_files_are_named(gguf_file):
    data = gguf_file.read_bytes()
    for damaged in (data[:-200], data[:100], data[:10], b"", b"\xff" * 64):
        gguf_file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"load_gguf: model\.gguf is damaged"):
            formats.load_gguf(gguf_file)


def test_a_gguf_layer_that_is_refused_is_named(gguf_file):
    data = gguf_file.read_bytes()
    q4_0 = bytes(formats.to_gguf_q4_0(SYMMETRIC).flatten().tolist())
    at = data.index(q4_0)
    gguf_file.write_bytes(data[:at] + b"\xff\xff" + data[at + 2 :])  # the first scale is a NaN
    with pytest.raises(ValueError, match=r"load_gguf: blk\.0\.ffn_up\.weight: from_gguf_q4_0: "):
        next(formats.load_gguf(gguf_file))


def test_missing_files_are_named(write, tmp_path):
    with pytest.raises(FileNotFoundError, match="no quantization config"):
        formats.load_checkpoint(tmp_path)
    with pytest.raises(FileNotFoundError, match="no tensors"):
        formats.load_checkpoint(write(GPTQ))


BAD_LAYERS = [
    ("scales", lambda scales: scales * float("nan"), "from_gptq: scales must be finite"),
    ("g_idx", lambda g_idx: g_idx + 1, "from_gptq: g_idx must lie in 0..1; got 2"),
    ("qweight", lambda qweight: qweight[1:], "from_gptq: g_idx must have shape"),
    ("qzeros", lambda qzeros: qzeros.half(), "from_gptq: qzeros must be int32; got float16"),
]


@pytest.mark.parametrize(("part", "damage", "message"), BAD_LAYERS, ids=[b[0] for b in BAD_LAYERS])
def test_a_layer_that_is_refused_is_named(write, part, damage, message):
    tensors = formats.to_gptq(WEIGHT)
    tensors[part] = damage(tensors[part]).contiguous()
    path = write(GPTQ, named("a", formats.to_gptq(WEIGHT)), named("b", tensors))
    found = formats.load_checkpoint(path)
    assert next(found).name == "a"
    with pytest.raises((TypeError, ValueError), match=f"^load_checkpoint: b: {message}"):
        next(found)


def test_a_symmetric_model_of_another_version_than_it_says_is_refused(write):
    tensors = formats.to_gptq(SYMMETRIC, version=2)
    path = write({**GPTQ, "sym": True}, named("a", tensors))
    with pytest.raises(ValueError, match=r"a: from_gptq: qzeros must be 8 throughout, .* got 9;"):
        list(formats.load_checkpoint(path))
