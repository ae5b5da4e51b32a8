"""ops.gemm_w4a16: what it refuses, in words, before anything is written."""

from dataclasses import replace

import pytest
import torch

from halfword import ops

from .test_gemm_w4a16 import weight

A, B = torch.ones(4, 40), ops.pack_int4(weight(5, 40, 32, "zero points"))
OFFSETS = ops.pack_int4(weight(5, 40, 32, "offsets"))
ONE = torch.ones(())

BAD = [
    # a
    (A.int(), B, {}, TypeError, "a must be float32, bfloat16 or float16; got int32"),
    (A.double(), B, {}, TypeError, "a must be float32, bfloat16 or float16; got float64"),
    (A[0, 0], B, {}, ValueError, "a must have rows; got a tensor without dimensions"),
    # b
    (A, torch.ones(5, 40), {}, TypeError, "b must be a PackedInt4; got Tensor"),
    (A[:, :39], B, {}, ValueError,
     r"b must have as many columns as a \(39\); got PackedInt4\(\[5, 40\]"),
    (A, replace(B, layout=2), {}, ValueError,
     "b must be packed on the kind of device it is used on; got layout 2"),
    (A, replace(B, group_size=33), {}, ValueError,
     "group_size must be a multiple of 32, or a whole row; got 33"),
    (A, replace(B, data=B.data[1:]), {}, ValueError, r"b must have shape \[1280\]; got \[1279\]"),
    (A, replace(B, data=B.data.char()), {}, TypeError, "b must be uint8; got int8"),
    (A, replace(B, scale=B.scale.double()), {}, TypeError, "scale must be float32, bfloat16 or"),
    (A, replace(B, scale=B.scale[:, :1]), {}, ValueError,
     r"scale must have shape \[1, 2, 64\]; got \[1, 1, 64\]"),
    (A, replace(B, zero_point=B.scale), {}, TypeError, "zero_point must be uint8; got float32"),
    (A, replace(B, offset=B.scale), {}, ValueError,
     "offset must be None where there are zero points; got a tensor"),
    (A, replace(OFFSETS, offset=OFFSETS.offset.half()), {}, TypeError,
     "offset must be float32; got float16"),
    # what follows
    (A, B, {"bias": torch.ones(4)}, ValueError, r"bias must have shape \[5\]; got \[4\]"),
    (A, B, {"bias": torch.ones(5).int()}, TypeError, "bias must be float32, bfloat16 or float16"),
    (A, B, {"residual": torch.ones(5, 4)}, ValueError,
     r"residual must have shape \[4, 5\]; got \[5, 4\]"),
    (A, B, {"activation": "tanh"}, ValueError,
     "activation must be one of None, 'relu', 'gelu', 'gelu_tanh', 'silu'; got 'tanh'"),
    (A, B, {"beta": float("nan")}, ValueError, "beta must be finite; got nan"),
    (A.half(), B, {"beta": 1.0}, TypeError,
     "out must be float32 where beta is not 0; got float16"),
    # out
    (A, B, {"out_dtype": torch.float64}, TypeError,
     "out must be float32, bfloat16, float16, int32 or int8; got float64"),
    (A, B, {"out_dtype": torch.int32}, TypeError,
     "out must be float32, bfloat16, float16 or int8; got int32"),
    (A, B, {"out": torch.zeros(4, 5), "out_dtype": torch.half}, TypeError,
     "out must be of out_dtype, torch.float16; got torch.float32"),
    (A, B, {"out": torch.zeros(5, 4)}, ValueError, r"out must have shape \[4, 5\]; got \[5, 4\]"),
    (A, B, {"out": torch.zeros(5, 4).t()}, ValueError,
     "out must have consecutive columns; got column stride 4"),
    (A, B, {"out": torch.zeros(1, 5).expand(4, 5)}, ValueError,
     "out must not overlap itself in memory"),
    (A.view(2, 2, 40), B, {"out": torch.zeros(2, 2, 10)[:, :, :5].transpose(0, 1)}, ValueError,
     "out must have rows that a matrix can have"),
    (A, B, {"out_dtype": torch.int8}, ValueError,
     "scale_out must be given where out is int8; got None"),
    (A, B, {"scale_out": ONE, "out_dtype": torch.half}, TypeError,
     "out must be int8 where scale_out or zero_point_out is given; got float16"),
    (A, B, {"scale_out": ONE, "zero_point_out": ONE}, TypeError,
     "zero_point_out must be int32; got float32"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "options", "error", "message"), BAD, ids=[bad[4][:40] for bad in BAD]
)
def test_bad_input_is_named(a, b, options, error, message):
    with pytest.raises(error, match="^gemm_w4a16: " + message):
        ops.gemm_w4a16(a, b, **options)
    if "out" in options:
        assert (options["out"] == 0).all()


MEMORY = torch.zeros(1000)
OVERLAPS = {
    "a": lambda: (MEMORY[:160].view(4, 40), B, {}),
    "b": lambda: (A, replace(B, data=MEMORY.view(torch.uint8)[:1280]), {}),
    "scale": lambda: (A, replace(B, scale=MEMORY[:128].view(1, 2, 64)), {}),
    "zero_point": lambda: (
        A,
        replace(B, zero_point=MEMORY.view(torch.uint8)[:128].view(1, 2, 64)),
        {},
    ),
    "offset": lambda: (A, replace(OFFSETS, offset=MEMORY[:128].view(1, 2, 64)), {}),
    "bias": lambda: (A, B, {"bias": MEMORY[:5]}),
    "residual": lambda: (A, B, {"residual": MEMORY[:20].view(4, 5)}),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_out_may_not_overlap_what_is_read(name):
    a, b, options = OVERLAPS[name]()
    with pytest.raises(ValueError, match=f"gemm_w4a16: out must not overlap {name} in memory"):
        ops.gemm_w4a16(a, b, out=MEMORY[:20].view(4, 5), **options)
    assert (MEMORY == 0).all()
