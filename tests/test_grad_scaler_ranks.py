"""amp.GradScaler: an overflow on one rank is everyone's."""

import subprocess
import sys
from pathlib import Path

RANK = """
import sys
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, Replicate, Shard, init_device_mesh
from halfword.amp import GradScaler
from tests.scaler_problem import Problem, checking, fused_adamw, halfword_adamw, plain_sgd

store, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.set_num_threads(1)
makes = [plain_sgd, fused_adamw, checking, halfword_adamw]


def outcomes(run):
    scaler, seen = run.scaler, []
    for bad, explicit in (("0", False), ("", False), ("1", True), ("01", False), ("", True)):
        before = run.weights()
        run.backward(overflow=str(rank) in bad)
        if explicit:
            scaler.unscale_(run.optimizer)
        ran = scaler.step(run.optimizer).item()
        scaler.update()
        moved = [bool((p != q).any()) for p, q in zip(run.weights(), before)]
        assert ran == (bad == '') and moved == [ran] * 2, (run.optimizer, bad, ran, moved)
        seen.append(scaler.get_scale())
    assert seen == [2.0**n for n in (15, 15, 14, 13, 13)], seen
    assert scaler.skipped_steps.item() == 3


for make in makes:
    outcomes(Problem(make, GradScaler("cpu", process_group=dist.group.WORLD)))

# A rank without gradients takes part in the decision, or the other would wait for ever.
run = Problem(plain_sgd, GradScaler("cpu", process_group=dist.group.WORLD))
run.backward(overflow=True)
if rank == 1:
    run.optimizer.zero_grad()
assert not run.scaler.step(run.optimizer)

# A group of this rank alone decides alone.
alone = [dist.new_group([r]) for r in range(2)][rank]
run = Problem(plain_sgd, GradScaler("cpu", process_group=alone))
assert run.step(overflow=rank == 0).item() is (rank == 1)

# Sharded parameters need no group.
mesh = init_device_mesh("cpu", (2,))
weight = torch.nn.Parameter(DTensor.from_local(torch.ones(4), mesh, [Shard(0)]))
optimizer, scaler = torch.optim.SGD([weight], lr=0.5), GradScaler("cpu", 4.0)
scaler.scale(torch.ones(()))
for bad in (0, None):
    weight.grad = DTensor.from_local(torch.full((4,), 8.0), mesh, [Shard(0)])
    if rank == bad:
        weight.grad.to_local()[3] = float("nan")
    assert scaler.step(optimizer).item() is (bad is None)
    scaler.update()
expected = 1 - 0.5 * 8.0 / 2.0  # the scale was halved
assert torch.equal(weight.to_local().detach(), torch.full((4,), expected))
dist.barrier()  # or one leaves while the other still listens to it
dist.destroy_process_group()
print("agreed")
"""


def test_overflow_on_one_rank_skips_the_step_on_both(tmp_path):
    root = Path(__file__).resolve().parents[1]
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, str(tmp_path / "store"), str(rank)], cwd=root,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]  # fmt: skip
    try:
        for rank in ranks:
            out, err = rank.communicate(timeout=120)
            assert (rank.returncode, out.strip()) == (0, "agreed"), err
    finally:
        for rank in ranks:
            rank.kill()
