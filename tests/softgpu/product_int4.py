"""What the CUDA kernels of pack_int4 and unpack_int4 must do on the software GPU, whatever the
adversary does: see :mod:`.product`."""

from dataclasses import replace

import torch

from halfword import ops
from halfword.ops.pack_int4 import pack_nibbles, unpack_nibbles

from ..compare import assert_same_bits
from ..reference.pack_int4 import pack_int4 as bytes_of
from ..reference.unpack_int4 import unpack_int4 as codes_of
from .product import ADVERSARIES
from .redirect import redirected

__all__ = ["ADVERSARIES", "CHECKS"]

SIZES = [
    (5, 70),  # chunks with a part missing
    (2, 1100),  # more bytes in a row than threads in a block
    (33, 3),  # many rows, the last nibble of which is no code
]


def int4_packed():
    """Codes whose rows lie apart, in every layout of the device."""
    for n, k in SIZES:
        codes = torch.randint(-8, 8, (n, k + 3), dtype=torch.int8)[:, 1:-2]
        with redirected():
            packed = [ops.pack_int4(codes, torch.ones(n, 1), activation_bits=bits)
                      for bits in (8, 16)]  # fmt: skip
            nibbles = pack_nibbles(codes)
        for i, each in enumerate(packed):
            assert_same_bits(each.data, bytes_of(codes, each.layout), f"list 0, tensor {i}")
        assert_same_bits(nibbles.view(-1), bytes_of(codes, 0), "list 0, tensor 2")


def int4_unpacked():
    """The codes again, whatever the nibbles past the end are."""
    for n, k in SIZES:
        codes = torch.zeros(n, k, dtype=torch.int8)
        for i, bits in enumerate((8, 16)):
            with redirected():
                packed = ops.pack_int4(codes, torch.ones(n, 1), activation_bits=bits)
                packed = replace(packed, data=torch.randint_like(packed.data, 256))
                got = ops.unpack_int4(packed).codes
            wanted = codes_of(packed.data, packed.layout, n, k)
            assert_same_bits(got, wanted, f"list 0, tensor {i}")
        nibbles = torch.randint(0, 256, (n, -(-k // 2)), dtype=torch.uint8)
        with redirected():
            got = unpack_nibbles(nibbles, k)
        assert_same_bits(got, codes_of(nibbles.view(-1), 0, n, k), "list 0, tensor 2")


CHECKS = [int4_packed, int4_unpacked]
