"""The steps of core/activation_math.h, which ops repeat bit for bit, against float64."""

import math

import pytest
import torch

from .reference import activations

# Every sign and magnitude that float32 has, and the places where the functions bend.
GRID = torch.cat(
    [
        torch.arange(0, 1 << 32, 80_021, dtype=torch.int64).to(torch.int32).view(torch.float32),
        torch.linspace(-20, 20, 40_001),
        torch.linspace(-1, 1, 10_001),
    ]
)
GRID = GRID[GRID.isfinite()]
SMALLEST = torch.finfo(torch.float32).tiny


def ulps(got, want):
    """|got - want| in units in the last place of float32 results."""
    return (got.double() - want).abs() / torch.exp2(want.abs().log2().floor() - 23)


def gelu_tanh_bound(x):
    """3 ulp; below 0 the error of z too, 3 ulp for each unit."""
    z = 8**0.5 / math.pi**0.5 * (x.double() + 0.044715 * x.double() ** 3)
    return 3 - 3 * z.clamp(max=0)


BOUNDS = {
    "relu": lambda x: torch.zeros_like(x),
    "gelu": lambda x: torch.where(x > 0.5, 2.2, torch.where(x > -13, 6.0, 9.0)),
    "gelu_tanh": gelu_tanh_bound,
    "silu": lambda x: torch.full_like(x, 3),
}
# From where on a result is 0: there it is not a normal number, or 80 times as large.
ENDS = {"relu": 0.0, "gelu": -13.15, "gelu_tanh": -10.0, "silu": -87.6}


@pytest.mark.parametrize("name", BOUNDS)
def test_errs_by_no_more_ulp_than_it_says(name):
    want, end = activations.real(GRID, name), ENDS[name]
    used = (want.abs() >= SMALLEST) & (end < GRID)
    x = GRID[used]
    error = ulps(activations.steps(x, name), want[used])
    assert (error <= BOUNDS[name](x)).all(), (x[error.argmax()], error.max())


@pytest.mark.parametrize("name", BOUNDS)
def test_what_lies_below_is_as_small_as_that(name):
    end = ENDS[name]
    x = GRID[end >= GRID]
    got, want = activations.steps(x, name).double(), activations.real(x, name)
    assert ((got - want).abs() <= 90 * SMALLEST).all()
    assert (got <= 0).all()


@pytest.mark.parametrize("name", BOUNDS)
def test_limits_and_nan(name):
    x = torch.tensor([-math.inf, math.inf, math.nan, 0.0, -0.0, -3e38, 3e38])
    got = activations.steps(x, name)
    assert got.tolist()[:2] == [0, math.inf]
    assert got[2].isnan()
    assert got[3:6].tolist() == [0, 0, 0]
    assert got[6] == x[6]
    assert got[4].signbit()
