"""ops.accumulate_grads: 16-bit gradients into FP32 main gradients."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .cases.accumulate_grads import SHAPES
from .compare import assert_same_bits
from .reference.accumulate_grads import accumulate_grads as reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("alpha", [1.0, -0.3, 1 / 3])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
def test_matches_the_reference_bit_for_bit(device, dtype, alpha):
    mains = [torch.randn(shape) for shape in SHAPES]
    grads = [torch.randn(shape).to(dtype) for shape in SHAPES]
    wanted = [reference(m, g, alpha) for m, g in zip(mains, grads, strict=True)]
    ops.accumulate_grads(mains, grads, alpha=alpha)
    for main, value in zip(mains, wanted, strict=True):
        assert_same_bits(main, value)


STRIDED = {
    "transposed": lambda t: t.t().contiguous().t(),
    "every-other": lambda t: torch.zeros(50, 800, dtype=t.dtype)[:, ::2].copy_(t),
    "row-major": lambda t: t.clone(),
}


@pytest.mark.parametrize("main_layout", STRIDED)
@pytest.mark.parametrize("grad_layout", STRIDED)
def test_every_pair_of_strides_gives_the_same_bits(device, main_layout, grad_layout):
    main, grad = torch.randn(50, 400), torch.randn(50, 400).half()
    wanted = reference(main, grad, 0.7)
    strided = STRIDED[main_layout](main)
    ops.accumulate_grads([strided], [STRIDED[grad_layout](grad)], alpha=0.7)
    assert_same_bits(strided.contiguous(), wanted)


def test_an_expanded_gradient_is_read_as_what_it_shows(device):
    main = torch.ones(3, 20)
    ops.accumulate_grads([main], [torch.tensor([2.0]).expand(3, 20)])
    assert (main == 3).all()


def test_opcheck_passes_and_compile_keeps_the_mutation():
    arguments = ([torch.randn(5)], [torch.randn(5).half()], 0.5)
    opcheck(torch.ops.halfword.accumulate_grads.default, arguments)

    def add(main, grad):
        ops.accumulate_grads([main], [grad])
        return main * 2

    main = torch.ones(4)
    assert (torch.compile(add, fullgraph=True)(main, torch.ones(4)) == 4).all()
    assert (main == 2).all()


BAD = [
    (
        ([torch.ones(2)], []),
        {},
        ValueError,
        r"grads must have as many tensors as main_grads \(1\); got 0",
    ),
    (
        ([torch.ones(2).half()], [torch.ones(2)]),
        {},
        TypeError,
        r"main_grads\[0\] must be float32; got float16",
    ),
    (
        ([torch.ones(2)], [torch.ones(2).double()]),
        {},
        TypeError,
        r"grads\[0\] must be .* got float64",
    ),
    (
        ([torch.ones(2)], [torch.ones(3)]),
        {},
        ValueError,
        r"grads\[0\] must have the shape of main_grads\[0\]",
    ),
    (
        ([torch.ones(1).expand(2)], [torch.ones(2)]),
        {},
        ValueError,
        r"main_grads\[0\] must not overlap",
    ),
    (
        ([torch.ones(2)], [torch.ones(2)]),
        {"alpha": float("nan")},
        ValueError,
        "alpha must be finite",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"), BAD, ids=[b[3][:30] for b in BAD]
)
def test_bad_input_is_named_and_changes_nothing(arguments, options, error, message):
    with pytest.raises(error, match="accumulate_grads: " + message):
        ops.accumulate_grads(*arguments, **options)
    assert (arguments[0][0] == 1).all()
