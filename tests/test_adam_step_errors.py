"""ops.adam_step: what bad input gets."""

import pytest
import torch
from torch import Tensor

from halfword import ops

from .cases.adam_step import BF16, F16
from .compare import assert_same_bits


def test_an_empty_list_is_no_step():
    ops.adam_step([], [], [], [], step=[], lr=0.1)
    ops.accumulate_grads([], [])


def problem_lists(n=2):
    return {
        "params": [torch.ones(4) for _ in range(n)],
        "grads": [torch.ones(4) for _ in range(n)],
        "exp_avgs": [torch.zeros(4) for _ in range(n)],
        "exp_avg_sqs": [torch.zeros(4) for _ in range(n)],
        "step": [torch.zeros(()) for _ in range(n)],
        "lr": 0.1,
    }


def item(key, value):
    """Put `value` in the second place of a list."""

    def change(lists):
        lists[key] = [lists[key][0], value]

    return change


def option(**options):
    return lambda lists: lists.update(options)


BAD = [
    (
        lambda a: a["grads"].pop(),
        ValueError,
        r"grads must have as many tensors as params \(2\); got 1",
    ),
    (lambda a: a["step"].extend(a["step"]), ValueError, r"step must have as many .*\(2\); got 4"),
    (option(masters=[torch.zeros(0)]), ValueError, r"masters must have as many .*; got 1"),
    (option(streams=[1]), ValueError, r"streams must have as many numbers as params \(2\); got 1"),
    (
        item("params", torch.ones(4, dtype=torch.int32)),
        TypeError,
        r"params\[1\] must be float32, bfloat16 or float16; got int32",
    ),
    (
        item("params", torch.ones(4, dtype=torch.complex64)),
        TypeError,
        r"params\[1\] must be float32",
    ),
    (item("params", torch.ones(1).expand(4)), ValueError, r"params\[1\] must not overlap itself"),
    (
        item("grads", torch.ones(5)),
        ValueError,
        r"grads\[1\] must have the shape of params\[1\], \[4\]; got \[5\]",
    ),
    (item("grads", torch.ones(4, dtype=torch.float64)), TypeError, r"grads\[1\] must be .*float64"),
    (
        item("exp_avgs", torch.zeros(4, dtype=F16)),
        TypeError,
        r"exp_avgs\[1\] must be float32 or bfloat16; got float16",
    ),
    (
        item("exp_avg_sqs", torch.zeros(4, dtype=BF16)),
        TypeError,
        r"exp_avg_sqs\[1\] must have the dtype of exp_avgs\[1\]; got bfloat16",
    ),
    (
        option(masters=[torch.zeros(4), torch.zeros(4)]),
        ValueError,
        r"masters\[0\] must have no elements, because params\[0\] is float32",
    ),
    (
        option(masks=[torch.ones(4), torch.ones(4)]),
        TypeError,
        r"masks\[0\] must be bool; got float32",
    ),
    (item("step", torch.zeros(2)), ValueError, r"step\[1\] must have one element; got 2"),
    (item("step", torch.tensor(-1.0)), ValueError, r"step\[1\] must be in \[0, 2\^24\); got -1"),
    (item("step", torch.tensor(float("nan"))), ValueError, r"step\[1\] must be in"),
    (option(lr=-0.1), ValueError, r"lr must be finite and >= 0; got -0.1"),
    (option(lr=float("nan")), ValueError, r"lr must be finite and >= 0; got (-)?nan"),
    (option(lr=torch.tensor([0.1, 0.2])), ValueError, r"lr must have one element; got 2"),
    (option(lr=torch.tensor(-1.0)), ValueError, r"lr must be finite and >= 0; got -1"),
    (option(betas=(1.0, 0.9)), ValueError, r"beta1 must be in \[0, 1\); got 1"),
    (option(betas=(0.9, -0.1)), ValueError, r"beta2 must be in \[0, 1\); got -0.1"),
    (option(eps=-1e-8), ValueError, r"eps must be finite and >= 0"),
    (
        option(weight_decay=float("inf")),
        ValueError,
        r"weight_decay must be finite and >= 0; got inf",
    ),
    (
        option(inv_scale=torch.tensor(1.0, dtype=torch.float64)),
        TypeError,
        r"inv_scale must be float32; got float64",
    ),
    (option(found_inf=torch.zeros(2)), ValueError, r"found_inf must have one element; got 2"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=[b[2][:40] for b in BAD])
def test_bad_input_is_named_and_changes_nothing(change, error, message):
    arguments = problem_lists()
    change(arguments)
    tensors = [t for value in arguments.values() if isinstance(value, list) for t in value]
    tensors = [t for t in tensors if isinstance(t, Tensor)]
    before = [t.clone() for t in tensors]
    with pytest.raises(error, match="adam_step: " + message):
        ops.adam_step(**arguments)
    for tensor, old in zip(tensors, before, strict=True):
        assert_same_bits(tensor, old)


def test_remainders_and_stochastic_rounding_of_float16_are_refused():
    half = {**problem_lists(1), "params": [torch.ones(4, dtype=F16)]}
    with pytest.raises(TypeError, match=r"masters\[0\] must be float32, because remainders"):
        ops.adam_step(**half, masters=[torch.zeros(4, dtype=torch.int16)])
    with pytest.raises(TypeError, match=r"params\[0\] must not be float16 without a master"):
        ops.adam_step(**half, stochastic_params=True)
