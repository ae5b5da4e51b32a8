"""quant.formats: damaged and foreign tensors are refused, and the field is named."""

import pytest
import torch

from halfword.ops import Int4Weight
from halfword.quant import formats

NAN, INF = float("nan"), float("inf")


def ints(*shape):
    return torch.zeros(shape, dtype=torch.int32)


def with_value(tensor, value, *at):
    tensor = tensor.clone()
    tensor[at] = value
    return tensor


GPTQ = {
    "qweight": ints(8, 16),
    "qzeros": ints(2, 2),
    "scales": torch.ones(2, 16),
    "g_idx": torch.arange(64).int() // 32,
}
AWQ = {"qweight": ints(64, 2), "qzeros": ints(2, 2), "scales": torch.ones(2, 16)}
COMPRESSED = {
    "weight_packed": ints(16, 8),
    "weight_scale": torch.ones(16, 2),
    "weight_shape": torch.tensor([16, 64]),
    "weight_zero_point": ints(2, 2),
    "weight_g_idx": torch.arange(64).int() // 32,
}
Q4_0 = {"blocks": torch.zeros(2, 36, dtype=torch.uint8)}
Q4_1 = {"blocks": torch.zeros(2, 40, dtype=torch.uint8)}
UNEQUAL = with_value(GPTQ["g_idx"], 1, 0)

READ = [
    (formats.from_gptq, GPTQ, {"qweight": ints(8, 16).long()}, TypeError,
     "qweight must be int32; got int64"),
    (formats.from_gptq, GPTQ, {"qweight": [1]}, TypeError, "qweight must be a tensor; got list"),
    (formats.from_gptq, GPTQ, {"qweight": ints(8)}, ValueError,
     r"qweight must have shape \[k / 8, n\]; got \[8\]"),
    (formats.from_gptq, GPTQ, {"qweight": ints(0, 16)}, ValueError,
     r"qweight must have rows; got \[0, 16\]"),
    (formats.from_gptq, GPTQ, {"qweight": ints(8, 15)}, ValueError,
     "qweight must have a multiple of 8 columns; got 15"),
    (formats.from_gptq, GPTQ, {"scales": ints(2, 16)}, TypeError,
     "scales must be float16, bfloat16 or float32; got int32"),
    (formats.from_gptq, GPTQ, {"scales": torch.ones(2, 15)}, ValueError,
     r"scales must have shape \[groups, 16\]; got \[2, 15\]"),
    (formats.from_gptq, GPTQ, {"scales": with_value(GPTQ["scales"], NAN, 1, 3)}, ValueError,
     r"scales must be finite; got nan at \[1, 3\]"),
    (formats.from_gptq, GPTQ, {"scales": with_value(GPTQ["scales"], -INF, 0, 0)}, ValueError,
     r"scales must be finite; got -inf at \[0, 0\]"),
    (formats.from_gptq, GPTQ, {"qzeros": ints(2, 16)}, ValueError,
     r"qzeros must have shape \[2, 2\]; got \[2, 16\]"),
    (formats.from_gptq, GPTQ, {"qzeros": ints(2, 2) + 0xF0}, ValueError,
     r"qzeros must have no nibble of 15 in version 1, .*; got one at \[0, 1\]"),
    (formats.from_gptq, GPTQ, {"g_idx": torch.ones(64)}, TypeError,
     "g_idx must be int32 or int64; got float32"),
    (formats.from_gptq, GPTQ, {"g_idx": GPTQ["g_idx"][1:]}, ValueError,
     r"g_idx must have shape \[64\]; got \[63\]"),
    (formats.from_gptq, GPTQ, {"g_idx": with_value(GPTQ["g_idx"], 2, 5)}, ValueError,
     r"g_idx must lie in 0..1; got 2 at \[5\]"),
    (formats.from_gptq, GPTQ, {"g_idx": with_value(GPTQ["g_idx"], -1, 5)}, ValueError,
     r"g_idx must lie in 0..1; got -1 at \[5\]"),
    (formats.from_gptq, GPTQ, {"g_idx": UNEQUAL}, ValueError,
     r"g_idx must give 33 columns to every group, but for the last; got \[31, 33\]"),
    (formats.from_gptq, GPTQ, {"g_idx": UNEQUAL, "group_size": 32}, ValueError,
     r"g_idx must give 32 columns to every group, but for the last; got \[31, 33\]"),
    (formats.from_gptq, GPTQ, {"g_idx": ints(64)}, ValueError,
     "scales must have a group for every 64 of 64 columns; got 2 groups"),
    (formats.from_gptq, GPTQ, {"group_size": 64}, ValueError,
     "scales must have a group for every 64 of 64 columns; got 2 groups"),
    (formats.from_gptq, GPTQ, {"group_size": 16}, ValueError,
     r"group_size must be a multiple of 32, or the whole row \(-1\); got 16"),
    (formats.from_gptq, GPTQ, {"group_size": "32"}, ValueError,
     r"group_size must be a multiple of 32, or the whole row \(-1\); got '32'"),
    (formats.from_gptq, GPTQ, {"group_size": 0}, ValueError, "group_size must be .* got 0"),
    (formats.from_gptq, GPTQ, {"version": 3}, ValueError, "version must be 1 or 2; got 3"),
    (formats.from_gptq, GPTQ, {"g_idx": None, "qzeros": ints(3, 2), "scales": torch.ones(3, 16)},
     ValueError, "group_size must be given where 3 groups of 64 columns are not equal; got None"),
    (formats.from_gptq, GPTQ, {"scales": torch.ones(2, 16, device="meta")}, ValueError,
     "scales must be on cpu, where qweight is; got meta"),
    (formats.from_awq, AWQ, {"qweight": ints(64, 2).float()}, TypeError,
     "qweight must be int32; got float32"),
    (formats.from_awq, AWQ, {"qweight": ints(64, 3)}, ValueError,
     r"scales must have shape \[groups, 24\]; got \[2, 16\]"),
    (formats.from_awq, AWQ, {"qzeros": ints(2, 1)}, ValueError,
     r"qzeros must have shape \[2, 2\]; got \[2, 1\]"),
    (formats.from_awq, AWQ, {"scales": with_value(AWQ["scales"], INF, 1, 1)}, ValueError,
     r"scales must be finite; got inf at \[1, 1\]"),
    (formats.from_awq, AWQ, {"group_size": 128}, ValueError,
     "scales must have a group for every 64 of 64 columns; got 2 groups"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_shape": torch.tensor([16, 65])},
     ValueError, r"weight_packed must have shape \[16, 9\]; got \[16, 8\]"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_shape": torch.tensor([2**62, 2**62])},
     ValueError, "weight_packed must have shape"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_shape": torch.tensor([16, -64])},
     ValueError, r"weight_shape must be rows and columns; got \[16, -64\]"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_shape": torch.tensor([16.0, 64.0])},
     TypeError, "weight_shape must be int32 or int64; got float32"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_packed": ints(16, 16)}, ValueError,
     r"weight_packed must have shape \[16, 8\]; got \[16, 16\]"),  # of 8 bits
    (formats.from_compressed_tensors, COMPRESSED, {"weight_scale": torch.ones(1)}, ValueError,
     r"weight_scale must have shape \[16, groups\]; got \[1\]"),
    (formats.from_compressed_tensors, COMPRESSED,
     {"weight_scale": with_value(COMPRESSED["weight_scale"], NAN, 15, 1)}, ValueError,
     r"weight_scale must be finite; got nan at \[15, 1\]"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_zero_point": ints(16, 2)}, ValueError,
     r"weight_zero_point must have shape \[2, 2\]; got \[16, 2\]"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_zero_point": ints(16, 2).char() + 9},
     ValueError, r"weight_zero_point must lie in -8..7; got 9 at \[0, 0\]"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_zero_point": torch.ones(16, 2)},
     TypeError, "weight_zero_point must be int32 or int8; got float32"),
    (formats.from_compressed_tensors, COMPRESSED, {"weight_g_idx": UNEQUAL}, ValueError,
     "weight_g_idx must give 33 columns to every group"),
    (formats.from_gguf_q4_0, Q4_0, {"blocks": Q4_0["blocks"].char()}, TypeError,
     "blocks must be uint8; got int8"),
    (formats.from_gguf_q4_0, Q4_0, {"blocks": Q4_0["blocks"][0]}, ValueError,
     r"blocks must have shape \[n, bytes\]; got \[36\]"),
    (formats.from_gguf_q4_0, Q4_0, Q4_1, ValueError,
     "blocks must have rows of whole blocks of 18 bytes; got 40"),
    (formats.from_gguf_q4_1, Q4_1, Q4_0, ValueError,
     "blocks must have rows of whole blocks of 20 bytes; got 36"),
    (formats.from_gguf_q4_1, Q4_1, {"blocks": Q4_1["blocks"][:, :0]}, ValueError,
     "blocks must have rows of whole blocks of 20 bytes; got 0"),
    (formats.from_gguf_q4_0, Q4_0, {"blocks": with_value(Q4_0["blocks"], 0x7C, 1, 19)}, ValueError,
     r"blocks \(d\) must be finite; got inf at \[1, 1\]"),
    (formats.from_gguf_q4_1, Q4_1, {"blocks": with_value(Q4_1["blocks"], 0xFE, 0, 3)}, ValueError,
     r"blocks \(m\) must be finite; got nan at \[0, 0\]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("read", "good", "change", "error", "message"), READ, ids=[bad[4][:40] for bad in READ]
)
def test_a_reader_names_the_field(read, good, change, error, message):
    read(**good)  # it is the change that is refused
    with pytest.raises(error, match=f"^{read.__name__}: {message}"):
        read(**{**good, **change})


WEIGHT = Int4Weight(torch.zeros(16, 64).char(), torch.ones(16, 2), None, None, 32)
POINTS = ints(16, 2)
WRITERS = [
    formats.to_gptq,
    formats.to_awq,
    formats.to_compressed_tensors,
    formats.to_gguf_q4_0,
    formats.to_gguf_q4_1,
]
BAD_WEIGHTS = [  # tests/test_pack_int4.py has more: the check is the same
    ({"codes": WEIGHT.codes + 8}, ValueError, r"codes must lie in -8..7; got 8"),
    ({"codes": WEIGHT.codes[:, :0], "scale": WEIGHT.scale[:, :0]}, ValueError,
     r"codes must have columns; got \[16, 0\]"),
    ({"scale": WEIGHT.scale[1:]}, ValueError, r"scale must have shape \[16, 2\]; got \[15, 2\]"),
    ({"scale": WEIGHT.scale * NAN}, ValueError, r"scale must be finite; got nan at \[0, 0\]"),
    ({"zero_point": POINTS.char()}, TypeError, "zero_point must be int32; got int8"),
    ({"offset": WEIGHT.scale * INF}, ValueError, r"offset must be finite; got inf at \[0, 0\]"),
    ({"group_size": 33}, ValueError, "group_size must be a multiple of 32, or a whole row; got 33"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "message"), BAD_WEIGHTS, ids=[bad[2][:40] for bad in BAD_WEIGHTS]
)
@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_writer_checks_the_weight(write, change, error, message):
    with pytest.raises(error, match=f"{write.__name__}: {message}"):
        write(WEIGHT._replace(**change))


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_writer_takes_weights_only(write):
    with pytest.raises(TypeError, match="weight must be an Int4Weight; got tuple"):
        write(tuple(WEIGHT))


INEXACT = torch.full((16, 2), 1 / 3)
UNFIT = [
    (formats.to_gptq, {"scale": INEXACT}, {},
     r"scale must be exact in float16: .*; got 0.3333\d* at \[0, 0\]"),
    (formats.to_gptq, {"scale": INEXACT * 1e9}, {}, "scale must be exact in float16"),
    (formats.to_gptq, {"offset": INEXACT}, {}, "offset must be None in this format"),
    (formats.to_gptq, {"zero_point": POINTS - 8}, {}, "zero_point must lie in -7..7; got -8"),
    (formats.to_gptq, {"zero_point": POINTS + 8}, {}, "zero_point must lie in -7..7; got 8"),
    (formats.to_gptq, {"zero_point": POINTS - 8}, {"borrow": False},
     "zero_point must lie in -7..8; got -8"),
    (formats.to_gptq, {"zero_point": POINTS + 8}, {"borrow": True},
     "zero_point must lie in -8..7; got 8"),
    (formats.to_gptq, {"zero_point": POINTS + 8}, {"version": 2},
     "zero_point must lie in -8..7; got 8"),
    (formats.to_gptq, {}, {"version": 0}, "version must be 1 or 2; got 0"),
    (formats.to_gptq, {}, {"order": ints(64)}, "order must name each column once"),
    (formats.to_gptq, {}, {"order": torch.arange(1, 65)}, r"order must lie in 0..63; got 64"),
    (formats.to_gptq, {}, {"order": ints(64).to("meta")}, "order must be on cpu, as codes are"),
    (formats.to_gptq, {}, {"order": ints(63)}, r"order must have shape \[64\]; got \[63\]"),
    (formats.to_gptq, {"codes": WEIGHT.codes[:, :60]}, {},
     "codes must have a multiple of 8 columns; got 60"),
    (formats.to_gptq, {"codes": WEIGHT.codes[:15], "scale": WEIGHT.scale[:15]}, {},
     "codes must have a multiple of 8 rows; got 15"),
    (formats.to_awq, {"codes": WEIGHT.codes[:15], "scale": WEIGHT.scale[:15]}, {},
     "codes must have a multiple of 8 rows; got 15"),
    (formats.to_awq, {"scale": INEXACT}, {}, "scale must be exact in float16"),
    (formats.to_awq, {"zero_point": POINTS + 8}, {}, "zero_point must lie in -8..7; got 8"),
    (formats.to_compressed_tensors, {"offset": INEXACT}, {}, "offset must be None"),
    (formats.to_compressed_tensors, {"zero_point": POINTS + 8}, {},
     "zero_point must lie in -8..7; got 8"),
    (formats.to_compressed_tensors, {}, {"order": ints(64)}, "order must name each column once"),
    (formats.to_gguf_q4_0, {"zero_point": POINTS}, {}, "zero_point must be None"),
    (formats.to_gguf_q4_0, {"offset": INEXACT}, {}, "offset must be None"),
    (formats.to_gguf_q4_0, {"scale": INEXACT}, {}, "scale must be exact in float16"),
    (formats.to_gguf_q4_0, {"codes": WEIGHT.codes[:, :60]}, {},
     "codes must have a multiple of 32 columns; got 60"),
    (formats.to_gguf_q4_1, {"scale": INEXACT}, {}, "scale must be exact in float16"),
    (formats.to_gguf_q4_1, {"offset": INEXACT}, {}, "offset must give a least value"),
    (formats.to_gguf_q4_1, {"scale": INEXACT.half().float(), "zero_point": POINTS + 3}, {},
     "zero_point must give a least value"),
    (formats.to_gguf_q4_1, {"offset": WEIGHT.scale * 1e9}, {},
     "offset must give a least value"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("write", "change", "options", "message"), UNFIT, ids=[bad[3][:40] for bad in UNFIT]
)
def test_a_writer_refuses_what_the_format_cannot_hold(write, change, options, message):
    with pytest.raises(ValueError, match=f"^{write.__name__}: {message}"):
        write(WEIGHT._replace(**change), **options)
