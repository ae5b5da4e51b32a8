"""What a nibble of a layout stands for: each code is looked up where csrc/core/int4.h says."""

import torch
from torch import Tensor


def unpack_int4(packed: Tensor, layout: int, n: int, k: int) -> Tensor:
    data = packed.tolist()
    rows = [[_nibble(data, layout, row, column, k) - 8 for column in range(k)] for row in range(n)]
    return torch.tensor(rows, dtype=torch.int8).view(n, k)


def _nibble(data: list[int], layout: int, row: int, column: int, k: int) -> int:
    if layout == 0:
        byte, high = row * -(-k // 2) + column // 2, column % 2
    elif layout == 1:
        eight = (row // 64 * -(-k // 8) + column // 8) * 64 + row % 64
        byte, high = eight * 4 + column % 4, column // 4 % 2
    else:
        block, column = (row * -(-k // 32) + column // 32) * 16, column % 32
        if layout == 3:
            byte, high = block + column % 16, column // 16
        else:
            word, nibble = column % 8 // 2, column // 8 + column % 2 * 4
            byte, high = block + word * 4 + nibble // 2, nibble % 2
    return data[byte] >> 4 if high else data[byte] & 15
