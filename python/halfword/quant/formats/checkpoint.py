"""The 4-bit layers of a checkpoint of another project, one after another."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...ops import Int4Weight
from ._check import check
from .awq import from_awq
from .compressed_tensors import from_compressed_tensors
from .gguf import from_gguf_q4_0, from_gguf_q4_1
from .gptq import from_gptq

_Config = dict[str, Any]
_Parts = dict[str, Any]  # tensors, by the last part of their names
_Convert = Callable[[_Parts], tuple[Int4Weight, Tensor | None]]


class Layer(NamedTuple):
    """A linear layer of a checkpoint.

    Args:
        name: of the layer, as the checkpoint has it, without ``.weight``.
        weight: an ``Int4Weight``.
        order: int32 ``[k]``: column ``j`` of the weight multiplies column ``order[j]`` of the
            input; or None.
        bias: ``[n]``, or None.
    """

    name: str
    weight: Int4Weight
    order: Tensor | None
    bias: Tensor | None


class _Format(NamedTuple):
    """What tells a layer of the format, what else it must have, and what it may have."""

    first: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    convert: _Convert


def load_checkpoint(folder: str | Path) -> Iterator[Layer]:
    """The 4-bit layers of a folder of safetensors files, in GPTQ, AWQ or compressed-tensors form.

    The format is read from ``quantization_config`` in ``config.json``, or from
    ``quantize_config.json`` or ``quant_config.json``. Before the first layer is given, the
    configuration is checked, all files are opened, and every layer is seen to have all its tensors.
    The numbers of a layer are checked when its turn comes: a caller who must not change half a
    model takes ``list(load_checkpoint(folder))`` first.

    Args:
        folder: the checkpoint.

    Yields:
        A ``Layer`` for each quantized one, on the CPU, sorted by name. Other tensors are left to
        the caller.

    Raises:
        ImportError: the package safetensors is not installed.
        FileNotFoundError: there is no configuration, or no file of tensors.
        TypeError, ValueError: the configuration is of another format, a file is damaged, a tensor
            is missing or in two files, or the importer of the format refuses a layer.
    """
    folder = Path(folder)
    layout = _format_of(_config_of(folder))
    files = _files_of(folder)
    names = sorted(
        key.removesuffix(f".{layout.first}") for key in files if key.endswith(f".{layout.first}")
    )
    check(bool(names), "load_checkpoint", "folder", f"have a layer with {layout.first}", folder)
    for name in names:
        for part in layout.required:
            check(f"{name}.{part}" in files, "load_checkpoint", f"{name}.{part}", "exist", "none")
    return (_read(name, layout, files) for name in names)


def load_gguf(path: str | Path) -> Iterator[Layer]:
    """The matrices of a GGUF file that are in Q4_0 or Q4_1.

    Names, and the order of rows, are the file's: converters to GGUF permute the rows of the query
    and key projections of some models.

    Args:
        path: the file. It is mapped, not read at once.

    Yields:
        A ``Layer`` for each, on the CPU, in the order of the file. ``order`` and ``bias`` are None.

    Raises:
        ImportError: the package gguf is not installed.
        ValueError: the file is not GGUF or damaged, or the importer refuses a tensor.
    """
    from gguf import GGUFReader

    path = Path(path)
    try:
        tensors = GGUFReader(path).tensors
    except (ValueError, LookupError, ArithmeticError) as error:  # whatever it stumbles over
        raise ValueError(f"load_gguf: {path.name} is damaged: {error}") from error
    known = {"Q4_0": from_gguf_q4_0, "Q4_1": from_gguf_q4_1}
    return (
        _read_gguf(tensor, known[tensor.tensor_type.name])
        for tensor in tensors
        if tensor.tensor_type.name in known and len(tensor.shape) == 2
    )


def _config_of(folder: Path) -> _Config:
    for file in ("config.json", "quantize_config.json", "quant_config.json"):
        path = folder / file
        if not path.is_file():
            continue
        config = json.loads(path.read_text())
        if file == "config.json" and isinstance(config, dict):
            config = config.get("quantization_config")
        if config is None:
            continue
        check(isinstance(config, dict), "load_checkpoint", file, "have an object", config)
        if file != "config.json":  # older ones do not say what they are
            config = {"quant_method": "awq" if "w_bit" in config else "gptq", **config}
        return dict(config)
    raise FileNotFoundError(f"load_checkpoint: no quantization config in {folder}")


def _format_of(config: _Config) -> _Format:
    method = config.get("quant_method")
    known = {"gptq": _gptq, "awq": _awq, "compressed-tensors": _compressed_tensors}
    _expect("quant_method", method, tuple(known))
    return known[str(method)](config)


def _gptq(config: _Config) -> _Format:
    _expect("bits", config.get("bits"), (4,))
    versions = {"gptq": 1, "gptq_v2": 2}
    kind = str(config.get("checkpoint_format", config.get("format", "gptq")))
    _expect("checkpoint_format", kind, tuple(versions))
    # Where layers may differ, the tensors tell the size.
    group_size = None if config.get("dynamic") else config.get("group_size")
    symmetric = config.get("sym") is True

    def convert(parts: _Parts) -> tuple[Int4Weight, Tensor | None]:
        weight, order = from_gptq(**parts, version=versions[kind], group_size=group_size)
        if symmetric and weight.zero_point is not None:  # some files of version 2 say version 1
            got = f"{int(weight.zero_point.max()) + 8}; is the file of another version?"
            check(False, "from_gptq", "qzeros", "be 8 throughout, as the config has sym", got)
        return weight, order

    return _Format("qweight", ("qzeros", "scales"), ("g_idx",), convert)


def _awq(config: _Config) -> _Format:
    _expect("bits", config.get("bits", config.get("w_bit")), (4,))
    _expect("version", str(config.get("version", "gemm")).lower(), ("gemm",))
    group_size = config.get("group_size", config.get("q_group_size"))

    def convert(parts: _Parts) -> tuple[Int4Weight, Tensor | None]:
        return from_awq(**parts, group_size=group_size), None

    return _Format("qweight", ("qzeros", "scales"), (), convert)


def _compressed_tensors(config: _Config) -> _Format:
    _expect("format", config.get("format"), ("pack-quantized",))
    _expect("transform_config", config.get("transform_config") or None, (None,))
    sizes = set()
    groups = _object(config, "config_groups")
    for name in groups:
        weights = _object(_object(groups, name), "weights")
        _expect(f"{name}.weights.num_bits", weights.get("num_bits"), (4,))
        _expect(f"{name}.weights.type", weights.get("type", "int"), ("int",))
        channel = weights.get("strategy") == "channel"
        sizes.add(-1 if channel else weights.get("group_size"))
    group_size = sizes.pop() if len(sizes) == 1 else None

    def convert(parts: _Parts) -> tuple[Int4Weight, Tensor | None]:
        return from_compressed_tensors(**parts, group_size=group_size)

    optional = ("weight_zero_point", "weight_g_idx")
    return _Format("weight_packed", ("weight_scale", "weight_shape"), optional, convert)


def _object(config: _Config, name: str) -> _Config:
    value = config.get(name)
    check(isinstance(value, dict), "load_checkpoint", f"config's {name}", "be an object", value)
    return dict(value or {})


def _expect(name: str, value: Any, known: tuple[Any, ...]) -> None:
    rule = f"be {' or '.join(map(repr, known))}"
    valid = any(value == each and type(value) is type(each) for each in known)
    check(valid, "load_checkpoint", f"config's {name}", rule, repr(value))


def _files_of(folder: Path) -> dict[str, Any]:
    """The open file that has each tensor."""
    from safetensors import SafetensorError, safe_open

    files: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            file: Any = safe_open(path, framework="pt")
        except SafetensorError as error:
            raise ValueError(f"load_checkpoint: {path.name} is damaged: {error}") from error
        for key in file.keys():  # noqa: SIM118 - not a mapping
            check(key not in files, "load_checkpoint", key, "be in one file", path.name)
            files[key] = file
    if not files:
        raise FileNotFoundError(f"load_checkpoint: no tensors in {folder}/*.safetensors")
    return files


def _read(name: str, layout: _Format, files: dict[str, Any]) -> Layer:
    def tensor(part: str) -> Tensor | None:
        key = f"{name}.{part}"
        return files[key].get_tensor(key) if key in files else None

    parts = {part: tensor(part) for part in (layout.first, *layout.required, *layout.optional)}
    weight, order = _named("load_checkpoint", name, layout.convert, parts)
    return Layer(name, weight, order, tensor("bias"))


def _read_gguf(tensor: Any, convert: Callable[[Tensor], Int4Weight]) -> Layer:
    blocks = torch.from_numpy(tensor.data.copy())
    weight = _named("load_gguf", tensor.name, convert, blocks)
    return Layer(tensor.name.removesuffix(".weight"), weight, None, None)


def _named(place: str, name: str, convert: Callable[[Any], Any], parts: Any) -> Any:
    """Convert; an error tells the layer."""
    try:
        return convert(parts)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{place}: {name}: {error}") from error
