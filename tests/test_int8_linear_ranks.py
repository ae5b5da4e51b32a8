"""Int8Linear under DDP and FSDP2: two processes have the mean of their gradients."""

import os
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from halfword.quant import Int8Training, quantize_

RANKS = 2


def make_model():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 24), nn.Tanh(), nn.Linear(24, 8))
    return quantize_(model, Int8Training())


def loss_of(model, rank):
    """On the tokens of one rank."""
    x = torch.randn(12, 16, generator=torch.Generator().manual_seed(rank))
    return model(x).square().sum()


def with_ddp(model):
    return nn.parallel.DistributedDataParallel(model)


def with_fsdp(model):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (RANKS,))
    for layer in (model[0], model[2]):
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def run_rank(rank, wrap, port, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=RANKS)
    model = wrap(make_model())
    loss_of(model, rank).backward()
    grads = [
        p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad
        for p in model.parameters()
    ]
    if rank == 0:
        torch.save(grads, results)
    dist.barrier()  # or one leaves while the other still listens to it
    dist.destroy_process_group()


@pytest.mark.parametrize("wrap", [with_ddp, with_fsdp])
def test_two_processes_have_the_mean_of_what_each_would_have_alone(wrap, tmp_path):
    """Bit for bit: halves are exact, and so is the order of two terms."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = tmp_path / "results.pt"
    mp.spawn(run_rank, (wrap, port, str(results)), nprocs=RANKS)
    alone = []
    for rank in range(RANKS):
        model = make_model()
        loss_of(model, rank).backward()
        alone.append([p.grad for p in model.parameters()])
    for got, *grads in zip(torch.load(results, weights_only=True), *alone, strict=True):
        assert torch.equal(got, sum(grad / RANKS for grad in grads))
