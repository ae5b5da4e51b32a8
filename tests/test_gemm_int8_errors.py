"""ops.gemm_int8: what it refuses, in words, before anything is written."""

import pytest
import torch

from halfword import ops

from .test_gemm_int8 import codes

A, B = codes(4, 6), codes(5, 6)
FLOAT = {"out_dtype": torch.float32}
ONE = torch.ones(())

BAD = [
    # a
    ((A.int(), B), {}, TypeError, "a must be int8, float32, bfloat16 or float16; got int32"),
    ((A.double(), B), {}, TypeError, "a must be int8, float32, bfloat16 or float16; got float64"),
    ((A[0, 0], B), {}, ValueError, "a must have rows; got a tensor without dimensions"),
    # b
    ((A, B.int()), {}, TypeError, "b must be int8; got int32"),
    ((A, B[0]), {}, ValueError, r"b must be a matrix; got shape \[6\]"),
    ((A, B[:, :5]), {}, ValueError, r"b must have as many columns as a \(6\); got shape \[5, 5\]"),
    ((A, ops.pack_int8(B[:, :5])), {}, ValueError,
     r"b must have as many columns as a \(6\); got PackedInt8\(\[5, 5\], layout=PANELS"),
    # scales: along k, or of another length, or dtype
    ((A, B, torch.ones(6)), {}, ValueError,
     r"scale_a must have one value, or one for each of the 4 rows of a; got shape \[6\]"),
    ((A, B, torch.ones(4, 2)), {}, ValueError, r"scale_a must have one value, .* shape \[4, 2\]"),
    ((A, B, ONE, torch.ones(5, 3)), {}, ValueError,
     r"scale_b must have one value, or one for each of the 5 rows of b; got shape \[5, 3\]"),
    ((A, B, ONE.double()), {}, TypeError, "scale_a must be float32; got float64"),
    ((A, B, ONE, ONE.half()), {}, TypeError, "scale_b must be float32; got float16"),
    # what a real a finds by itself
    ((A.half(), B, ONE), {}, ValueError, "scale_a must be None where a is not int8; got a value"),
    ((A.half(), B), {"zero_point_a": ONE.int()}, ValueError,
     "zero_point_a must be None where a is not int8; got a value"),
    # the rest of the sum
    ((A, B), {"zero_point_a": ONE}, TypeError, "zero_point_a must be int32; got float32"),
    ((A, B), {"zero_point_a": torch.ones(6).int()}, ValueError, "zero_point_a must have one value"),
    ((A, B), {"bias": torch.ones(4)}, ValueError, r"bias must have shape \[5\]; got \[4\]"),
    ((A, B), {"bias": torch.ones(5).int()}, TypeError, "bias must be float32, bfloat16 or float16"),
    ((A, B), {"residual": torch.ones(5, 4)}, ValueError,
     r"residual must have shape \[4, 5\]; got \[5, 4\]"),
    ((A, B), {"residual": torch.ones(4, 5).double()}, TypeError, "residual must be float32, .*64"),
    ((A, B), {"activation": "tanh"}, ValueError,
     "activation must be one of None, 'relu', 'gelu', 'gelu_tanh', 'silu'; got 'tanh'"),
    # beta, out
    ((A, B), {"beta": float("inf")}, ValueError, "beta must be finite; got inf"),
    ((A, B, ONE), {"beta": 1.0, "out_dtype": torch.float16}, TypeError,
     "out must be float32 where beta is not 0; got float16"),
    ((A, B), {"out_dtype": torch.float64}, TypeError,
     "out must be float32, bfloat16, float16, int32 or int8; got float64"),
    ((A, B), {"out": torch.zeros(4, 5), "out_dtype": torch.int32}, TypeError,
     "out must be of out_dtype, torch.int32; got torch.float32"),
    ((A, B), {"out": torch.zeros(5, 4)}, ValueError, r"out must have shape \[4, 5\]; got \[5, 4\]"),
    ((A, B), {"out": torch.zeros(5, 4).t()}, ValueError,
     "out must have consecutive columns; got column stride 4"),
    ((A, B), {"out": torch.zeros(1, 5).expand(4, 5)}, ValueError,
     "out must not overlap itself in memory"),
    ((A.view(2, 2, 6), B), {"out": torch.zeros(2, 2, 10)[:, :, :5].transpose(0, 1)}, ValueError,
     "out must have rows that a matrix can have"),
    # int32
    ((A.half(), B), {"out_dtype": torch.int32}, TypeError,
     "out must not be int32 where a is not int8, because it is scaled; got int32"),
    ((A, B, ONE), {"out_dtype": torch.int32}, ValueError,
     "scale_a must be None where out is int32; got a value"),
    ((A, B), {"out_dtype": torch.int32, "bias": torch.ones(5)}, ValueError, "bias must be None"),
    ((A, B), {"out_dtype": torch.int32, "activation": "relu"}, ValueError, "activation must be No"),
    ((codes(1, 131_072), codes(1, 131_072)), {}, ValueError,
     "a must have at most 131071 columns where out is int32; got 131072"),
    ((codes(1, 65_537), codes(1, 65_537)), {"zero_point_a": torch.ones(1).int()}, ValueError,
     "a must have at most 65536 columns where out is int32; got 65537"),
    # int8
    ((A, B), {"out_dtype": torch.int8}, ValueError,
     "scale_out must be given where out is int8; got None"),
    ((A, B), {"scale_out": torch.ones(4)}, ValueError, "scale_out must have one element; got 4"),
    ((A, B), {"scale_out": ONE, **FLOAT}, TypeError,
     "out must be int8 where scale_out or zero_point_out is given; got float32"),
    ((A, B), {"scale_out": ONE, "zero_point_out": ONE}, TypeError,
     "zero_point_out must be int32; got float32"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[bad[3][:40] for bad in BAD]
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match="^gemm_int8: " + message):
        ops.gemm_int8(*arguments, **options)
    if "out" in options:
        assert (options["out"] == 0).all()


MEMORY = torch.zeros(400)
OVERLAPS = {
    "a": lambda: ((MEMORY.view(torch.int8)[:24].view(4, 6), B), {}),
    "a of floats": lambda: ((MEMORY[19:43].view(4, 6), B), {}),
    "b": lambda: ((A, MEMORY.view(torch.int8)[:30].view(5, 6)), {}),
    "scale_a": lambda: ((A, B, MEMORY[3:7]), {}),
    "bias": lambda: ((A, B), {"bias": MEMORY[:5]}),
    "residual": lambda: ((A, B), {"residual": MEMORY[:20].view(4, 5)}),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_out_may_not_overlap_what_is_read(name):
    arguments, options = OVERLAPS[name]()
    which = name.split(" ")[0]
    with pytest.raises(ValueError, match=f"gemm_int8: out must not overlap {which} in memory"):
        ops.gemm_int8(*arguments, out=MEMORY[:20].view(4, 5), **options)
    assert (MEMORY == 0).all()


def test_a_layout_of_another_kind_of_device_is_named():
    packed = ops.PackedInt8(ops.pack_int8(B).data, torch.zeros(5).int(), 5, 6, 2)
    with pytest.raises(ValueError, match=r"b must be packed on the kind of device .* got layout 2"):
        ops.gemm_int8(A, packed)


def test_packed_bytes_of_another_size_are_named():
    packed = ops.PackedInt8(ops.pack_int8(B).data[1:], torch.zeros(5).int(), 5, 6, 1)
    with pytest.raises(ValueError, match=r"b must have shape \[128\]; got \[127\]"):
        ops.gemm_int8(A, packed)
