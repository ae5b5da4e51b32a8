"""ops.pack_int4: weights of 4 bits in the layout of their device."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops
from halfword.ops import Int4Layout, Int4Weight, PackedInt4
from halfword.ops.pack_int4 import layout_of, pack_nibbles, unpack_nibbles

from .compare import assert_same_bits
from .reference.pack_int4 import pack_int4 as reference

SIZES = [0, 1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 130]
EDGES = [(0, 5), (5, 0), (1, 1), (17, 33), (64, 64), (65, 70), (3, 1027)]
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def codes(*shape):
    return torch.randint(-8, 8, shape, dtype=torch.int8)


def weight(n, k, group=None, dtype=torch.float32, kind="zero_point"):
    group = group or max(k, 1)
    shape = (n, -(-k // group))
    zero_point = torch.randint(-8, 9, shape, dtype=torch.int32) if kind == "zero_point" else None
    offset = torch.randn(shape).to(dtype) if kind == "offset" else None
    return Int4Weight(codes(n, k), torch.randn(shape).to(dtype), zero_point, offset, group)


def assert_same_weight(got, wanted):
    assert got.group_size == wanted.group_size
    for name, ours, theirs in zip(wanted._fields[:4], got[:4], wanted[:4], strict=True):
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            assert_same_bits(ours, theirs, name)


def in_layout(codes, layout):
    n, k = codes.shape
    size = {0: n * -(-k // 2), 1: -(-n // 64) * 64 * -(-k // 8) * 4}.get(
        layout, n * -(-k // 32) * 16
    )
    packed = torch.empty(size, dtype=torch.uint8)
    torch.ops.halfword.pack_int4(codes, layout, packed)
    return packed


@pytest.mark.parametrize(("n", "k"), EDGES)
@pytest.mark.parametrize("bits", [8, 16])
def test_bytes_are_those_of_the_layout(kind_of_device, n, k, bits):
    original = weight(n, k)
    packed = ops.pack_int4(original, activation_bits=bits)
    assert_same_bits(packed.data, reference(original.codes, packed.layout))
    assert_same_bits(pack_nibbles(original.codes).view(-1), reference(original.codes, 0))


@pytest.mark.parametrize("layout", list(Int4Layout), ids=lambda layout: layout.name)
def test_every_tail_is_packed_on_the_cpu(layout):
    whole = codes(max(SIZES), max(SIZES))
    for n in SIZES:
        for k in SIZES:
            part = whole[:n, :k]  # rows lie apart
            assert_same_bits(in_layout(part, layout), reference(part, layout), f"{n} x {k}")


@pytest.mark.parametrize("kind", ["symmetric", "zero_point", "offset"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_what_was_packed_comes_back(kind_of_device, dtype, kind, bits):
    for n, k, group in ((65, 130, 32), (70, 128, 64), (3, 40, None), (3, 40, 4096), (0, 64, 32)):
        original = weight(n, k, group, dtype, kind)
        assert_same_weight(ops.pack_int4(original, activation_bits=bits).unpack(), original)


def test_scales_lie_in_the_order_of_the_layout(kind_of_device):
    """Those of a group side by side; on the CPU a panel's, with zeros past the last row."""
    original = weight(70, 96, 32)
    packed = ops.pack_int4(original)
    biased = (original.zero_point + 8).to(torch.uint8)
    for got, rows in ((packed.scale, original.scale), (packed.zero_point, biased)):
        assert got.is_contiguous()
        if packed.layout == Int4Layout.PANELS:
            assert got.shape == (2, 3, 64)
            assert not got[1, :, 6:].any()
            got = torch.cat([got[0], got[1, :, :6]], 1)
        assert_same_bits(got, rows.t().contiguous())


def test_codes_and_their_scales_may_be_given_apart(kind_of_device):
    w = weight(5, 64, 32)
    assert_same_weight(ops.pack_int4(*w[:3], group_size=32).unpack(), w)
    whole = weight(5, 40, kind="offset")
    again = ops.pack_int4(whole.codes, whole.scale, offset=whole.offset).unpack()
    assert_same_weight(again, whole)
    assert ops.pack_int4(codes(2, 0), torch.empty(2, 0)).group_size == 1


def test_any_strides_are_packed(kind_of_device):
    b, scale = codes(20, 30), torch.ones(20, 1)
    apart = codes(20, 47)[:, 5:35].copy_(b)  # the first code at an odd address
    for view in (b.t().contiguous().t(), apart, b.repeat_interleave(2, 1)[:, ::2]):
        assert torch.equal(ops.pack_int4(view, scale).unpack().codes, b)
    expanded = b[:1].expand(20, 30)
    assert torch.equal(ops.pack_int4(expanded, scale[:1].expand(20, 1)).unpack().codes, expanded)


def test_nibbles_hold_the_codes_whatever_the_device(kind_of_device):
    for n, k in EDGES:
        b = codes(n, k)
        assert pack_nibbles(b).shape == (n, -(-k // 2))
        assert torch.equal(unpack_nibbles(pack_nibbles(b), k), b)


def test_a_weight_stands_for_its_formula():
    w = weight(3, 70, 32)
    column = torch.arange(70) // 32
    wanted = (w.codes.float() - w.zero_point[:, column]) * w.scale[:, column]
    assert_same_bits(w.dequantize(), wanted)
    w = weight(3, 70, 32, torch.bfloat16, "offset")
    wanted = w.codes * w.scale.float()[:, column] + w.offset.float()[:, column]
    assert_same_bits(w.dequantize(), wanted)
    assert weight(3, 0).dequantize().shape == (3, 0)
    assert weight(3, 5, 2**40).dequantize().shape == (3, 5)


def test_a_packed_weight_moves_with_its_kind_of_device(kind_of_device):
    """And to the layout for other activations, where the device has two."""
    w = weight(9, 70, 32)
    packed = ops.pack_int4(w)
    for bits in (8, 16, None):
        moved = packed.to(packed.data.device, activation_bits=bits)
        assert moved.layout == ops.pack_int4(w, activation_bits=bits or 16).layout
        assert_same_weight(moved.unpack(), w)


def test_each_kind_of_device_has_its_layouts():
    names = {"cpu": ["PANELS", "PANELS"], "cuda": ["FRAGMENTS16", "FRAGMENTS8"]}
    for kind, wanted in names.items():
        assert [layout_of(torch.device(kind), bits).name for bits in (16, 8)] == wanted


def test_its_text_tells_what_it_is(kind_of_device):
    packed = ops.pack_int4(weight(9, 64, 32))
    layout = Int4Layout(packed.layout).name
    assert repr(packed) == (
        f"PackedInt4([9, 64], group_size=32, layout={layout}, device='{packed.data.device}')"
    )


@pytest.mark.parametrize("layout", list(Int4Layout), ids=lambda layout: layout.name)
def test_opcheck_passes(layout):
    b = codes(17, 5)
    arguments = (b, int(layout), torch.empty_like(in_layout(b, layout)))
    opcheck(torch.ops.halfword.pack_int4.default, arguments)


def test_compile_keeps_the_graph_whole():
    w = weight(5, 64, 32)
    both = torch.compile(
        lambda w: ops.pack_int4(w).unpack().codes * 2, fullgraph=True, backend="aot_eager"
    )
    assert torch.equal(both(w), w.codes * 2)


W = weight(4, 64, 32)
BAD = [
    (W._replace(codes=W.codes.int()), TypeError, "codes must be int8; got int32"),
    (W._replace(codes=W.codes[0]), ValueError, r"codes must be a matrix; got shape \[64\]"),
    (W._replace(codes=W.codes + 20), ValueError, r"codes must lie in -8..7; got 1\d"),
    (W._replace(codes=W.codes - 30), ValueError, r"codes must lie in -8..7; got -3\d"),
    (W._replace(group_size=48), ValueError, "group_size must be a multiple of 32, or .*; got 48"),
    (W._replace(group_size=0), ValueError, "group_size must be .*; got 0"),
    (W._replace(group_size=-32), ValueError, "group_size must be .*; got -32"),
    (W._replace(group_size=32.0), TypeError, "group_size must be an int; got 32.0"),
    (W._replace(scale=W.scale.double()), TypeError,
     "scale must be float32 or bfloat16 or float16; got float64"),
    (W._replace(scale=None), TypeError, "scale must be a tensor; got None"),
    (W._replace(scale=W.scale[:3]), ValueError, r"scale must have shape \[4, 2\]; got \[3, 2\]"),
    (W._replace(scale=W.scale[:, :1]), ValueError, r"scale must have shape \[4, 2\]; got \[4, 1\]"),
    (W._replace(zero_point=W.zero_point.char()), TypeError, "zero_point must be int32; got int8"),
    (W._replace(zero_point=W.zero_point[0]), ValueError,
     r"zero_point must have shape \[4, 2\]; got \[2\]"),
    (W._replace(zero_point=W.zero_point * 0 + 9), ValueError,
     "zero_point must lie in -8..8; got 9"),
    (W._replace(zero_point=W.zero_point * 0 - 9), ValueError,
     "zero_point must lie in -8..8; got -9"),
    (W._replace(offset=W.scale), ValueError, "offset must be None where there are zero points"),
    (W._replace(zero_point=None, offset=W.scale.half()), TypeError,
     "offset must be float32; got float16"),
    (W._replace(zero_point=None, offset=W.scale.t()), ValueError,
     r"offset must have shape \[4, 2\]; got \[2, 4\]"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "error", "message"), BAD, ids=[bad[2][:40] for bad in BAD])
def test_a_field_that_is_none_of_a_weight_is_named(bad, error, message):
    with pytest.raises(error, match="pack_int4: " + message):
        ops.pack_int4(bad)
    if bad.scale is not None:
        with pytest.raises(error, match="pack_int4: " + message):
            ops.pack_int4(*bad[:3], offset=bad.offset, group_size=bad.group_size)


def test_arguments_that_do_not_go_together_are_named():
    for name, value in {"scale": W.scale, "offset": W.scale, "group_size": 32}.items():
        with pytest.raises(ValueError, match=f"pack_int4: {name} must be None beside"):
            ops.pack_int4(W, **{name: value})
    with pytest.raises(TypeError, match="pack_int4: scale must be a tensor; got None"):
        ops.pack_int4(W.codes)
    for bad in (4, None):
        with pytest.raises(ValueError, match=f"activation_bits must be 8 or 16; got {bad}"):
            ops.pack_int4(W, activation_bits=bad)
    with pytest.raises(ValueError, match="scale must be on cpu; got a tensor on meta"):
        ops.pack_int4(W._replace(scale=W.scale.to("meta")))


RAW = [
    (lambda b, p: (b, 1, p[1:]), ValueError, r"packed must have shape \[512\]; got \[511\]"),
    (lambda b, p: (b, 1, p.char()), TypeError, "packed must be uint8; got int8"),
    (lambda b, p: (b, 4, p), ValueError, "layout must be one of this device's .*; got 4"),
    (lambda b, p: (b, -1, p), ValueError, "layout must be one of this device's .*; got -1"),
    (lambda b, p: (b.t(), 1, p), ValueError, "codes must have consecutive columns; got column"),
    (lambda b, p: (p.view(torch.int8)[:63].view(9, 7), 1, p[:256]), ValueError,
     "packed must not overlap codes in memory"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "error", "message"), RAW, ids=[raw[2][:30] for raw in RAW])
def test_the_op_itself_checks_what_it_writes(arguments, error, message):
    packed = ops.pack_int4(codes(9, 9), torch.ones(9, 1))
    with pytest.raises(RuntimeError, match=f"{error.__name__}: pack_int4: {message}"):
        torch.ops.halfword.pack_int4(*arguments(codes(9, 9), packed.data))


def test_it_is_made_again_of_its_parts(kind_of_device):
    w = weight(9, 64, 32)
    packed = ops.pack_int4(w)
    again = PackedInt4(**{name: getattr(packed, name) for name in packed.__dataclass_fields__})
    assert_same_weight(again.unpack(), w)
