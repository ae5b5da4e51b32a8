"""halfword: kernels for low-precision training with PyTorch.

>>> optimizer = halfword.optim.AdamW(model.parameters(), lr=3e-4, master_weights=True)
>>> scaler = halfword.amp.GradScaler()

``halfword.optim`` and ``halfword.amp`` are drop-ins for their torch counterparts; ``halfword.nn``
has linear layers on INT8 products, and ``halfword.quant`` puts them into a model; ``halfword.ops``
has the kernels as low-level calls. ``python -m halfword doctor`` tells whether all is well.
"""

import os
import sys

from ._version import __version__

__all__ = ["__version__", "amp", "nn", "ops", "optim", "quant"]

try:
    from . import _load  # noqa: F401  # isort: skip  (before whatever calls a kernel)
    from . import amp, nn, ops, optim, quant
except Exception:
    # The doctor is there to say what went wrong, and lives in this package.
    if (os.path.basename(sys.argv[0]), *sys.argv[1:2]) not in (
        ("-m", "doctor"),
        ("halfword", "doctor"),
    ):
        raise
