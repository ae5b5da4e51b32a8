"""halfword.optim over DTensor parameters: two processes give what one gives."""

import os
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from halfword.amp import GradScaler
from halfword.optim import AdamW

STEPS, OVERFLOW_AT = 6, 3
OPTIONS = {"lr": 0.05, "max_grad_norm": 0.3, "master_weights": True}


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 24), nn.Tanh(), nn.Linear(24, 8)).to(torch.bfloat16)


def set_grads(params, step, place):
    """The same full gradients in every process, placed as the parameters are."""
    generator = torch.Generator().manual_seed(step)
    for i, p in enumerate(params):
        grad = torch.randn(p.shape, generator=generator).bfloat16() * 1024
        if step == OVERFLOW_AT and i == 0:
            grad[-1, -1] = float("inf")  # on the last rank only, once sharded
        p.grad = place(grad)


def train(model, place):
    params = list(model.parameters())
    optimizer = AdamW(params, **OPTIONS)
    scaler = GradScaler("cpu", init_scale=1024.0)
    norms = []
    for step in range(STEPS):
        scaler.scale(torch.ones(()))
        set_grads(params, step, place)
        scaler.step(optimizer)
        scaler.update()
        norms.append(optimizer.grad_norm.item())
    return optimizer, norms, scaler.get_scale()


def run_rank(rank, port, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (2,))

    def place(tensor):
        return distribute_tensor(tensor, mesh, [Shard(0)])

    model = make_model()
    for module in (model[0], model[2]):
        for name in ("weight", "bias"):
            setattr(module, name, nn.Parameter(place(getattr(module, name).detach())))
    optimizer, norms, scale = train(model, place)
    state = optimizer.state[model[0].weight]
    assert isinstance(state["master_param"], DTensor)  # so that checkpoints stay sharded
    assert isinstance(state["exp_avg"], DTensor)
    weights = [p.detach().full_tensor() for p in model.parameters()]
    if rank == 0:
        torch.save({"weights": weights, "norms": norms, "scale": scale}, results)
    dist.barrier()  # or one leaves while the other still listens to it
    dist.destroy_process_group()


@pytest.mark.timeout(120)
def test_two_processes_with_sharded_parameters_train_as_one(tmp_path):
    """The norm adds in another order, so weights agree to a rounding of bfloat16."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = tmp_path / "results.pt"
    mp.spawn(run_rank, (port, str(results)), nprocs=2)
    got = torch.load(results, weights_only=True)

    model = make_model()
    start = [p.detach().clone() for p in model.parameters()]
    optimizer, norms, scale = train(model, lambda grad: grad)
    assert optimizer.skipped_steps.item() == 1
    assert got["scale"] == scale == 512.0
    finite = [i for i in range(STEPS) if i != OVERFLOW_AT]
    for i in finite:
        assert got["norms"][i] == pytest.approx(norms[i], rel=1e-6)
    for mine, sharded, old in zip(model.parameters(), got["weights"], start, strict=True):
        assert (mine - old).abs().max() > 0.1
        assert ((mine - sharded).abs() <= 2.0**-8 * mine.abs() + 1e-6).all()
