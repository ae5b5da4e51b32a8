"""ops.norm_quantize: residual, RMSNorm or LayerNorm and row quantization in one pass."""

import math

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .cases.rows import EDGES
from .compare import assert_same_bits
from .reference.norm_quantize import norm_quantize as reference
from .reference.norm_quantize import real

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
HALF_ULP = 2.0**-24


def problem(rows, cols, dtype, kind, residual=True):
    """Arguments of the op: elements of very unequal size, away from 0 on average."""
    spread = torch.randn(cols).exp()
    options = {"kind": kind, "residual": None}
    x = ((torch.randn(rows, cols) + 0.3) * spread).to(dtype)
    if residual:
        options["residual"] = (torch.randn(rows, cols) * 4).to(dtype)
    bias = torch.randn(cols).half() if kind == "layer" else None
    return (x, torch.rand(cols) * 2 - 0.5, bias), options


def assert_as_the_reference(arguments, options, what=""):
    got = ops.norm_quantize(*arguments, **options, row_sums=True)
    codes, scale, sums, total = reference(*arguments, **options)
    assert_same_bits(got.codes, codes, f"{what} codes")
    assert_same_bits(got.scale, scale, f"{what} scale")
    assert_same_bits(got.row_sums, sums, f"{what} row_sums")
    if options["residual"] is None:
        assert got.residual is None
    else:
        assert_same_bits(got.residual, total, f"{what} residual")


@pytest.mark.parametrize("kind", ["rms", "layer"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
def test_matches_the_reference_bit_for_bit(device, dtype, kind):
    for case in EDGES:
        arguments, options = problem(case.rows, case.cols, dtype, kind)
        assert_as_the_reference(arguments, options, f"{case}, {case.why}:")


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_a_given_scale_a_16_bit_weight_and_no_residual(device, kind):
    (x, weight, bias), options = problem(3, 300, torch.bfloat16, kind, residual=False)
    options["scale"] = torch.tensor([0.02])
    assert_as_the_reference((x, weight.bfloat16(), bias), options)
    got = ops.norm_quantize(x, weight, bias, **options)
    assert got.scale is options["scale"]
    assert got.row_sums is None


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_codes_stand_for_the_float64_norm(device, kind):
    """Half a step, and the roundings before it: each operation errs by half an ulp, a sum of n by
    as many as it has additions one after the other."""
    (x, weight, bias), options = problem(7, 5000, torch.float32, kind, residual=False)
    got = ops.norm_quantize(x, weight, bias, **options)
    want = real(x, weight, bias, 1e-6, kind)
    additions = math.ceil(x.shape[1] / 2048) + 11
    h = x.double() if kind == "rms" else x.double() - x.double().mean(1, keepdim=True)
    inv_deviation = 1 / (h.square().mean(1, keepdim=True) + 1e-6).sqrt()
    normed = (h * inv_deviation * weight.double()).abs()
    # of the second moment: its sum, a square, the quotient and eps; of what is made of it: half
    # that, the root, its inverse, two products, a sum; and once more for the product of errors
    relative = (additions + 3) / 2 + 6
    center = (additions + 2) * HALF_ULP * x.double().abs().mean(1, keepdim=True)
    shifted = 0 if kind == "rms" else 2 * center * inv_deviation * weight.double().abs()
    error = normed * relative * HALF_ULP + shifted + want.abs() * 2 * HALF_ULP
    scale = got.scale.double()[:, None]
    # scale, its inverse and the product, each of up to 127 steps
    bound = scale * (0.5 + 127 * 4 * HALF_ULP) + error
    assert ((got.codes.double() * scale - want).abs() <= bound).all()
    assert (got.codes.abs().amax(1) == 127).all()


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_special_rows_are_marked_and_leave_the_others_alone(device, kind):
    (x, weight, bias), _ = problem(6, 300, torch.float32, kind, residual=False)
    bias = None if bias is None else torch.zeros_like(bias)
    plain = ops.norm_quantize(x, weight, bias, kind=kind)
    special = x.clone()
    special[1] = 0
    special[2, 17], special[3, 299], special[4, :2] = math.nan, -math.inf, 3e38
    got = ops.norm_quantize(special, weight, bias, kind=kind, row_sums=True)
    assert got.scale[1] == 0
    assert got.scale[2:5].isnan().all()
    assert (got.codes[1:5] == 0).all()
    assert (got.row_sums[1:5] == 0).all()
    for row in (0, 5):
        assert_same_bits(got.codes[row], plain.codes[row])
        assert_same_bits(got.scale[row], plain.scale[row])
    static = ops.norm_quantize(special, weight, bias, kind=kind, scale=torch.tensor([0.05]))
    assert (static.codes[1:5] == 0).all()
    assert (static.codes[0] != 0).any()


def test_a_layer_norm_of_elements_far_from_zero_keeps_their_differences(device):
    """A difference of means of squares would cancel: the mean is 10,000 deviations."""
    x = 10_000 + torch.randn(2, 4096)
    got = ops.norm_quantize(x, torch.ones(4096), torch.zeros(4096), kind="layer")
    want = torch.nn.functional.layer_norm(x.double(), (4096,))
    error = want - got.codes.double() * got.scale.double()[:, None]
    assert error.abs().max() <= 0.6 * got.scale.max()


LAYOUTS = {
    "odd-pitch": lambda t: torch.zeros(len(t), t.shape[1] + 5, dtype=t.dtype)[:, 3:-2].copy_(t),
    "aligned-pitch": lambda t: torch.zeros(len(t), t.shape[1] + 8, dtype=t.dtype)[:, :-8].copy_(t),
    "transposed": lambda t: t.t().contiguous().t(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_pitch_gives_the_same_bits(device, layout):
    (x, weight, _), options = problem(5, 304, torch.bfloat16, "rms")
    place = LAYOUTS[layout]
    got = ops.norm_quantize(place(x), weight, residual=place(options["residual"]))
    want = ops.norm_quantize(x, weight, residual=options["residual"])
    for a, b in zip(got, want, strict=True):
        assert (a is b is None) or (assert_same_bits(a, b) is None)


def test_leading_dimensions_are_rows(device):
    x, weight = torch.randn(2, 3, 40), torch.ones(40)
    got = ops.norm_quantize(x, weight, residual=x, row_sums=True)
    assert got.codes.shape == got.residual.shape == x.shape
    assert got.scale.shape == got.row_sums.shape == (2, 3)
    assert_same_bits(got.codes[1], ops.norm_quantize(x[1], weight, residual=x[1]).codes)
    assert ops.norm_quantize(x[0, 0], weight).scale.shape == ()


def test_opcheck_passes_and_compile_gives_the_same():
    x, weight = torch.randn(3, 20), torch.ones(20)
    out = (torch.empty(3), torch.empty(3, 20, dtype=torch.int8), None, torch.empty(3, 20))
    arguments = (x, weight, None, x.clone(), 1e-6, 0, None, *out)
    opcheck(torch.ops.halfword.norm_quantize.default, arguments)

    def quantized(x, weight):
        got = ops.norm_quantize(x, weight, residual=x)
        return got.codes.float() * got.scale[..., None] + got.residual

    compiled = torch.compile(quantized, fullgraph=True)(x, weight)
    assert_same_bits(compiled, quantized(x, weight))


X, W = torch.ones(2, 8), torch.ones(8)
BAD = [
    ((X.double(), W), {}, TypeError, "x must be .* got float64"),
    ((X, W[:7]), {}, ValueError, r"weight must have shape \[8\]; got \[7\]"),
    ((X, W.int()), {}, TypeError, "weight must be .* got int32"),
    ((X, W, W[:7]), {"kind": "layer"}, ValueError, r"bias must have shape \[8\]; got \[7\]"),
    ((X, W, W), {}, ValueError, "bias must be None with an RMS norm"),
    ((X, W), {"residual": X[:1]}, ValueError, r"residual must have the shape of x, \[2, 8\]"),
    ((X, W), {"residual": X.half()}, TypeError, "residual must be float32; got float16"),
    ((X, W), {"eps": -1.0}, ValueError, "eps must be finite and >= 0; got -1"),
    ((X, W), {"eps": math.nan}, ValueError, "eps must be finite and >= 0; got nan"),
    ((X, W), {"kind": "batch"}, ValueError, "kind must be one of .* got 'batch'"),
    ((X, W), {"scale": torch.ones(2)}, ValueError, "scale must have one element; got 2"),
    ((X, W), {"scale": torch.ones(1).half()}, TypeError, "scale must be float32; got float16"),
]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[b[3][:30] for b in BAD]
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match="norm_quantize: " + message):
        ops.norm_quantize(*arguments, **options)


def outputs(**changed):
    """Arguments of the op itself, which the wrapper always gets right."""
    new = {"codes": torch.full((2, 8), 5, dtype=torch.int8), "new_scale": torch.empty(2)}
    new |= {"row_sums": None, "sum": None, "kind": 0, "residual": None, "x": X} | changed
    return [new["x"], W, None, new["residual"], 0.0, new["kind"], None, new["new_scale"],
            new["codes"], new["row_sums"], new["sum"]]  # fmt: skip


OVERLAPPING = torch.ones(3, 8)
BAD_OUTPUTS = [
    (outputs(x=torch.ones(8, 2).t()), "x must have consecutive columns; got column stride 2"),
    (outputs(x=torch.ones(8)), r"x must be a matrix; got shape \[8\]"),
    (outputs(kind=2), r"kind must be 0 \(rms\) or 1 \(layer\); got 2"),
    (outputs(new_scale=None), "new_scale must be None if and only if there is a scale"),
    (outputs(new_scale=torch.empty(3)), r"new_scale must have shape \[2\]; got \[3\]"),
    (outputs(codes=torch.empty(2, 7, dtype=torch.int8)), r"codes must have shape \[2, 8\]"),
    (outputs(codes=torch.empty(2, 8)), "codes must be int8; got float32"),
    (outputs(row_sums=torch.empty(2)), "row_sums must be int32; got float32"),
    (outputs(sum=X.clone()), "sum must be a tensor if and only if residual is; got a tensor"),
    (outputs(residual=X), "sum must be a tensor if and only if residual is; got None"),
    (outputs(x=OVERLAPPING[:2], residual=X, sum=OVERLAPPING[1:]), "sum must not overlap x"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD_OUTPUTS, ids=[b[1][:30] for b in BAD_OUTPUTS]
)
def test_bad_outputs_are_named_and_nothing_is_written(arguments, message):
    codes = arguments[8].clone()
    with pytest.raises(RuntimeError, match="norm_quantize: " + message):
        torch.ops.halfword.norm_quantize(*arguments)
    assert_same_bits(arguments[8], codes)
