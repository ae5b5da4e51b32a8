"""halfword: kernels for low-precision training with PyTorch.

>>> optimizer = halfword.optim.AdamW(model.parameters(), lr=3e-4, master_weights=True)
>>> scaler = halfword.amp.GradScaler()

``halfword.optim`` and ``halfword.amp`` are drop-ins for their torch counterparts; ``halfword.ops``
has the kernels as low-level calls. ``python -m halfword doctor`` tells whether all is well.
"""

from . import _load, ops, optim  # isort: skip  (_load first)
from ._version import __version__

__all__ = ["__version__", "ops", "optim"]
