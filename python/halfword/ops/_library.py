"""The one Library object, and how an op is defined and called."""

import re
from collections.abc import Callable
from typing import Any

import torch

from .. import _cuda

_LIBRARY = torch.library.Library("halfword", "FRAGMENT")  # type: ignore[no-untyped-call]

_ERRORS: dict[str, type[Exception]] = {
    "TypeError": TypeError,
    "ValueError": ValueError,
    "RuntimeError": RuntimeError,  # the device's own
}
_ERROR = re.compile(rf"({'|'.join(_ERRORS)}): (.*)", re.DOTALL)


def define(schema: str, fake: Callable[..., Any]) -> Any:
    """Define an op of ours from its schema and the function that stands in for it under tracing."""
    name = schema.split("(", 1)[0]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"halfword::{name}", fake, lib=_LIBRARY)
    return getattr(torch.ops.halfword, name).default


def call(op: Any, *args: Any) -> Any:
    """Call an op; an error that its checks report is raised as the class that they name."""
    if torch.compiler.is_compiling():
        return op(*args)
    try:
        return op(*args)
    except NotImplementedError:
        raise NotImplementedError(
            f"{op.name().split('::')[-1]}: tensors must be dense and on {_devices()}; got "
            f"{', '.join(_kinds(args))}"
        ) from None
    except RuntimeError as error:
        match = _ERROR.match(str(error))
        if match is None:
            raise
        kind, message = match.groups()
    raise _ERRORS[kind](message)


def _devices() -> str:
    """Where this installation has kernels."""
    if _cuda.is_loaded():
        return "the CPU or a CUDA device"
    if torch.version.cuda is None:
        return "the CPU (this torch is built without CUDA)"
    return "the CPU (this halfword is built without its CUDA part)"


def _kinds(args: tuple[Any, ...]) -> list[str]:
    """The devices and layouts of all tensors among the arguments and in their lists."""
    flat = [item for arg in args for item in (arg if isinstance(arg, list) else [arg])]
    tensors = [item for item in flat if isinstance(item, torch.Tensor)]
    return sorted({f"{t.layout} on {t.device.type}".removeprefix("torch.") for t in tensors})


def mark_written(*lists: list[torch.Tensor]) -> None:
    """Tell autograd that a kernel has written these, so that a stale saved tensor is an error."""
    if torch.compiler.is_compiling():
        return  # the schema says it
    for tensors in lists:
        if tensors:
            torch.autograd.graph.increment_version(tensors)
