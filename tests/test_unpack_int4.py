"""ops.unpack_int4: the codes of packed weights again."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops
from halfword.ops.pack_int4 import Int4Layout, unpack_nibbles

from .compare import assert_same_bits
from .reference.unpack_int4 import unpack_int4 as reference

BYTES = {
    Int4Layout.NIBBLES: lambda n, k: n * -(-k // 2),
    Int4Layout.PANELS: lambda n, k: -(-n // 64) * 64 * -(-k // 8) * 4,
    Int4Layout.FRAGMENTS16: lambda n, k: n * -(-k // 32) * 16,
    Int4Layout.FRAGMENTS8: lambda n, k: n * -(-k // 32) * 16,
}


def random_bytes(layout, n, k):
    return torch.randint(0, 256, (BYTES[layout](n, k),), dtype=torch.uint8)


def unpacked(data, layout, n, k):
    codes = torch.empty(n, k, dtype=torch.int8)
    torch.ops.halfword.unpack_int4(data, int(layout), codes)
    return codes


@pytest.mark.parametrize("layout", list(BYTES), ids=lambda layout: layout.name)
def test_every_nibble_is_found_where_the_layout_says(layout):
    """Whatever is in the nibbles past the end."""
    for n, k in ((0, 5), (5, 0), (1, 1), (2, 31), (3, 33), (65, 9), (130, 17), (1, 130)):
        data = random_bytes(layout, n, k)
        assert_same_bits(unpacked(data, layout, n, k), reference(data, layout, n, k), f"{n} x {k}")


@pytest.mark.parametrize("bits", [8, 16])
def test_codes_of_the_layouts_of_a_device_match_the_reference(kind_of_device, bits):
    for n, k in ((1, 1), (9, 33), (3, 1027)):
        codes = torch.randint(-8, 8, (n, k), dtype=torch.int8)
        packed = ops.pack_int4(codes, torch.ones(n, 1), activation_bits=bits)
        packed.data.random_(0, 256)
        wanted = reference(packed.data, packed.layout, n, k)
        assert_same_bits(ops.unpack_int4(packed).codes, wanted.to(codes.device))
        nibbles = torch.randint(0, 256, (n, -(-k // 2)), dtype=torch.uint8)
        wanted = reference(nibbles.view(-1), 0, n, k)
        assert_same_bits(unpack_nibbles(nibbles, k), wanted.to(codes.device))


@pytest.mark.parametrize("layout", list(BYTES), ids=lambda layout: layout.name)
def test_opcheck_passes(layout):
    arguments = (random_bytes(layout, 3, 9), int(layout), torch.empty(3, 9, dtype=torch.int8))
    opcheck(torch.ops.halfword.unpack_int4.default, arguments)


def test_nibbles_of_other_columns_are_named():
    with pytest.raises(ValueError, match=r"unpack_int4: nibbles must have 5 columns for 9 codes"):
        unpack_nibbles(torch.zeros(3, 4, dtype=torch.uint8), 9)
    with pytest.raises(TypeError, match="unpack_int4: packed must be uint8; got int8"):
        unpack_nibbles(torch.zeros(3, 5, dtype=torch.int8), 9)


DATA, CODES = torch.zeros(512, dtype=torch.uint8), torch.zeros(9, 9, dtype=torch.int8)
RAW = [
    ((DATA.char(), 1, CODES), TypeError, "packed must be uint8; got int8"),
    ((DATA, 7, CODES), ValueError, "layout must be one of this device's .*; got 7"),
    ((DATA, 1, CODES.int()), TypeError, "codes must be int8; got int32"),
    ((DATA, 1, CODES[0]), ValueError, r"codes must be a matrix; got shape \[9\]"),
    ((DATA, 1, CODES[:, ::2]), ValueError, "codes must have consecutive columns; got column"),
    ((DATA, 1, CODES[:, :5]), ValueError, "codes must be contiguous"),
    ((DATA[1:], 1, CODES), ValueError, r"packed must have shape \[512\]; got \[511\]"),
    ((DATA.view(2, 256), 1, CODES), ValueError, r"packed must have shape \[512\]; got \[2, 256\]"),
    ((DATA, 1, DATA.view(torch.int8)[:81].view(9, 9)), ValueError,
     "codes must not overlap packed in memory"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "error", "message"), RAW, ids=[raw[2][:30] for raw in RAW])
def test_the_op_itself_checks_its_arguments(arguments, error, message):
    with pytest.raises(RuntimeError, match=f"{error.__name__}: unpack_int4: {message}"):
        torch.ops.halfword.unpack_int4(*arguments)
