"""ops.pack_int8: an int8 matrix in the layout of its device."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops
from halfword.ops.pack_int8 import Layout, PackedInt8, layout_of

from .reference.pack_int8 import panels, pitched

SIZES = [0, 1, 3, 4, 15, 16, 17, 63, 64, 65, 130]


def codes(*shape):
    return torch.randint(-128, 128, shape, dtype=torch.int8)


def packed_as(layout, b):
    return panels(b) if layout == Layout.PANELS else pitched(b)


@pytest.mark.parametrize(("n", "k"), [(0, 5), (5, 0), (1, 1), (17, 33), (65, 64), (130, 70)])
def test_bytes_and_sums_are_those_of_the_layout(int8_device, n, k):
    b = codes(n, k)
    packed = ops.pack_int8(b)
    assert torch.equal(packed.data, packed_as(packed.layout, b))
    assert torch.equal(packed.sums, b.sum(1).int())
    assert torch.equal(packed.unpack(), b)


def test_every_tail_is_packed(isa):
    b = codes(max(SIZES), max(SIZES))
    for n in SIZES:
        for k in SIZES:
            part = b[:n, :k]  # rows lie apart
            packed = ops.pack_int8(part)
            assert torch.equal(packed.data, panels(part)), (n, k)
            assert torch.equal(packed.sums, part.sum(1).int()), (n, k)


def test_sums_are_exact_where_they_are_largest(isa):
    b = torch.cat([torch.full((1, 131_072), x, dtype=torch.int8) for x in (-128, 127)])
    assert ops.pack_int8(b).sums.tolist() == [-128 * 131_072, 127 * 131_072]


def test_any_strides_are_packed(int8_device):
    b = codes(20, 30)
    apart = codes(20, 47)[:, 5:35].copy_(b)  # the first code at an odd address
    for view in (b.t().contiguous().t(), apart, b.repeat_interleave(2, 1)[:, ::2]):
        assert torch.equal(ops.pack_int8(view).unpack(), b)
    assert torch.equal(ops.pack_int8(b[:1].expand(20, 30)).unpack(), b[:1].expand(20, 30))


def test_it_is_stored_as_plain_tensors_and_made_again(int8_device):
    packed = ops.pack_int8(codes(9, 7))
    again = PackedInt8(packed.data.clone(), packed.sums.clone(), packed.n, packed.k, packed.layout)
    assert torch.equal(again.unpack(), packed.unpack())
    assert repr(packed) == (
        f"PackedInt8([9, 7], layout={Layout(packed.layout).name}, device='{packed.data.device}')"
    )


def test_a_layout_moves_with_its_kind_of_device():
    packed = ops.pack_int8(codes(9, 7))
    assert packed.layout == layout_of(torch.device("cpu")) == Layout.PANELS
    assert torch.equal(packed.to("cpu").data, packed.data)
    assert layout_of(torch.device("cuda")) == Layout.PITCHED


def test_opcheck_passes_and_compile_keeps_the_graph_whole():
    b = codes(17, 5)
    packed = ops.pack_int8(b)
    arguments = (b, torch.empty_like(packed.data), torch.empty_like(packed.sums))
    opcheck(torch.ops.halfword.pack_int8.default, arguments)
    compiled = torch.compile(lambda b: ops.pack_int8(b).data, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(b), packed.data)


BAD = [
    (codes(2, 3).int(), TypeError, "b must be int8; got int32"),
    (codes(3), ValueError, r"b must be a matrix; got shape \[3\]"),
    (codes(2, 3, 4), ValueError, r"b must be a matrix; got shape \[2, 3, 4\]"),
]


@pytest.mark.parametrize(("b", "error", "message"), BAD, ids=[bad[2][:30] for bad in BAD])
def test_bad_input_is_named(int8_device, b, error, message):
    with pytest.raises(error, match="pack_int8: " + message):
        ops.pack_int8(b)


RAW = [
    (lambda b, p, s: (b, p[1:], s), ValueError, r"packed must have shape \[128\]; got \[127\]"),
    (lambda b, p, s: (b, p.char(), s), TypeError, "packed must be uint8; got int8"),
    (lambda b, p, s: (b, p, s.long()), TypeError, "sums must be int32; got int64"),
    (lambda b, p, s: (b, p, s[1:]), ValueError, r"sums must have shape \[9\]; got \[8\]"),
    (lambda b, p, s: (p.char().view(-1)[:63].view(9, 7), p, p.view(torch.int32)[:9]), ValueError,
     "sums must not overlap packed in memory"),
    (lambda b, p, s: (p.view(torch.int8)[:63].view(9, 7), p, s), ValueError,
     "packed must not overlap b in memory"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "error", "message"), RAW, ids=[raw[2][:30] for raw in RAW])
def test_the_op_itself_checks_what_it_writes(arguments, error, message):
    packed = ops.pack_int8(codes(9, 7))
    with pytest.raises(RuntimeError, match=f"{error.__name__}: pack_int8: {message}"):
        torch.ops.halfword.pack_int8(*arguments(codes(9, 7), packed.data, packed.sums))
