"""One Adam step in plain torch, operation by operation in float32."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .arithmetic import fma, random_bits, to_bfloat16_stochastic


@dataclass
class Hyper:
    lr: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.1
    decoupled: bool = True
    maximize: bool = False
    bias_correction: bool = True
    amsgrad: bool = False
    inv_scale: float = 1.0
    clip: float = 1.0


def adam_update(
    p: Tensor, g: Tensor, m: Tensor, v: Tensor, v_max: Tensor, t: int, hyper: Hyper
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """New p, m, v and v_max; every tensor float32."""

    def number(x: float) -> Tensor:
        return torch.tensor(x, dtype=torch.float64).float()

    b1, b2 = number(hyper.beta1), number(hyper.beta2)
    bias1 = 1 - b1.item() ** t if hyper.bias_correction else 1.0
    bias2 = 1 - b2.item() ** t if hyper.bias_correction else 1.0
    g = g * number(hyper.inv_scale) * number(hyper.clip)
    if hyper.maximize:
        g = -g
    if hyper.decoupled:
        p = p - number(hyper.lr * hyper.weight_decay) * p
    else:
        g = g + number(hyper.weight_decay) * p
    m = fma(b1, m, fma(-b1, g, g))
    v = fma(b2, v, fma(-b2, g * g, g * g))
    v_max = torch.maximum(v_max, v)
    # In double, then rounded: that is the IEEE root, which torch's float32 one (MKL) is not.
    root = (v_max if hyper.amsgrad else v).double().sqrt().float()
    denominator = root * number(1 / math.sqrt(bias2)) + number(hyper.eps)
    p = p - number(hyper.lr / bias1) * m / denominator
    return p, m, v, v_max


def round_moment(x: Tensor, dtype: torch.dtype, seed: int, t: int, purpose: int) -> Tensor:
    """A moment as it is stored: FP32, or stochastically rounded bfloat16."""
    if dtype == torch.float32:
        return x
    return round_stochastic(x, seed, t, purpose)


def round_stochastic(x: Tensor, seed: int, t: int, purpose: int, stream: int = 0) -> Tensor:
    elements = torch.arange(x.numel()).reshape(x.shape)
    return to_bfloat16_stochastic(x, random_bits(elements, seed, t, stream, purpose))
