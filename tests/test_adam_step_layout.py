"""ops.adam_step: strides, alignment, sharing, sizes and threads change no bit."""

import pytest
import torch

from halfword import ops

from .adam_problem import check, expected, make
from .cases.adam_step import BF16, F16, F32, WEIGHTS
from .compare import assert_same_bits
from .reference.adam_step import Hyper


def test_any_number_of_threads_gives_the_same_bits(device):
    def run(threads):
        torch.manual_seed(1)
        problem = make((200_000,), WEIGHTS[2], BF16, BF16)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        problem.run(Hyper())
        torch.set_num_threads(before)
        return problem

    one, two = run(1), run(2)
    for name, tensor in one.tensors().items():
        assert_same_bits(two.tensors()[name], tensor, name)


# How a tensor of shape [6, 10, 14] may lie in memory.
LAYOUTS = {
    "row-major": lambda t: t.clone(),
    "permuted": lambda t: t.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "channels-last": lambda t: t.permute(0, 2, 1).contiguous().permute(0, 2, 1),
    "every-other": lambda t: torch.zeros(6, 10, 28, dtype=t.dtype)[:, :, ::2].copy_(t),
    "a-slice": lambda t: torch.zeros(6, 20, 14, dtype=t.dtype)[:, 3:13].copy_(t),
    "offset": lambda t: torch.zeros(841, dtype=t.dtype)[1:].view(6, 10, 14).copy_(t),
}


@pytest.mark.parametrize("types", [WEIGHTS[0], WEIGHTS[2], WEIGHTS[4], WEIGHTS[6]], ids=str)
@pytest.mark.parametrize("grad_layout", LAYOUTS)
@pytest.mark.parametrize("param_layout", LAYOUTS)
def test_every_pair_of_strides_gives_the_same_bits(device, param_layout, grad_layout, types):
    moment = BF16 if types.stochastic else F32
    problem = make((6, 10, 14), types, F16, moment)
    wanted = {name: t.clone() for name, t in expected(problem, Hyper()).items()}
    problem.param = LAYOUTS[param_layout](problem.param)
    problem.grad = LAYOUTS[grad_layout](problem.grad)
    problem.m = LAYOUTS[grad_layout](problem.m)
    problem.run(Hyper())
    for name in ("param", "m", "v", "master"):
        assert_same_bits(getattr(problem, name), wanted[name], name)


def test_memory_beside_a_view_is_untouched(device):
    base = torch.full((8, 40), 7.0)
    view = base[:, 1::2]
    m, v = torch.zeros(8, 20), torch.zeros(8, 20)
    ops.adam_step([view], [torch.ones(8, 20)], [m], [v], step=[torch.zeros(())], lr=0.1)
    assert (base[:, ::2] == 7).all()
    assert (base[:, 1::2] != 7).all()


def test_an_expanded_gradient_is_read_as_what_it_shows(device):
    problem = make((9, 21), WEIGHTS[0])
    problem.grad = torch.randn(9, 1).expand(9, 21)
    check(problem, Hyper())


def test_parameters_that_share_memory_are_stepped_one_after_the_other(device):
    base = torch.randn(50_000)
    one, two = base.clone(), base.clone()
    state = [torch.zeros(50_000) for _ in range(4)]
    grads = [torch.randn(50_000), torch.randn(50_000)]
    ops.adam_step(
        [one, one], grads, state[:2], state[2:], step=[torch.zeros(()), torch.zeros(())], lr=0.1
    )
    for grad in grads:
        m, v = torch.zeros(50_000), torch.zeros(50_000)
        ops.adam_step([two], [grad], [m], [v], step=[torch.zeros(())], lr=0.1)
    assert_same_bits(one, two)


@pytest.mark.slow
def test_tensors_past_two_to_the_31_elements():
    n = 2**31 + 40
    param = torch.zeros(n, dtype=BF16)
    grad, moments = torch.ones(1, dtype=BF16).expand(n), torch.zeros(2, n, dtype=BF16)
    ops.adam_step([param], [grad], [moments[0]], [moments[1]], step=[torch.zeros(())], lr=0.5)
    for part in (param[:32], param[2**31 - 16 :]):
        assert (part == -0.5).all()
