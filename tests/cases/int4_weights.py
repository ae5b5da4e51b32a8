"""4-bit weights of all kinds that formats know, for hypothesis."""

import torch
from hypothesis import strategies as st

from halfword.ops import Int4Weight

GROUPS = [32, 64, 128, None]  # None: the whole row


def random_scales(generator, *shape):
    """Any finite float16, with both signs, zeros and subnormals."""
    bits = torch.randint(0, 0x7C00, shape, generator=generator)
    sign = torch.randint(0, 2, shape, generator=generator) * 0x8000
    return (bits + sign).to(torch.uint16).view(torch.float16)


@st.composite
def int4_weights(draw, rows=8, columns=8, zeros=(-8, 7), orders=False):
    """A weight of a multiple of so many rows and columns, or with orders one and its order.

    ``zeros`` is the range of its zero points. None, or one that is not 0, so that a weight with
    zero points is read back as such.
    """
    n = rows * draw(st.integers(1, 3))
    k = columns * draw(st.integers(1, 200 // columns))
    size = draw(st.sampled_from(GROUPS)) or k
    size = min(size, k)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    groups = -(-k // size)
    codes = torch.randint(-8, 8, (n, k), generator=generator, dtype=torch.int8)
    points = None
    if draw(st.booleans()):
        low, high = zeros
        points = torch.randint(low, high + 1, (n, groups), generator=generator, dtype=torch.int32)
        points[-1, -1] = -3
    weight = Int4Weight(codes, random_scales(generator, n, groups), points, None, size)
    if not orders:
        return weight
    order = torch.randperm(k, generator=generator, dtype=torch.int32)
    parts = [part.sort().values for part in order.split(size)]  # as an importer leaves them
    order = torch.cat(parts)
    shuffled = draw(st.booleans()) and not torch.equal(order, torch.arange(k))
    return weight, order if shuffled else None


def equal(one, other):
    """The same tensors, bit for bit, dtypes and group sizes too."""
    return all(
        a is b if a is None or b is None
        else a == b if isinstance(a, int)
        else a.dtype == b.dtype and torch.equal(a, b)
        for a, b in zip(one, other, strict=True)
    )  # fmt: skip
