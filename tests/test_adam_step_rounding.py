"""ops.adam_step: remainders, stochastic rounding and its random bits."""

import pytest
import torch

from halfword import ops
from halfword.optim import join_master, split_master

from .cases.adam_step import BF16
from .compare import assert_same_bits, same_bits
from .reference.adam_step import round_stochastic
from .reference.arithmetic import philox


def test_a_bfloat16_and_its_remainder_are_exactly_float32():
    """For every high half and the low halves where rounding changes its mind."""
    high = torch.arange(-(2**15), 2**15, dtype=torch.int32)
    low = torch.tensor([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], dtype=torch.int32)
    value = ((high[:, None] << 16) | low).view(torch.float32)
    assert_same_bits(join_master(*split_master(value)), value)
    finite = value[value.isfinite() & (value.abs() < 3e38)]
    nearest = split_master(finite)[0].float()
    assert ((nearest - finite).abs() <= (finite.bfloat16().float() - finite).abs()).all()


def test_stochastic_rounding_is_unbiased_and_repeats(device):
    """The mean of n roundings errs by less than 5 standard errors of a coin."""
    n = 200_000
    value = 1.0 + 0.3 * 2.0**-7  # 0.3 of the way from 1 to the next bfloat16
    kept = {"lr": 0.0, "stochastic_params": True, "step": [torch.zeros(())]}

    def rounded(seed):
        m = torch.full((n,), 0.0, dtype=BF16)
        v, p = torch.zeros(n, dtype=BF16), torch.ones(n)
        # beta1 = 0 and a gradient equal to the value make the stored moment its rounding.
        ops.adam_step([p], [torch.full((n,), value)], [m], [v], betas=(0.0, 0.9), seed=seed, **kept)
        kept["step"][0].zero_()
        return m

    first = rounded(7)
    assert set(first.float().unique().tolist()) == {1.0, 1.0 + 2.0**-7}
    up = (first > 1).double().mean().item()
    assert abs(up - 0.3) < 5 * (0.3 * 0.7 / n) ** 0.5
    assert_same_bits(rounded(7), first)
    assert not same_bits(rounded(8), first)


@pytest.mark.parametrize(
    ("rounds", "counter", "key", "words"),
    [
        (7, 0, 0, "5f6fb709 0d893f64 4f121f81 4f730a48"),
        (10, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (10, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ],
)
def test_the_reference_generator_gives_the_known_answers(rounds, counter, key, words):
    """Of Random123, whose authors made Philox. The kernels are tested against this reference."""
    got = philox([torch.tensor(counter)] * 4, key, rounds)
    assert " ".join(f"{word.item():08x}" for word in got) == words


def test_bfloat16_second_moments_decay():
    """To nearest they would not: 1 - beta2 is less than half an ulp."""
    v = torch.full((4096,), 1.0, dtype=BF16)
    p, m, step = torch.ones(4096), torch.zeros(4096, dtype=BF16), torch.zeros(())
    for _ in range(1000):
        ops.adam_step([p], [torch.zeros(4096)], [m], [v], step=[step], lr=0.0, betas=(0.9, 0.999))
    exact = 0.999**1000
    # 1000 roundings of relative size up to 2^-8 walk at random; the mean of 4096 walks is near.
    assert abs(v.float().mean().item() - exact) < 5 * 2.0**-8 * (1000 / 4096) ** 0.5 * exact


def test_each_stream_draws_the_bits_that_the_contract_says(device):
    """With beta1 = 0 the stored moment is the gradient, rounded as the first step of its stream."""
    streams, seed, exp_avg = [0, 1, 5, 2**30 - 1], 11, 1
    grads = [torch.randn(40) for _ in streams]
    params, m, v = ([torch.zeros(40, dtype=dtype) for _ in streams] for dtype in (BF16, BF16, BF16))
    ops.adam_step(
        params, grads, m, v, step=[torch.zeros(())], lr=0.0, betas=(0.0, 0.9), seed=seed,
        streams=streams,
    )  # fmt: skip
    for got, grad, stream in zip(m, grads, streams, strict=True):
        assert_same_bits(got, round_stochastic(grad, seed, 1, exp_avg, stream), f"stream {stream}")
