"""ops.quantize: stochastic rounding and its random bits."""

import pytest
import torch

from halfword import ops
from halfword.quant import Spec

from .compare import assert_same_bits, same_bits
from .reference.quantize import quantize as reference

SPEC = Spec(rounding="stochastic")


def test_rounding_is_unbiased(device):
    """The mean of n roundings of one number errs by less than 5 standard errors of a coin, and by
    the 2^-17 to which its probability is rounded."""
    n, f = 2**20, 0.3
    scale = torch.ones(2**8)
    x = torch.full((2**8, n // 2**8), 12 + f)
    codes = ops.quantize(x, SPEC, scale=scale, seed=3).codes
    assert set(codes.unique().tolist()) == {12, 13}
    error = (codes.double() - x.double()).mean().abs().item()
    assert error < 5 * (f * (1 - f) / n) ** 0.5 + 2.0**-17


def test_an_integer_stays_what_it_is(device):
    x = torch.arange(-127, 128).float().repeat(40, 1)
    got = ops.quantize(x, SPEC, scale=torch.ones(40), seed=9)
    assert_same_bits(got.codes, x.to(torch.int8))


def test_every_seed_draws_bits_of_its_own(device):
    x = torch.randn(9, 70)
    first = ops.quantize(x, SPEC, seed=1).codes
    assert_same_bits(ops.quantize(x, SPEC, seed=1).codes, first)
    assert not same_bits(ops.quantize(x, SPEC, seed=2).codes, first)


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, 2**32])
def test_any_seed_is_that_of_the_reference(device, seed):
    x = torch.randn(3, 70)
    codes, _, _ = reference(x, SPEC, seed=seed)
    assert_same_bits(ops.quantize(x, SPEC, seed=seed).codes, codes)
    assert_same_bits(ops.quantize(x, SPEC, seed=torch.tensor(seed)).codes, codes)


def test_the_bits_are_those_of_the_element_whatever_its_block_or_shape(device):
    """Scales are given, so that nothing else can differ."""
    x = torch.randn(24, 130)
    codes = ops.quantize(x, SPEC, scale=torch.full((24,), 0.03), seed=4).codes
    for granularity in ({"axis": "column"}, {"axis": "tensor"}, {"group_size": 11}):
        spec = Spec(rounding="stochastic", **granularity)
        scale = torch.full(spec.scale_shape(x.shape), 0.03)
        assert_same_bits(ops.quantize(x, spec, scale=scale, seed=4).codes, codes)
    spec = Spec(axis="tensor", rounding="stochastic")
    flat = ops.quantize(x.view(-1), spec, scale=torch.tensor(0.03), seed=4).codes
    assert_same_bits(flat.view(24, 130), codes)


def test_without_a_seed_torchs_generator_gives_one():
    x = torch.randn(4, 100)
    torch.manual_seed(5)
    first, second = ops.quantize(x, SPEC).codes, ops.quantize(x, SPEC).codes
    assert not same_bits(first, second)
    torch.manual_seed(5)
    assert_same_bits(ops.quantize(x, SPEC).codes, first)


def test_compiled_stochastic_rounding_takes_a_seed_tensor():
    x, seed = torch.randn(4, 100), torch.tensor([6])
    compiled = torch.compile(lambda x, seed: ops.quantize(x, SPEC, seed=seed), fullgraph=True)
    assert_same_bits(compiled(x, seed).codes, ops.quantize(x, SPEC, seed=6).codes)
