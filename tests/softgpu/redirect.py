"""The project's own tests over the software GPU: halfword's ops run the CUDA kernels.

The library that csrc/binding and tests/softgpu/glue.cpp make registers the ops a second time,
under ``halfword_softgpu`` and for tensors on the CPU. In :func:`redirected`, the Python layer calls
those.
"""

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from unittest import mock

import torch

from halfword import _cuda, ops

from . import library

_NAMESPACE = "halfword_softgpu"
_MODULES = [
    importlib.import_module(name)
    for name in sorted({getattr(ops, name).__module__ for name in ops.__all__})
]


@cache
def glue():
    """The library, its ops defined."""
    twins = torch.library.Library(_NAMESPACE, "FRAGMENT")
    for _, _, op in _originals():
        schema = str(op._schema).removeprefix("halfword::")
        twins.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    loaded = library.load(_NAMESPACE)
    loaded.twins = twins  # the definitions last as long as it does
    return loaded


@cache
def _originals():
    """Every op of ours that a module of the Python layer holds: module, name there, op."""
    return [
        (module, name, value)
        for module in _MODULES
        for name, value in vars(module).items()
        if isinstance(value, torch._ops.OpOverload) and value.namespace == "halfword"
    ]


@contextmanager
def redirected() -> Iterator[None]:
    """Within this, halfword's ops run on the software GPU."""
    glued = glue()
    twins = getattr(torch.ops, _NAMESPACE)
    with ExitStack() as stack:
        for module, name, op in _originals():
            twin = getattr(twins, op.name().removeprefix("halfword::")).default
            stack.enter_context(mock.patch.object(module, name, twin))
        forget = glued.halfword_forget_adam_plan
        stack.enter_context(mock.patch.object(_cuda, "forget_adam_plan", forget))
        packing = importlib.import_module(f"{ops.__name__}.pack_int8")
        pitched = mock.patch.object(packing, "layout_of", return_value=packing.Layout.PITCHED)
        stack.enter_context(pitched)
        packing = importlib.import_module(f"{ops.__name__}.pack_int4")
        of_cuda = partial(packing.layout_of, torch.device("cuda"))
        fragments = mock.patch.object(packing, "layout_of", lambda device, bits=16: of_cuda(bits))
        stack.enter_context(fragments)
        yield


@contextmanager
def original() -> Iterator[None]:
    """Within this, they run on the CPU, also inside :func:`redirected`."""
    with ExitStack() as stack:
        for module, name, op in _originals():
            stack.enter_context(mock.patch.object(module, name, op))
        yield
