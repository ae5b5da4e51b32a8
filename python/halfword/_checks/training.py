"""Checks of what an optimizer's step is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

from .check import ODD, Fault, differs, normal


def check_unscale(op: Callable[..., None]) -> Iterator[Fault]:
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        grads, inv_scale = normal(dtype, 1), torch.tensor([0.125])
        found_inf, norm = torch.zeros(1), torch.zeros(1)
        want = [(grad.float() * inv_scale).to(dtype) for grad in grads]
        squares = sum((grad.double() * 0.125).square().sum() for grad in grads)
        got = [grad.clone() for grad in grads]
        op(got, inv_scale, found_inf, norm=norm)
        for a, b in zip(got, want, strict=True):
            yield differs(f"{dtype} unscaled", a, b)
        root = torch.tensor([math.sqrt(squares)])
        # squares are summed in FP32 over a few thousand elements, pairwise: a dozen roundings
        yield differs(f"{dtype} norm", norm, root, 12 * torch.finfo(torch.float32).eps * root)
        yield differs(f"{dtype} found_inf", found_inf, torch.zeros(1))
        got[1][-1] = math.inf
        op(got, inv_scale, found_inf, write=False)
        yield differs(f"{dtype} found_inf of an inf", found_inf, torch.ones(1))


def check_accumulate(op: Callable[..., None]) -> Iterator[Fault]:
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        mains, grads = normal(torch.float32, 2), normal(dtype, 3)
        pairs = zip(mains, grads, strict=True)
        want = [main.double() + 0.75 * grad.double() for main, grad in pairs]
        op(mains, grads, alpha=0.75)
        for a, b in zip(mains, want, strict=True):  # exact product and sum, rounded once
            yield differs(str(dtype), a, b, b.abs() * torch.finfo(torch.float32).eps)


def check_update_scale(op: Callable[..., None]) -> Iterator[Fault]:
    import torch

    backs_off, waits, grows = (1.0, 1, 4.0, 0), (0.0, 0, 8.0, 1), (0.0, 1, 16.0, 0)
    for found, tracker, want_scale, want_tracker in (backs_off, waits, grows):
        scale, steps = torch.tensor([8.0]), torch.tensor([tracker], dtype=torch.int32)
        op(scale, steps, torch.tensor([found]), growth_interval=2)
        yield differs(f"scale after found_inf={found}", scale, torch.tensor([want_scale]))
        yield differs(f"tracker after found_inf={found}", steps, torch.tensor([want_tracker]))


def check_adam(op: Callable[..., None]) -> Iterator[Fault]:
    """AdamW from fresh state, masters for 16-bit parameters; then a step to be skipped."""
    import torch

    lr, beta2, decay, inv = 0.1, 0.999, 0.01, 0.25
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        masters, grads = normal(torch.float32, 4), normal(dtype, 5)
        weights = [x.double() * (1 - lr * decay) for x in masters]
        updates = [lr * (g := grad.double() * inv) / (g.abs() + 1e-8) for grad in grads]
        params = masters if dtype == torch.float32 else [x.to(dtype) for x in masters]
        m, v = ([torch.zeros(shape) for shape in ODD] for _ in range(2))
        step, found_inf = torch.zeros(1), torch.zeros(1)
        run = partial(
            op, params, grads, m, v, masters=None if params is masters else masters, step=[step],
            lr=lr, betas=(0.9, beta2), eps=1e-8, weight_decay=decay,
            inv_scale=torch.tensor([inv]), found_inf=found_inf,
        )  # fmt: skip
        run()
        # rounding beta2 to FP32 is an error of eps / (1 - beta2) in v, and half that in its root
        bound = lr * torch.finfo(torch.float32).eps / (1 - beta2)
        for got, weight, update in zip(masters, weights, updates, strict=True):
            yield differs(f"{dtype} weights", got, weight - update, bound)
        for got, master in zip(params, masters, strict=True):
            yield differs(f"{dtype} copies of the weights", got, master.to(dtype))
        state = (*params, *masters, *m, *v, step)
        before = [tensor.clone() for tensor in state]
        found_inf.fill_(1.0)
        run()
        for got, kept in zip(state, before, strict=True):
            yield differs(f"{dtype} skipped step", got, kept)
