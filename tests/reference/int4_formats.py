"""What the tensors of 4-bit formats stand for: float64 [n, k], number by number."""

import torch

AWQ_PLACES = (0, 2, 4, 6, 1, 3, 5, 7)


def values(weight):
    """Of an Int4Weight, in the order of its own columns."""
    group = torch.arange(weight.codes.shape[1]) // weight.group_size
    scale = weight.scale.double()[:, group]
    if weight.offset is not None:
        return weight.codes * scale + weight.offset.double()[:, group]
    points = 0 if weight.zero_point is None else weight.zero_point[:, group]
    return (weight.codes - points) * scale


def layer_values(weight, order):
    """The same in the order of the layer's columns."""
    if order is None:
        return values(weight)
    layer = torch.empty_like(weight.codes, dtype=torch.float64)
    layer[:, order.long()] = values(weight)
    return layer


def nibbles(words, places=range(8)):
    """Rows of integers 0 to 15: nibble i of each word is number places[i] of its eight."""
    rows = []
    for row in words.tolist():
        numbers = [0] * (8 * len(row))
        for at, word in enumerate(row):
            for i, place in enumerate(places):
                numbers[8 * at + place] = (word % 2**32) // 16**i % 16
        rows.append(numbers)
    return torch.tensor(rows, dtype=torch.float64).view(len(rows), -1)


def gptq(qweight, qzeros, scales, g_idx, version):
    zeros = nibbles(qzeros) + (1 if version == 1 else 0)
    group = g_idx.long()
    return ((nibbles(qweight.t()).t() - zeros[group]) * scales.double()[group]).t()


def awq(qweight, qzeros, scales, group_size):
    zeros = nibbles(qzeros, AWQ_PLACES)
    group = torch.arange(len(qweight)) // group_size
    return ((nibbles(qweight, AWQ_PLACES) - zeros[group]) * scales.double()[group]).t()


def compressed_tensors(weight_packed, weight_scale, weight_shape, weight_zero_point=None,
                       weight_g_idx=None, *, group_size):  # fmt: skip
    n, k = weight_shape.tolist()
    group = torch.arange(k) // group_size if weight_g_idx is None else weight_g_idx.long()
    codes = nibbles(weight_packed)[:, :k] - 8
    if weight_zero_point is not None:
        codes -= (nibbles(weight_zero_point.t()).t()[:n] - 8)[:, group]
    return codes * weight_scale.double()[:, group]


def gguf(blocks, kind):
    """Of Q4_0 or Q4_1 blocks."""
    head = {"Q4_0": 2, "Q4_1": 4}[kind]
    rows = []
    for row in blocks.view(len(blocks), -1, head + 16).tolist():
        numbers = []
        for block in row:
            scale, *low = torch.tensor(block[:head], dtype=torch.uint8).view(torch.float16).tolist()
            codes = [byte % 16 for byte in block[head:]] + [byte // 16 for byte in block[head:]]
            numbers += [(u - 8) * scale if kind == "Q4_0" else u * scale + low[0] for u in codes]
        rows.append(numbers)
    return torch.tensor(rows, dtype=torch.float64)
