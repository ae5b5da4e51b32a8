"""halfword.optim: what bad options, parameters and gradients get."""

import pytest
import torch
from torch import nn

from halfword.optim import AdamW

from .training import F16, make_model


def test_bad_masks_are_named():
    model = make_model()
    optimizer = AdamW(model.parameters())
    with pytest.raises(ValueError, match="set_mask: param must be a parameter of this optimizer"):
        optimizer.set_mask(torch.ones(1), None)
    with pytest.raises(TypeError, match=r"set_mask: mask must be bool; got torch\.float32"):
        optimizer.set_mask(model[0].bias, torch.ones(33))
    with pytest.raises(ValueError, match=r"set_mask: mask must have the parameter's shape, \[33\]"):
        optimizer.set_mask(model[0].bias, torch.ones(2, dtype=torch.bool))


def test_sparse_gradients_are_an_error_that_changes_nothing():
    embedding = nn.Embedding(10, 3, sparse=True)
    dense = nn.Parameter(torch.ones(3))
    optimizer = AdamW([{"params": [dense]}, {"params": [embedding.weight]}], lr=0.1)
    (embedding(torch.tensor([1, 2])) * dense).sum().backward()
    with pytest.raises(RuntimeError, match="AdamW: gradients must be dense; got a sparse gradient"):
        optimizer.step()
    assert (dense == 1).all()
    assert not optimizer.state


def test_an_option_that_went_bad_stops_the_step_before_any_group():
    one, two = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = AdamW([{"params": [one]}, {"params": [two]}], lr=0.1)
    one.grad = two.grad = torch.ones(3)
    optimizer.param_groups[1]["lr"] = float("nan")
    with pytest.raises(ValueError, match="AdamW: lr must be finite and >= 0; got nan"):
        optimizer.step()
    assert (one == 1).all()


BAD = [
    ({"lr": -1.0}, ValueError, "lr must be finite and >= 0; got -1.0"),
    ({"lr": float("nan")}, ValueError, "lr must be finite and >= 0; got nan"),
    ({"lr": torch.ones(2)}, ValueError, "lr must have one element; got 2"),
    ({"lr": "fast"}, TypeError, "lr must be a number; got str"),
    ({"betas": (1.0, 0.9)}, ValueError, r"betas\[0\] must be in \[0, 1\); got 1.0"),
    ({"betas": (0.9, float("nan"))}, ValueError, r"betas\[1\] must be in \[0, 1\); got nan"),
    ({"betas": (0.9,)}, ValueError, "betas must be two numbers; got 1"),
    ({"eps": -1e-8}, ValueError, "eps must be finite and >= 0"),
    ({"weight_decay": -0.1}, ValueError, "weight_decay must be finite and >= 0; got -0.1"),
    ({"differentiable": True}, ValueError, "differentiable must be False"),
    ({"master_weights": "half"}, ValueError, "master_weights must be True, False or 'remainder'"),
    ({"max_grad_norm": 0.0}, ValueError, "max_grad_norm must be > 0; got 0.0"),
    ({"max_grad_norm": float("inf")}, ValueError, "max_grad_norm must be finite"),
    ({"moment_dtype": F16}, ValueError, "moment_dtype must be torch.float32 or torch.bfloat16"),
    ({"seed": 0.5}, TypeError, "seed must be an int; got float"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=[b[2][:30] for b in BAD])
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match="AdamW: " + message):
        AdamW(make_model().parameters(), **options)


def test_bad_parameters_are_named():
    integer = torch.ones(2, dtype=torch.int64)
    with pytest.raises(TypeError, match=r"AdamW: params\[1\] must be float32.*got torch.int64"):
        AdamW([nn.Parameter(torch.ones(1)), integer])
    with pytest.raises(TypeError, match=r"params\[0\] must be float32.*got torch.complex64"):
        AdamW([nn.Parameter(torch.ones(1, dtype=torch.complex64))])
    half = nn.Parameter(torch.ones(1, dtype=F16))
    with pytest.raises(ValueError, match=r"params\[0\] must be bfloat16 or float32 with master"):
        AdamW([half], master_weights="remainder")
    with pytest.raises(ValueError, match=r"params\[0\] must be bfloat16 .* stochastic_rounding"):
        AdamW([half], stochastic_rounding=True)
    optimizer = AdamW([nn.Parameter(torch.ones(1))])
    with pytest.raises(ValueError, match="lr must be finite"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], "lr": -1})
    assert len(optimizer.param_groups) == 1
