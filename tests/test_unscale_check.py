"""ops.unscale_check: overflow check, unscaling and norm of a list of gradients."""

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from halfword import _core, ops

from .cases.unscale_check import CASES
from .compare import assert_same_bits
from .reference import unscale_check as reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
INF, NAN = float("inf"), float("nan")


def names(value):
    return str(value).removeprefix("torch.")


def run(grads, inv_scale=0.25, write=True, norm=True):
    """Flag and norm."""
    found, total = torch.zeros(()), torch.full((), -1.0)
    ops.unscale_check(
        grads, torch.tensor(inv_scale), found, write=write, norm=total if norm else None
    )
    return found.item(), total


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=names)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_the_reference_bit_for_bit(device, case, dtype, write):
    grads = [torch.randn(n).to(dtype) for n in case.sizes]
    before = [g.clone() for g in grads]
    norm = reference.norm(grads, 0.3, write)
    found, got = run(grads, 0.3, write)
    assert found == 0
    assert_same_bits(got, norm, "norm")
    for grad, old in zip(grads, before, strict=True):
        assert_same_bits(grad, reference.unscaled(old, 0.3, True) if write else old)


def test_norm_is_near_the_exact_one(device):
    """A sum in a tree of FP32 and double: at most 4 + 11 roundings of 2^-24 in a tile."""
    grads = [torch.randn(70_001), torch.randn(300, 40).bfloat16()]
    exact = sum(g.double().square().sum() for g in grads).sqrt()
    _, norm = run(grads, 1.0, write=False)
    assert abs(norm.double() - exact) < exact * (4 + 11 + 2) * 2.0**-24


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=names)
@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_a_single_bad_element_anywhere_is_found(device, bad, dtype, write, norm):
    for numel in (1, 15, 16, 17, 33, 9000):
        for place in {0, numel // 2, numel - 1}:
            grads = [torch.zeros(100, dtype=dtype), torch.ones(numel, dtype=dtype)]
            grads[1][place] = bad
            assert run(grads, 1.0, write, norm)[0] == 1


@pytest.mark.parametrize("dtype", DTYPES, ids=names)
def test_the_largest_finite_values_are_not_an_overflow(device, dtype):
    largest = torch.finfo(dtype).max
    grads = [torch.tensor([largest, -largest] * 40, dtype=dtype)]
    assert run(grads, 1.0)[0] == 0


def test_an_overflow_that_unscaling_makes_is_found(device):
    """In FP32 when the gradient is only read; after rounding to its type when it is written."""
    assert run([torch.tensor([3e38])], 2.0, write=False)[0] == 1
    half = torch.tensor([60_000.0]).half()
    assert run([half], 2.0, write=False)[0] == 0
    assert run([half], 2.0, write=True)[0] == 1
    assert half.isinf().all()


@pytest.mark.parametrize("inv_scale", [INF, NAN])
def test_a_scale_that_is_not_finite_is_an_overflow(device, inv_scale):
    assert run([torch.zeros(40)], inv_scale)[0] == 1


def test_the_flag_is_never_cleared(device):
    found = torch.ones(1)
    ops.unscale_check([torch.ones(5)], torch.tensor(1.0), found)
    assert found.item() == 1


def test_a_finite_sum_past_float32_is_an_infinite_norm_and_no_overflow(device):
    found, norm = run([torch.full((50,), 1e20)], 1.0)
    assert (found, norm.item()) == (0, INF)


LAYOUTS = {
    "permuted": lambda t: t.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "every-other": lambda t: torch.full((16, 30, 50), NAN, dtype=t.dtype)[:, :, ::2].copy_(t),
    "a-slice": lambda t: torch.full((16, 60, 25), NAN, dtype=t.dtype)[:, 3:33].copy_(t),
    "transposed": lambda t: t.transpose(0, 2).contiguous().transpose(0, 2),
}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=names)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_do_not_matter(device, layout, dtype, write):
    """And the NaN beside a view is not seen."""
    plain = torch.randn(16, 30, 25).to(dtype)
    grad = LAYOUTS[layout](plain)
    norm = reference.norm([grad], 0.3, write)
    found, got = run([grad], 0.3, write)
    assert found == 0
    assert_same_bits(got, norm)
    assert_same_bits(grad.contiguous(), reference.unscaled(plain, 0.3, True) if write else plain)


def test_an_expanded_gradient_can_be_read_and_not_written(device):
    grad = torch.tensor([2.0]).expand(100)
    assert run([grad], 0.5, write=False)[1].item() == 10.0
    with pytest.raises(ValueError, match=r"unscale_check: grads\[0\] must not overlap itself"):
        run([grad], 0.5, write=True)


@given(
    sizes=st.lists(st.integers(0, 5000), max_size=6),
    offset=st.integers(0, 9),
    dtype=st.sampled_from(DTYPES),
    write=st.booleans(),
    inv_scale=st.floats(2.0**-20, 4.0, width=32),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_list_matches_the_reference_bit_for_bit(device, sizes, offset, dtype, write, inv_scale):
    grads = [torch.randn(n + offset).to(dtype)[offset:] for n in sizes]
    norm = reference.norm(grads, inv_scale, write)
    found, got = run(grads, inv_scale, write)
    assert found == 0
    assert_same_bits(got, norm)


def test_any_number_of_threads_gives_the_same_norm(device):
    grads = [torch.randn(n) for n in (100_000, 7, 300_000)]
    before = torch.get_num_threads()
    norms = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        norms.append(run(grads, 1.0, write=False)[1])
    torch.set_num_threads(before)
    assert_same_bits(norms[1], norms[0])
    assert_same_bits(norms[2], norms[0])


def test_every_16_bit_pattern_survives_the_round_trip(device):
    """Reading and writing with inv_scale 1 is the identity, NaN aside."""
    words = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    for dtype in (torch.bfloat16, torch.float16):
        grad = words.clone().view(dtype)
        run([grad], 1.0)
        assert_same_bits(grad, words.view(dtype))


def test_opcheck_passes_and_compile_keeps_the_mutation():
    grads = [torch.randn(30), torch.randn(4, 5).half()]
    arguments = (grads, torch.tensor(0.5), torch.zeros(()), torch.zeros(()), True)
    opcheck(torch.ops.halfword.unscale_check.default, arguments)

    def check(grad, found, norm):
        ops.unscale_check([grad], torch.tensor(0.5), found, norm=norm)
        return found + norm

    compiled = torch.compile(check, fullgraph=True)
    one, two = torch.full((4,), 3.0), torch.full((4,), 3.0)
    got = compiled(one, torch.zeros(()), torch.zeros(()))
    assert_same_bits(got, check(two, torch.zeros(()), torch.zeros(())))
    assert_same_bits(one, two)


BAD = [
    (
        ([torch.ones(2, dtype=torch.int8)], torch.ones(1), torch.zeros(1)),
        TypeError,
        r"grads\[0\] must be float32, bfloat16 or float16; got int8",
    ),
    (
        ([torch.ones(2)], torch.ones(2), torch.zeros(1)),
        ValueError,
        "inv_scale must have one element; got 2",
    ),
    (
        ([torch.ones(2)], torch.ones(1).double(), torch.zeros(1)),
        TypeError,
        "inv_scale must be float32; got float64",
    ),
    (
        ([torch.ones(2)], torch.ones(1), torch.zeros(1, dtype=torch.bool)),
        TypeError,
        "found_inf must be float32; got bool",
    ),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD, ids=[b[2][:30] for b in BAD])
def test_bad_input_is_named_and_changes_nothing(arguments, error, message):
    with pytest.raises(error, match="unscale_check: " + message):
        ops.unscale_check(*arguments)
    assert (arguments[0][0] == 1).all()


@pytest.mark.slow
def test_tensors_past_two_to_the_31_elements():
    zeros = numpy.zeros(2**31 + 40, numpy.int16)  # no memory as long as none is written
    grad = torch.from_numpy(zeros).view(torch.bfloat16)
    grad[-1] = 3.0
    assert run([grad], 1.0, write=False)[1].item() == 3.0
    grad[2**31 + 7] = NAN
    assert run([grad], 1.0, write=False, norm=False)[0] == 1


def test_a_sparse_gradient_is_refused_with_what_there_is():
    sparse = torch.eye(3).to_sparse()
    with pytest.raises(
        NotImplementedError,
        match=r"unscale_check: tensors must be dense and on the CPU .*; got sparse",
    ):
        run([sparse])


def test_an_unknown_instruction_set_is_refused():
    before = _core.isa()
    with pytest.raises(ValueError, match=r"set_isa: name must be .* got 'sse9'"):
        _core.set_isa("sse9")
    assert _core.isa() == before
