"""Linear layers of a model exchanged for quantized ones."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from .recipes import Recipe

Layer = TypeVar("Layer", bound=type)
Filter = Callable[[nn.Module, str], bool]

_LAYERS: dict[type[Recipe], Any] = {}


def serves(recipe: type[Recipe]) -> Callable[[Layer], Layer]:
    """Name the layer that a recipe makes of a linear one, by ``from_float(linear, recipe)``."""

    def register(layer: Layer) -> Layer:
        _LAYERS[recipe] = layer
        return layer

    return register


def quantize_(model: nn.Module, recipe: Recipe, filter_fn: Filter | None = None) -> nn.Module:
    """Exchange linear layers of a model, in place, for those of a recipe.

    Layers of the type :class:`torch.nn.Linear` itself are exchanged, not those of its subclasses,
    whose ``forward`` may do something else. A layer that is in several places is exchanged once and
    in all of them. Hooks are carried over. A :class:`torch.nn.TransformerEncoderLayer` calls its
    new layers in evaluation, too: it does not take their weights to torch's fused kernel.

    Args:
        model: a model, or a single linear layer.
        recipe: :class:`Int8Training`, :class:`Int8Dynamic`, :class:`Int8Static` or
            :class:`Int4WeightOnly`.
        filter_fn: called with a linear layer and its name in the model; those for which it is False
            stay. Without it, all are exchanged. The output layer of a language model is often left
            alone: ``lambda layer, name: name != "lm_head"``.

    Returns:
        The model; if that is a linear layer, the new one.

    Raises:
        TypeError: ``recipe`` is not a recipe.
        ValueError: nothing is exchanged.
    """
    layer = _LAYERS.get(type(recipe))
    if layer is None:
        known = ", ".join(sorted(each.__name__ for each in _LAYERS))
        raise TypeError(f"quantize_: recipe must be one of {known}; got {recipe!r}")
    seen: dict[nn.Module, nn.Module] = {}

    def exchanged(old: nn.Module, name: str) -> nn.Module:
        if type(old) is not nn.Linear:
            return old
        if old not in seen:
            seen[old] = old
            if filter_fn is None or filter_fn(old, name):
                seen[old] = _carry_over(old, layer.from_float(old, recipe))
        return seen[old]

    with torch.inference_mode(False), torch.no_grad():  # the new layers may train
        result = exchanged(model, "")
        for path, parent in list(model.named_modules()):
            for name, child in list(parent._modules.items()):
                if child is not None:
                    parent._modules[name] = exchanged(child, f"{path}.{name}" if path else name)
                    if parent._modules[name] is not child:
                        _call_layers(parent)
    if all(old is new for old, new in seen.items()):
        among = "" if filter_fn is None else " that filter_fn accepts"
        raise ValueError(f"quantize_: model must have a torch.nn.Linear{among}; it has none")
    return result


def _call_layers(parent: nn.Module) -> None:
    """Make a module call its linear layers, where it would take their weights itself."""
    if isinstance(parent, nn.TransformerEncoderLayer):
        parent.activation_relu_or_gelu = 0  # its condition for the fused kernel


def _carry_over(old: nn.Module, new: nn.Module) -> nn.Module:
    """Training mode and hooks."""
    new.train(old.training)
    vars(new).update({key: value for key, value in vars(old).items() if "_hooks" in key})
    return new
