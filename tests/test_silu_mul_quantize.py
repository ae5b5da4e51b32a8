"""ops.silu_mul_quantize: the gated product of an MLP, quantized by rows."""

import math

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .cases.rows import EDGES
from .compare import assert_same_bits
from .reference import activations
from .reference.silu_mul_quantize import silu_mul_quantize as reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
HALF_ULP = 2.0**-24


def assert_as_the_reference(gate, up, what="", **options):
    got = ops.silu_mul_quantize(gate, up, row_sums=True, **options)
    codes, scale, sums = reference(gate, up, **options)
    assert_same_bits(got.codes, codes, f"{what} codes")
    assert_same_bits(got.scale, scale, f"{what} scale")
    assert_same_bits(got.row_sums, sums, f"{what} row_sums")


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
def test_matches_the_reference_bit_for_bit(device, dtype):
    for case in EDGES:
        gate, up = (torch.randn(2, case.rows, case.cols) * 5).to(dtype)
        assert_as_the_reference(gate, up, f"{case}, {case.why}:")


def test_silu_has_the_same_bits_wherever_it_bends(device):
    """A row of one element has its magnitude as its scale: what rounding to codes would hide."""
    gate = torch.cat([torch.linspace(-95, 40, 250), torch.tensor([0.0, -0.0, 3e38, -3e38, 1e-40])])
    assert_as_the_reference(gate[:, None], torch.ones(len(gate), 1))


def test_a_given_scale(device):
    gate, up, scale = torch.randn(3, 50), torch.randn(3, 50) * 9, torch.tensor([0.02])
    assert_as_the_reference(gate, up, scale=scale)
    got = ops.silu_mul_quantize(gate, up, scale=scale)
    assert got.scale is scale
    assert got.row_sums is None
    assert got.zero_point is None


def test_codes_stand_for_the_float64_product(device):
    """Half a step; silu within 3 ulp (6 halves), the product, and scale, inverse and quotient."""
    gate, up = torch.randn(2, 9, 3000) * 3
    got = ops.silu_mul_quantize(gate, up)
    want = activations.real(gate, "silu") * up.double()
    scale = got.scale.double()[:, None]
    bound = scale * (0.5 + 127 * 4 * HALF_ULP) + want.abs() * 8 * HALF_ULP
    assert ((got.codes.double() * scale - want).abs() <= bound).all()


def test_special_rows_are_marked_and_leave_the_others_alone(device):
    gate, up = torch.randn(2, 6, 300)
    plain = ops.silu_mul_quantize(gate, up)
    gate[1], up[1] = -math.inf, 1.0  # silu has its limit there
    gate[2, 17], up[3, 299], gate[4, 0] = math.nan, -math.inf, math.inf
    got = ops.silu_mul_quantize(gate, up, row_sums=True)
    assert got.scale[1] == 0
    assert got.scale[2:5].isnan().all()
    assert (got.codes[1:5] == 0).all()
    assert (got.row_sums[1:5] == 0).all()
    for row in (0, 5):
        assert_same_bits(got.codes[row], plain.codes[row])
        assert_same_bits(got.scale[row], plain.scale[row])


def test_halves_of_one_matrix_are_read_in_place(device):
    """Of an odd and of an aligned pitch, and in three dimensions."""
    for cols in (43, 64):
        both = torch.randn(2, 3, 2 * cols).bfloat16()
        gate, up = both.chunk(2, -1)
        got = ops.silu_mul_quantize(gate, up, row_sums=True)
        want = ops.silu_mul_quantize(gate.contiguous(), up.contiguous(), row_sums=True)
        assert got.codes.shape == gate.shape
        assert got.scale.shape == got.row_sums.shape == (2, 3)
        assert_same_bits(got.codes, want.codes)
        assert_same_bits(got.scale, want.scale)
        assert_same_bits(got.row_sums, want.row_sums)


def test_opcheck_passes_and_compile_gives_the_same():
    gate, up = torch.randn(2, 3, 20)
    out = (torch.empty(3), torch.empty(3, 20, dtype=torch.int8), torch.empty(3, dtype=torch.int32))
    opcheck(torch.ops.halfword.silu_mul_quantize.default, (gate, up, None, *out))

    def quantized(gate, up):
        got = ops.silu_mul_quantize(gate, up)
        return got.codes.float() * got.scale[..., None]

    compiled = torch.compile(quantized, fullgraph=True)(gate, up)
    assert_same_bits(compiled, quantized(gate, up))


X = torch.ones(2, 8)
BAD = [
    ((X.double(), X), {}, TypeError, "gate must be .* got float64"),
    ((X, X.half()), {}, TypeError, "up must be float32; got float16"),
    ((X, X[:1]), {}, ValueError, r"up must have the shape of gate, \[2, 8\]; got \[1, 8\]"),
    ((X, X), {"scale": torch.ones(2)}, ValueError, "scale must have one element; got 2"),
]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[b[3][:30] for b in BAD]
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match="silu_mul_quantize: " + message):
        ops.silu_mul_quantize(*arguments, **options)


def test_codes_over_the_input_are_refused():
    words = torch.ones(2, 8)
    over = words.view(-1).view(torch.int8)[:16].view(2, 8)
    with pytest.raises(RuntimeError, match="silu_mul_quantize: codes must not overlap gate"):
        torch.ops.halfword.silu_mul_quantize(words, X, None, torch.empty(2), over, None)
    assert (words == 1).all()
