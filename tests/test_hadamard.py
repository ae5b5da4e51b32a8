"""ops.hadamard: the transform of blocks, and its derivative."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops

from .compare import assert_same_bits
from .reference.hadamard import hadamard as reference
from .reference.hadamard import matrix

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
BLOCKS = [2**k for k in range(13)]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("block", BLOCKS)
def test_matches_the_reference_bit_for_bit(device, one_thread, block, dtype):
    x = torch.randn(3, 3 * block).to(dtype)  # blocks beside and below one another, and a tail
    assert_same_bits(ops.hadamard(x, block), reference(x, block))


@pytest.mark.parametrize("block", [8, 128, 2048])
def test_many_blocks_match_the_reference(device, block):
    x = torch.randn(33, 4096).bfloat16()  # more than one thread's share
    assert_same_bits(ops.hadamard(x, block), reference(x, block))


@pytest.mark.parametrize("block", BLOCKS)
def test_is_the_product_with_the_matrix(device, one_thread, block):
    x = torch.randn(2, block)
    exact = x.double() @ matrix(block) / block**0.5
    # A stage's sum is off by half an eps of itself, and no sum exceeds that of all magnitudes; the
    # factor and its product add one rounding each.
    stages = block.bit_length() - 1
    eps = torch.finfo(torch.float32).eps / 2
    bound = (
        (stages + 2) * eps * x.double().abs().sum(-1, keepdim=True) / block**0.5 * (1 + 16 * eps)
    )
    assert ((ops.hadamard(x, block).double() - exact).abs() <= bound).all()


@pytest.mark.parametrize("block", [2, 64, 512])
def test_is_its_own_inverse_and_keeps_the_energy(device, one_thread, block):
    x = torch.randint(-8, 9, (4, 2 * block)).float()
    y = ops.hadamard(x, block)
    # Integers are added exactly; only the two factors round, and their products.
    eps = torch.finfo(torch.float32).eps
    spread = x.abs().reshape(4, 2, block).sum(-1).max().item()
    assert (ops.hadamard(y, block) - x).abs().max() <= block.bit_length() * eps * spread
    energy = x.double().square().sum()
    assert abs(y.double().square().sum() - energy) <= 4 * eps * energy


def test_an_inf_spoils_its_block_only(device):
    x = torch.ones(1, 48)
    x[0, 20] = float("inf")
    y = ops.hadamard(x, 16)
    assert not y[0, 16:32].isfinite().any()
    assert_same_bits(y[0, :16], reference(x[:, :16], 16)[0])
    assert_same_bits(y[0, 32:], reference(x[:, 32:], 16)[0])


@pytest.mark.parametrize("shape", [(0, 8), (3, 0), (8,), (2, 3, 8)], ids=str)
def test_any_shape_is_kept(device, shape):
    x = torch.randn(shape)
    assert_same_bits(ops.hadamard(x, 8), reference(x, 8))


def test_memory_that_is_not_aligned_or_dense_gives_the_same(device):
    x = torch.randn(2 * 64 + 1).half()
    assert_same_bits(ops.hadamard(x[1:], 64), reference(x[1:], 64))
    t = torch.randn(64, 6)
    assert_same_bits(ops.hadamard(t.t(), 64), reference(t.t().contiguous(), 64))


def test_the_gradient_is_the_transform_of_the_gradient(device):
    x = torch.randn(3, 32, requires_grad=True)
    d_out = torch.randn(3, 32)
    ops.hadamard(x, 16).backward(d_out)
    assert_same_bits(x.grad, reference(d_out, 16))


def test_opcheck_passes_and_compile_keeps_result_and_gradient():
    x = torch.randn(3, 32)
    opcheck(torch.ops.halfword.hadamard.default, (x, 16, torch.empty_like(x)))

    x.requires_grad_()
    y = torch.compile(lambda t: ops.hadamard(t * 2, 16), fullgraph=True)(x)
    y.sum().backward()
    assert_same_bits(y.detach(), reference(x.detach() * 2, 16))
    assert_same_bits(x.grad, reference(torch.ones(3, 32), 16) * 2)


BAD = [
    (
        torch.ones(2, 8).double(),
        8,
        TypeError,
        "x must be float32, bfloat16 or float16; got float64",
    ),
    (torch.ones(2, 8), 0, ValueError, "block must be a power of two from 1 to 4096; got 0"),
    (torch.ones(2, 6), 6, ValueError, "block must be a power of two from 1 to 4096; got 6"),
    (torch.ones(8192), 8192, ValueError, "block must be a power of two from 1 to 4096; got 8192"),
    (torch.ones(2, 12), 8, ValueError, "block must divide the last dimension of x, 12; got 8"),
]


@pytest.mark.parametrize(("x", "block", "error", "message"), BAD, ids=[b[3][:45] for b in BAD])
def test_bad_arguments_are_named(x, block, error, message):
    with pytest.raises(error, match="hadamard: " + message):
        ops.hadamard(x, block)


X = torch.ones(2, 8)
BAD_OUT = [
    (X, torch.ones(2, 8).half(), TypeError, "out must be float32; got float16"),
    (X, torch.ones(8, 2), ValueError, r"out must have shape \[2, 8\]; got \[8, 2\]"),
    (X, torch.ones(8, 2).t(), ValueError, "out must be contiguous"),
    (X.t(), torch.ones(8, 2), ValueError, "x must be contiguous"),
]


@pytest.mark.parametrize(
    ("x", "out", "error", "message"), BAD_OUT, ids=[b[3][:35] for b in BAD_OUT]
)
def test_the_op_refuses_what_the_wrapper_never_passes(x, out, error, message):
    with pytest.raises(RuntimeError, match=f"{error.__name__}: hadamard: {message}"):
        torch.ops.halfword.hadamard(x, 2, out)
    memory = torch.ones(24)
    with pytest.raises(RuntimeError, match="out must not overlap x"):
        torch.ops.halfword.hadamard(memory[:16], 2, memory[8:])
