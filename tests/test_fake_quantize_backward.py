"""ops.fake_quantize_backward: straight through, and the gradients of learned scales."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops
from halfword.quant import Spec

from .cases.quantize import CASES, LARGE, Case, with_mapping
from .compare import assert_same_bits
from .reference.fake_quantize_backward import fake_quantize_backward as reference
from .reference.quantize import spread

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
INF, NAN = float("inf"), float("nan")
LINEAR = ["symmetric", "affine", "stochastic", "affine-stochastic"]
PIECES = [
    Case((3, 4096), Spec(), "one piece"),
    Case((2, 9000), Spec(), "three pieces a row"),
    Case((3, 9000), Spec(axis="tensor"), "pieces of several rows"),
    Case((5, 9000), Spec(block=(2, 5000)), "a last block of fewer pieces"),
    Case((70, 3), Spec(axis="tensor"), "more rows than lanes"),
    Case((70, 70), Spec(axis="column"), "columns past a strip"),
    Case((75, 5), Spec(block=(40, 2)), "two bands"),
    Case((75, 40), Spec(block=(40, 1)), "two bands of columns"),
]


def problem(case, mapping, dtype=torch.float32, bits=4):
    """About a tenth of the codes are clamped."""
    spec = with_mapping(case.spec, mapping, bits)
    x, d_out = (torch.randn(case.shape).to(dtype) for _ in range(2))
    scale_shape = spec.scale_shape(case.shape)
    scale = (1.5 + torch.rand(scale_shape)) / spec.code_range[1]
    lowest, highest = spec.code_range
    zero_point = None
    if not spec.symmetric:
        zero_point = torch.randint(lowest // 2, highest // 2 + 1, scale_shape, dtype=torch.int32)
    return d_out, x, scale, zero_point, spec


def check(d_out, x, scale, zero_point, spec):
    seed = 5 if spec.rounding == "stochastic" else None
    got = ops.fake_quantize_backward(d_out, x, scale, zero_point, spec, seed=seed)
    wanted = reference(d_out, x, scale, zero_point, spec, 5)
    for name, ours, theirs in zip(("d_x", "d_scale", "d_zero_point"), got, wanted, strict=True):
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            assert_same_bits(ours, theirs, f"{spec} {name}")
    return got


@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_the_reference_bit_for_bit(device, case):
    for i, mapping in enumerate([*LINEAR, "log2"]):
        check(*problem(case, mapping, DTYPES[(i + len(case.why)) % 3]))


@pytest.mark.parametrize("mapping", ["affine", "affine-stochastic"])
@pytest.mark.parametrize("case", PIECES, ids=str)
def test_pieces_are_added_in_the_order_of_the_contract(device, case, mapping):
    check(*problem(case, mapping))


@pytest.mark.parametrize("axis", ["tensor", "column"])
def test_rows_are_added_in_the_order_of_the_contract(device, axis):
    """Sums in double hide their order, unless large terms come, and go again later."""
    d_out, x, scale, zero_point, spec = problem(Case((70, 40), Spec(axis=axis), ""), "affine")
    d_out[:22] *= 2.0**40  # whose last bit in double is one that the sum shows
    d_out[48:], x[48:] = -d_out[:22], x[:22]
    check(d_out, x, scale, zero_point, spec)


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_any_number_of_threads_gives_the_same_bits(device, case):
    arguments = problem(case, "affine")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    one = ops.fake_quantize_backward(*arguments)
    torch.set_num_threads(2)
    two = ops.fake_quantize_backward(*arguments)
    torch.set_num_threads(before)
    for a, b in zip(one, two, strict=True):
        assert_same_bits(a, b)


@pytest.mark.parametrize("mapping", LINEAR)
def test_is_the_derivative_with_the_rounding_error_held(device, mapping):
    """Straight through: of (clamp(x / s + e + z) - z) * s, where e is what rounding added."""
    d_out, x, scale, zero_point, spec = problem(Case((40, 3, 20), Spec(axis="column"), ""), mapping)
    lowest, highest = spec.code_range
    zero = torch.zeros_like(scale) if zero_point is None else zero_point
    seed = 5 if spec.rounding == "stochastic" else None
    codes = ops.quantize(x, spec, scale=scale, zero_point=zero_point, seed=seed).codes
    s, z = (spread(t.double(), x, spec).requires_grad_() for t in (scale, zero))
    leaf = x.double().requires_grad_()
    t = leaf / s
    stochastic = spec.rounding == "stochastic"
    place = (t if stochastic else t.round()).detach() + z.detach()
    clamped = (place < lowest) | (place > highest)
    error = torch.where(clamped, 0, codes - z - t).detach()
    ((t + error + z).clamp(lowest, highest) - z).mul(s).backward(d_out.double())
    got = check(d_out, x, scale, zero_point, spec)
    assert_same_bits(got[0], leaf.grad.float())
    # Each product has the rounding of t, of a difference and of an addition to 120 others.
    terms = d_out.double().abs() * (t.detach().abs() + codes.double().abs() + z.detach().abs() + 1)
    bound = terms.reshape(-1, 20).sum(0) * 8 * torch.finfo(torch.float32).eps
    assert ((got[1] - s.grad.reshape(-1, 20).sum(0)).abs() <= bound).all()
    if zero_point is not None:
        assert ((got[2] - z.grad.reshape(-1, 20).sum(0)).abs() <= bound).all()


def test_d_x_is_zero_exactly_where_the_code_was_clamped(device):
    """The last t that is not is half a step past the largest code, rounded to even."""
    x = torch.tensor([[-8.6, -8.5, -8.4, -7.5, 0.0, 7.4, 7.5, 7.6, NAN, INF, -INF]])
    one = torch.ones(1)
    zero = torch.zeros(1, dtype=torch.int32)
    affine, symmetric = Spec(bits=4, symmetric=False), Spec(bits=4)
    d_x, d_scale, d_zero_point = check(torch.ones_like(x), x, one, zero, affine)
    assert d_x.tolist() == [[0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0]]
    assert d_zero_point.tolist() == [-5]
    d_x, *_ = check(torch.ones_like(x), x, one, None, symmetric)
    assert d_x.tolist() == [[0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]]
    assert d_scale.isfinite().all()


def test_a_scale_without_inverse_passes_all_and_learns_nothing(device):
    scale = torch.tensor([0.0, NAN, INF, -INF, 1e-40])
    x, d_out = torch.randn(5, 40), torch.randn(5, 40)
    d_x, d_scale, _ = check(d_out, x, scale, None, Spec())
    assert_same_bits(d_x, d_out)
    assert (d_scale == 0).all()


def test_log2_clamps_from_the_root_of_two_on(device):
    """Above the largest power, not below the least; the code of 0 passes."""
    below = torch.tensor(2.0, dtype=torch.float64).sqrt().float()
    root = below if below.double() < 2**0.5 else below.nextafter(torch.tensor(0.0))
    above = root.nextafter(torch.tensor(2.0))
    x = torch.stack([root, above, -root, -above, root * 0, root * 1e-9, root * NAN, root * INF])
    d_x, d_scale, _ = check(torch.ones(8), x, torch.tensor(1.0), None, Spec(mapping="log2", bits=3))
    assert d_x.tolist() == [1, 0, 1, 0, 1, 1, 1, 0]
    assert d_scale is None


def test_strides_do_not_matter(device):
    d_out, x, scale, zero_point, spec = problem(Case((30, 40), Spec(), ""), "affine")
    wanted = ops.fake_quantize_backward(d_out, x, scale, zero_point, spec)
    wide = torch.zeros(30, 80)
    wide[:, ::2] = x
    turned = d_out.t().contiguous().t()
    got = ops.fake_quantize_backward(turned, wide[:, ::2], scale, zero_point, spec)
    for a, b in zip(got, wanted, strict=True):
        assert_same_bits(a, b)
    check(torch.ones(1, 1).expand(30, 40), x, scale, zero_point, spec)


def test_only_what_is_wanted_is_computed(device):
    arguments = problem(Case((30, 9000), Spec(axis="tensor"), ""), "affine")
    both = ops.fake_quantize_backward(*arguments)
    for learned in ((True, False), (False, True), (False, False)):
        got = ops.fake_quantize_backward(*arguments, learned=learned)
        assert_same_bits(got[0], both[0])
        for ours, all_of_them, wanted in zip(got[1:], both[1:], learned, strict=True):
            assert (ours is not None) == wanted
            if wanted:
                assert_same_bits(ours, all_of_them)


def test_opcheck_passes():
    d_out, x, scale, zero_point, _ = problem(Case((4, 40), Spec(), ""), "affine")
    out = [torch.empty(4, 40), torch.empty(4), torch.empty(4)]
    op = torch.ops.halfword.fake_quantize_backward.default
    opcheck(op, (d_out, x, 1, 40, 1, 4, None, scale, zero_point, *out))
    opcheck(op, (d_out, x, 1, 40, 0, 4, torch.tensor([3]), scale, None, *out[:2], None))


def run(d_out, x, scale, zero_point=None, spec=Spec(), **options):  # noqa: B008
    return ops.fake_quantize_backward(d_out, x, scale, zero_point, spec, **options)


X, SCALE, ZERO = torch.ones(2, 4), torch.ones(2), torch.zeros(2, dtype=torch.int32)
AFFINE, STOCHASTIC = Spec(symmetric=False), Spec(rounding="stochastic")
BAD = [
    ((X.int(), X, SCALE), {}, TypeError, "d_out must be float32, bfloat16 or float16; got int32"),
    ((X[:1], X, SCALE), {}, ValueError, r"d_out must have shape \[2, 4\]; got \[1, 4\]"),
    ((X, X.half(), SCALE), {}, TypeError, "x must be float32; got float16"),
    ((X, X, SCALE[:1]), {}, ValueError, r"scale must have shape \[2\]; got \[1\]"),
    ((X, X, SCALE.half()), {}, TypeError, "scale must be float32; got float16"),
    ((X, X, SCALE, ZERO), {}, ValueError, "zero_point must be None with a mapping that has none"),
    ((X, X, SCALE, None, AFFINE), {}, ValueError, "zero_point must be a tensor with an affine"),
    ((X, X, SCALE, ZERO.float(), AFFINE), {}, TypeError, "zero_point must be int32; got float32"),
    ((X, X, SCALE, None, STOCHASTIC), {}, ValueError, "seed must be that of the forward; got None"),
    ((X, X, SCALE), {"seed": 1}, ValueError, "seed must be None with rounding to nearest"),
]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[b[3][:40] for b in BAD]
)
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match="fake_quantize_backward: " + message):
        run(*arguments, **options)


def test_the_scales_of_problems_clamp_some_codes():
    """Or the tests above would not see the edges."""
    d_out, x, scale, zero_point, spec = problem(Case((100, 100), Spec(), ""), "affine")
    d_x, *_ = reference(d_out, x, scale, zero_point, spec)
    assert 0.02 < (d_x == 0).float().mean() < 0.5
