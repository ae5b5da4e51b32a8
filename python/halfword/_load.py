"""Loads the kernels. Imported once, before anything that calls them."""

import os

import torch  # noqa: F401  (first: our library takes its symbols from torch's)

from . import _core, _cuda

_wanted_isa = os.environ.get("HALFWORD_ISA")
if _wanted_isa is not None and _wanted_isa != _core.isa():
    raise ImportError(
        f"halfword: HALFWORD_ISA must be one of {', '.join(_core.supported_isas())} "
        f"on this machine; got {_wanted_isa!r}"
    )

_cuda.load()
