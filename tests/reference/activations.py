"""What may follow a linear layer: in float64, and the float32 steps of core/activation_math.h."""

from collections.abc import Callable

import torch
from torch import Tensor

from .arithmetic import fma

# In the order of the codes.
NAMES = ("none", "relu", "gelu", "gelu_tanh", "silu")


def real(x: Tensor, name: str) -> Tensor:
    """The function itself, in float64."""
    x = x.double()
    z = 8**0.5 / torch.pi**0.5 * (x + 0.044715 * x**3)
    functions: dict[str, Callable[[], Tensor]] = {
        "none": lambda: x,
        "relu": lambda: x.clamp(min=0),
        "gelu": lambda: x * torch.special.erfc(-x / 2**0.5) / 2,
        "gelu_tanh": lambda: x / (1 + torch.exp(-z)),
        "silu": lambda: x / (1 + torch.exp(-x)),
    }
    y = functions[name]()
    return torch.where(x == -torch.inf, 0.0, y) if name != "none" else y


def steps(x: Tensor, name: str) -> Tensor:
    """The same bits as the kernels."""
    assert x.dtype == torch.float32
    cubic = x * fma(x * x, number("0x1.2444f2p-4"), number("0x1.988454p+0"))
    functions: dict[str, Callable[[], Tensor]] = {
        "none": lambda: x,
        "relu": lambda: torch.where(x < 0, 0.0, x),
        "gelu": lambda: gelu(x),
        "gelu_tanh": lambda: times_logistic(x, cubic),
        "silu": lambda: times_logistic(x, x),
    }
    return functions[name]()


def number(hexadecimal: str) -> Tensor:
    return torch.tensor(float.fromhex(hexadecimal), dtype=torch.float32)


def horner(x: Tensor, *coefficients: str) -> Tensor:
    """A polynomial from its highest coefficient on."""
    y = number(coefficients[0])
    for c in coefficients[1:]:
        y = fma(y, x, number(c))
    return y


def exponential(x: Tensor) -> Tensor:
    x = x.clamp(min=-88)
    n = fma(x, number("0x1.715476p+0"), torch.tensor(1.5 * 2**23)) - 1.5 * 2**23
    r = fma(n, number("0x1.05c61p-29"), fma(n, number("-0x1.62e43p-1"), x))
    y = horner(
        r,
        "0x1.6a4efp-10",
        "0x1.12397cp-7",
        "0x1.5558aep-5",
        "0x1.555492p-3",
        "0x1.fffffcp-2",
        "1",
        "1",
    )
    return y * torch.where(n == -127, 0.0, torch.exp2(n.double())).float()


def normal_tail(t: Tensor) -> Tensor:
    t = t.clamp(max=14)
    square = t * t
    cut = fma(t, t, -square)
    e = exponential(-0.5 * square)
    e = fma(-0.5 * cut, e, e)
    over = horner(t, "0x1.05a102p-8", "0x1.46121ep-5", "0x1.723ea2p-3", "0x1.bd70acp-2", "0x1p-1")
    under = horner(
        t, "0x1.47e6p-7", "0x1.98b334p-4", "0x1.da1b76p-2", "0x1.313d68p+0", "0x1.aafa84p+0", "1"
    )
    return e * (over / under)


def times_logistic(x: Tensor, z: Tensor) -> Tensor:
    e = exponential(-z.abs())
    x = x.clamp(min=-100)
    return torch.where(z < 0, x * e, x) / (1 + e)


def gelu(x: Tensor) -> Tensor:
    tail = normal_tail(x.abs())
    x = x.clamp(min=-100)
    return x * torch.where(x < 0, tail, 1 - tail)
