"""One parameter and its state, as ops.adam_step takes them, and what a step must make of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from halfword import ops
from halfword.optim import split_master

from .cases.adam_step import F32, Types
from .compare import assert_same_bits
from .reference.adam_step import Hyper, adam_update, round_moment, round_stochastic

SEED, STEP = 0x1234567890ABCDEF, 3  # STEP: of the counter before the step


def names(value):
    return str(value).removeprefix("torch.")


@dataclass
class Problem:
    """One parameter and its state, as the op takes them, and in FP32."""

    types: Types
    param: Tensor
    grad: Tensor
    m: Tensor
    v: Tensor
    v_max: Tensor
    master: Tensor
    step: Tensor
    p32: Tensor  # the weight that the step starts from

    def run(self, hyper: Hyper, **more):
        weight_args = {} if self.types.master == "none" else {"masters": [self.master]}
        max_args = {"max_exp_avg_sqs": [self.v_max]} if hyper.amsgrad else {}
        arguments = {
            "step": [self.step],
            "lr": hyper.lr,
            "betas": (hyper.beta1, hyper.beta2),
            "eps": hyper.eps,
            "weight_decay": hyper.weight_decay,
            "decoupled": hyper.decoupled,
            "maximize": hyper.maximize,
            "bias_correction": hyper.bias_correction,
            "inv_scale": torch.tensor(hyper.inv_scale),
            "clip_coef": torch.tensor(hyper.clip),
            "stochastic_params": self.types.stochastic,
            "seed": SEED,
        }
        ops.adam_step(
            [self.param], [self.grad], [self.m], [self.v],
            **weight_args, **max_args, **{**arguments, **more},
        )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        return {
            "param": self.param, "m": self.m, "v": self.v, "v_max": self.v_max,
            "master": self.master, "step": self.step,
        }  # fmt: skip


def make(size, types: Types, grad=F32, moment=F32) -> Problem:
    p32 = torch.randn(size)
    param, master = p32.to(types.param), torch.zeros(0)
    if types.master == "float32":
        master = p32.clone()
        param = p32.to(types.param)
    elif types.master == "remainder":
        param, master = split_master(p32)
    else:
        p32 = param.float().clone()
    v = torch.rand(size).mul(0.1).to(moment)
    return Problem(
        types,
        param,
        torch.randn(size).to(grad),
        torch.randn(size).mul(0.1).to(moment),
        v,
        torch.rand(size).mul(0.1).to(moment),
        master,
        torch.tensor(float(STEP)),
        p32,
    )


def expected(problem: Problem, hyper: Hyper) -> dict[str, Tensor]:
    t, types = STEP + 1, problem.types
    p, m, v, v_max = adam_update(
        problem.p32, problem.grad.float(), problem.m.float(), problem.v.float(),
        problem.v_max.float(), t, hyper,
    )  # fmt: skip
    moment = problem.m.dtype
    result = {
        "param": p.to(types.param),
        "master": problem.master,
        "m": round_moment(m, moment, SEED, t, 1),
        "v": round_moment(v, moment, SEED, t, 2),
        "v_max": round_moment(v_max, moment, SEED, t, 3) if hyper.amsgrad else problem.v_max,
        "step": torch.tensor(float(t)),
    }
    if types.stochastic:
        result["param"] = round_stochastic(p, SEED, t, 0)
    if types.master == "float32":
        result["master"] = p
    if types.master == "remainder":
        result["param"], result["master"] = split_master(p)
    return result


def check(problem: Problem, hyper: Hyper, **more) -> None:
    wanted = {name: t.clone() for name, t in expected(problem, hyper).items()}
    problem.run(hyper, **more)
    for name, tensor in problem.tensors().items():
        assert_same_bits(tensor, wanted[name], name)
