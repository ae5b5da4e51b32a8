"""ops.dequantize: what codes stand for."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops
from halfword.quant import Spec

from .cases.quantize import CASES, LARGE, with_mapping
from .compare import assert_same_bits
from .reference.dequantize import dequantize as reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
NAN, INF = float("nan"), float("inf")


def check(codes, scale, zero_point, spec, dtype=torch.float32):
    got = ops.dequantize(codes, scale, zero_point, spec, dtype=dtype)
    assert_same_bits(got, reference(codes, scale, zero_point, spec, dtype), str(spec))


def random_codes(shape):
    return torch.randint(-128, 128, shape, dtype=torch.int8)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("case", [*CASES, LARGE[1]], ids=str)
def test_matches_the_reference_bit_for_bit(device, case, dtype):
    """All int8 values, with few bits too."""
    for mapping, bits in (("symmetric", 8), ("affine", 8), ("log2", 8), ("log2", 4)):
        spec = with_mapping(case.spec, mapping, bits)
        shape = spec.scale_shape(case.shape)
        zero = torch.randint(-128, 128, shape, dtype=torch.int32) if mapping == "affine" else None
        check(random_codes(case.shape), torch.randn(shape), zero, spec, dtype)


@pytest.mark.parametrize("mapping", ["symmetric", "affine", "log2"])
def test_every_code_and_special_scale_matches_the_reference(device, mapping):
    scale = torch.tensor([0.0, -0.0, -1.5, NAN, INF, 1e-45, 3e38])
    codes = torch.arange(-128, 128).to(torch.int8).repeat(7, 1)
    for bits in range(2, 9):
        check(codes, scale, None, with_mapping(Spec(), mapping, bits))


def test_codes_of_any_strides_are_read_as_they_show(device):
    codes, scale = random_codes((30, 40)), torch.rand(40)
    spec = Spec(axis="column")
    assert_same_bits(
        ops.dequantize(codes.t()[:, ::2].t(), scale, None, spec),
        ops.dequantize(codes[::2].contiguous(), scale, None, spec),
    )


def test_any_number_of_threads_gives_the_same_bits(device):
    codes, scale = random_codes((300, 515)), torch.rand(300)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(ops.dequantize(codes, scale))
    torch.set_num_threads(before)
    assert_same_bits(results[1], results[0])
    assert_same_bits(results[2], results[0])


def test_opcheck_passes_and_compile_gives_the_same():
    codes, scale, zero = random_codes((4, 9)), torch.rand(4), torch.zeros(4, dtype=torch.int32)
    opcheck(
        torch.ops.halfword.dequantize.default, (codes, scale, zero, 1, 9, 1, 8, torch.empty(4, 9))
    )
    compiled = torch.compile(lambda c, s: ops.dequantize(c, s) + 1, fullgraph=True)
    assert_same_bits(compiled(codes, scale), ops.dequantize(codes, scale) + 1)


CODES, ROWS = torch.zeros(4, 6, dtype=torch.int8), torch.ones(4)
BAD = [
    ((CODES.int(), ROWS), TypeError, "codes must be int8; got int32"),
    ((CODES, ROWS[:2]), ValueError, r"scale must have shape \[4\]; got \[2\]"),
    ((CODES, ROWS.double()), TypeError, "scale must be float32; got float64"),
    ((CODES, ROWS, ROWS.int()), ValueError, "zero_point must be None with a mapping that has none"),
    ((CODES, ROWS, ROWS, Spec(symmetric=False)), TypeError, "zero_point must be int32; got float"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD, ids=[b[2][:40] for b in BAD])
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match="dequantize: " + message):
        ops.dequantize(*arguments)


def test_another_dtype_is_refused():
    with pytest.raises(TypeError, match="out must be float32, bfloat16 or float16; got float64"):
        ops.dequantize(CODES, ROWS, dtype=torch.float64)
