"""The packed layouts of csrc/core/int4.h in plain torch, flat."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def pack_int4(codes: Tensor, layout: int) -> Tensor:
    return [nibbles, panels, fragments16, fragments8][layout](codes)


def nibbles(codes: Tensor) -> Tensor:
    return _bytes(_padded(codes, 1, 2)).reshape(-1)


def panels(codes: Tensor) -> Tensor:
    """[panel][eight columns][row][byte]; the nibbles of byte j are columns j and j + 4."""
    codes = _padded(codes, 64, 8)
    n, k = codes.shape
    halves = codes.view(n // 64, 64, k // 8, 2, 4).permute(0, 2, 1, 4, 3)
    return _bytes(halves).reshape(-1)


def fragments16(codes: Tensor) -> Tensor:
    """[row][32 columns][word t][nibble i]: columns 2t + 8i, then those after them."""
    codes = _padded(codes, 1, 32)
    n, k = codes.shape
    eights = codes.view(n, k // 32, 4, 4, 2)  # column 8i + 2t + odd
    return _bytes(eights.permute(0, 1, 3, 4, 2).reshape(n, k // 32, 4, 8)).reshape(-1)


def fragments8(codes: Tensor) -> Tensor:
    """[row][32 columns][byte]; the nibbles of byte j are columns j and j + 16."""
    codes = _padded(codes, 1, 32)
    n, k = codes.shape
    return _bytes(codes.view(n, k // 32, 2, 16).transpose(2, 3)).reshape(-1)


def _padded(codes: Tensor, rows: int, columns: int) -> Tensor:
    n, k = codes.shape
    return pad(codes, (0, -k % columns, 0, -n % rows))


def _bytes(codes: Tensor) -> Tensor:
    """Neighbours in the last dimension as a byte, the first one low."""
    shifted = (codes + 8).to(torch.uint8)
    return shifted[..., ::2] | shifted[..., 1::2] << 4
