"""Loss scaling for float16 training: :class:`GradScaler`, a drop-in for ``torch.amp.GradScaler``.

>>> scaler = halfword.amp.GradScaler()
>>> scaler.scale(loss).backward()
>>> stepped = scaler.step(optimizer)  # a bool tensor: read it when you like
>>> scaler.update()
"""

from .grad_scaler import GradScaler

__all__ = ["GradScaler"]
