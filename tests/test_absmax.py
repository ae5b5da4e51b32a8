"""ops.absmax: the largest magnitude of each block."""

import pytest
import torch
from torch.library import opcheck

from halfword import ops
from halfword.quant import Spec

from .cases.quantize import CASES, LARGE
from .compare import assert_same_bits
from .reference.absmax import absmax as reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_the_reference_bit_for_bit(device, case, dtype):
    x = torch.randn(case.shape).to(dtype)
    assert_same_bits(ops.absmax(x, case.spec), reference(x, case.spec))


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_blocks_of_any_size_match_the_reference(device, case):
    x = torch.randn(case.shape)
    assert_same_bits(ops.absmax(x, case.spec), reference(x, case.spec))


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("spec", [Spec(), Spec(group_size=5), Spec(axis="column")], ids=str)
def test_a_bad_element_anywhere_shows_in_its_block_alone(device, spec, dtype):
    for bad in (NAN, INF, -INF):
        for place in (0, 16, 36):
            x = torch.randn(3, 37).to(dtype)
            expected = ops.absmax(x, spec)
            x[1, place] = bad
            got = ops.absmax(x, spec)
            block = got.view(-1)[
                {"row": 1, "column": place}[spec.axis]
                if spec.group_size is None
                else 8 + place // 5
            ]
            assert block.isnan() if bad != bad else block == INF
            assert int((got != expected).sum()) == 1


def test_a_nan_is_above_an_inf(device):
    assert ops.absmax(torch.tensor([INF, NAN, 1.0])).isnan()


def test_opcheck_passes_and_compile_gives_the_same():
    x = torch.randn(4, 9)
    opcheck(torch.ops.halfword.absmax.default, (x, 1, 9, torch.empty(4)))
    compiled = torch.compile(lambda x: ops.absmax(x) * 2, fullgraph=True)
    assert_same_bits(compiled(x), ops.absmax(x) * 2)


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="absmax: x must be float32, bfloat16 or float16; got int8"):
        ops.absmax(torch.zeros(4, dtype=torch.int8))
    with pytest.raises(ValueError, match="block must be for a matrix"):
        ops.absmax(torch.zeros(4), Spec(block=(2, 2)))
