"""A small model and how tests train it."""

import torch
from torch import nn

F32, BF16, F16 = torch.float32, torch.bfloat16, torch.float16


def names(value):
    return str(value).removeprefix("torch.")


def make_model(dtype=F32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(19, 33), nn.Tanh(), nn.Linear(33, 5)).to(dtype)


def backward(model, seed, scale=1.0):
    """Gradients of a batch that depends on the seed only."""
    generator = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    x = torch.randn(8, 19, generator=generator).to(dtype)
    model.zero_grad()
    loss = model(x).float().square().mean()
    (loss * scale).backward()
    return loss


def train(model, optimizer, steps, first=0):
    for i in range(first, first + steps):
        backward(model, i)
        optimizer.step()


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def assert_close_models(one, two, steps, lr):
    """Adam moves a weight by about lr a step; two orders of rounding part by far less.

    A gradient near 0 can turn an ulp into a sign, so the bound is on the mean: 1e-4 of the travel.
    """
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert (p - q).abs().mean() < 1e-4 * steps * lr
