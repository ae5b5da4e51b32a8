"""Nibbles in 32-bit words, eight a word: what GPTQ, AWQ and compressed-tensors are made of."""

from collections.abc import Sequence

import torch
from torch import Tensor

NIBBLES = 8  # of a word
IN_ORDER = range(NIBBLES)


def unpack_words(words: Tensor, places: Sequence[int] = IN_ORDER) -> Tensor:
    """int32 ``[rows, words]`` as int8 ``[rows, 8 * words]``, 0 to 15.

    Nibble ``i`` of a word, from the lowest, is column ``places[i]`` of the word's eight.
    """
    rows, count = words.shape
    nibbles = torch.empty(rows, count, NIBBLES, dtype=torch.int8, device=words.device)
    for i, place in enumerate(places):
        nibbles[..., place] = words >> 4 * i & 15
    return nibbles.view(rows, count * NIBBLES)


def pack_words(nibbles: Tensor, places: Sequence[int] = IN_ORDER) -> Tensor:
    """The inverse: int32 ``[rows, ceil(columns / 8)]``, with zeros past the last column."""
    rows, columns = nibbles.shape
    count = -(-columns // NIBBLES)
    padded = torch.nn.functional.pad(nibbles, (0, count * NIBBLES - columns))
    padded = padded.view(rows, count, NIBBLES)
    words = torch.zeros(rows, count, dtype=torch.int32, device=nibbles.device)
    for i, place in enumerate(places):
        words |= padded[..., place].int() << 4 * i
    return words
