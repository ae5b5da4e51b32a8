"""ops.gemm_w4a8: what it refuses, in words, before anything is written."""

from dataclasses import replace

import pytest
import torch

from halfword import ops

from .test_gemm_w4a8 import activations, packed, weight_of

A, B = activations(4, 64), packed(weight_of(5, 64, 32))
ZEROS = packed(weight_of(5, 64, 32, "zero points"))
REAL = torch.randn(4, 64)
ONE = torch.ones(())

BAD = [
    # a
    ((A.int(), B), {}, TypeError, "a must be int8, float32, bfloat16 or float16; got int32"),
    ((A[0, 0], B), {}, ValueError, "a must have rows; got a tensor without dimensions"),
    # b
    ((A, A), {}, TypeError, "b must be a PackedInt4; got Tensor"),
    ((A[:, :63], B), {}, ValueError,
     r"b must have as many columns as a \(63\); got PackedInt4\(\[5, 64\]"),
    ((A, replace(B, layout=3)), {}, ValueError,
     "b must be packed on the kind of device it is used on; got layout 3"),
    ((A, replace(B, data=B.data[1:])), {}, ValueError, r"b must have shape \[2048\]; got \[2047\]"),
    ((A, replace(B, group_size=33)), {}, ValueError,
     "group_size must be a multiple of 32, or a whole row; got 33"),
    ((A, replace(B, group_size=64)), {}, ValueError, r"scale must have shape \[1, 1, 64\]; got"),
    ((A, replace(B, scale=B.scale.double())), {}, TypeError, "scale must be float32, bfloat16 or"),
    ((A, replace(ZEROS, zero_point=ZEROS.zero_point.char())), {}, TypeError,
     "zero_point must be uint8; got int8"),
    ((A, replace(ZEROS, offset=ZEROS.scale)), {}, ValueError,
     "offset must be None where there are zero points; got a tensor"),
    ((A, replace(B, offset=B.scale.half())), {}, TypeError, "offset must be float32; got float16"),
    # scale_a
    ((REAL, B, ONE), {}, ValueError, "scale_a must be None where a is not int8; got a value"),
    ((A, B, torch.ones(64)), {}, ValueError,
     r"scale_a must have one value, or one for each of the 4 rows of a; got shape \[64\]"),
    ((A, B, ONE.double()), {}, TypeError, "scale_a must be float32; got float64"),
    # what follows
    ((A, B), {"bias": torch.ones(4)}, ValueError, r"bias must have shape \[5\]; got \[4\]"),
    ((A, B), {"residual": torch.ones(5, 4)}, ValueError,
     r"residual must have shape \[4, 5\]; got \[5, 4\]"),
    ((A, B), {"activation": "tanh"}, ValueError,
     "activation must be one of None, 'relu', 'gelu', 'gelu_tanh', 'silu'; got 'tanh'"),
    ((A, B), {"beta": float("inf")}, ValueError, "beta must be finite; got inf"),
    ((A, B), {"beta": 1.0, "out_dtype": torch.float16}, TypeError,
     "out must be float32 where beta is not 0; got float16"),
    # out
    ((A, B), {"out_dtype": torch.float64}, TypeError,
     "out must be float32, bfloat16, float16, int32 or int8; got float64"),
    ((A, B), {"out_dtype": torch.int32}, TypeError,
     "out must be float32, bfloat16, float16 or int8; got int32"),
    ((A, B), {"out": torch.zeros(4, 5), "out_dtype": torch.float16}, TypeError,
     "out must be of out_dtype, torch.float16; got torch.float32"),
    ((A, B), {"out": torch.zeros(5, 4)}, ValueError, r"out must have shape \[4, 5\]; got \[5, 4\]"),
    ((A, B), {"out": torch.zeros(1, 5).expand(4, 5)}, ValueError,
     "out must not overlap itself in memory"),
    ((A.view(2, 2, 64), B), {"out": torch.zeros(2, 2, 10)[:, :, :5].transpose(0, 1)}, ValueError,
     "out must have rows that a matrix can have"),
    ((A, B), {"out_dtype": torch.int8}, ValueError,
     "scale_out must be given where out is int8; got None"),
    ((A, B), {"scale_out": ONE, "out_dtype": torch.float32}, TypeError,
     "out must be int8 where scale_out or zero_point_out is given; got float32"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[bad[3][:40] for bad in BAD]
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match="^gemm_w4a8: " + message):
        ops.gemm_w4a8(*arguments, **options)
    if "out" in options:
        assert (options["out"] == 0).all()


MEMORY = torch.zeros(600)
OVERLAPS = {
    "a": lambda: ((MEMORY[:256].view(4, 64), B), {}),
    "b": lambda: ((A, replace(B, data=MEMORY.view(torch.uint8)[:2048])), {}),
    "b_scale": lambda: ((A, replace(B, scale=MEMORY[:128].view(1, 2, 64))), {}),
    "b_zero_point": lambda: (
        (A, replace(B, zero_point=MEMORY.view(torch.uint8)[:128].view(1, 2, 64))), {},
    ),
    "b_offset": lambda: ((A, replace(B, offset=MEMORY[:128].view(1, 2, 64))), {}),
    "scale_a": lambda: ((A, B, MEMORY[3:7]), {}),
    "bias": lambda: ((A, B), {"bias": MEMORY[:5]}),
    "residual": lambda: ((A, B), {"residual": MEMORY[:20].view(4, 5)}),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERLAPS)
def test_out_may_not_overlap_what_is_read(name):
    arguments, options = OVERLAPS[name]()
    with pytest.raises(ValueError, match=f"gemm_w4a8: out must not overlap {name} in memory"):
        ops.gemm_w4a8(*arguments, out=MEMORY[:20].view(4, 5), **options)
    assert (MEMORY == 0).all()
