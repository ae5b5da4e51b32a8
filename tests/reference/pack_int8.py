"""The packed layouts of an int8 matrix in plain torch."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def panels(b: Tensor) -> Tensor:
    """Layout kPanels of csrc/ops/pack_int8.h, flat."""
    n, k = b.shape
    unsigned = pad((b.to(torch.int16) + 128).to(torch.uint8), (0, -k % 4, 0, -n % 16), value=128)
    fours = unsigned.reshape(len(unsigned), unsigned.shape[1] // 4, 4)
    parts = [part.transpose(0, 1).reshape(-1) for part in fours.split(64)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.uint8)


def pitched(b: Tensor) -> Tensor:
    """Layout kPitched, flat."""
    return pad(b, (0, -b.shape[1] % 16)).reshape(-1).view(torch.uint8)
