"""ops.quantize and Spec: what they refuse, and how they say so."""

import pytest
import torch

from halfword import ops
from halfword.quant import Spec

X = torch.randn(4, 6)
ROWS = torch.ones(4)
ZEROS = torch.zeros(4, dtype=torch.int32)
AFFINE = Spec(symmetric=False)
STOCHASTIC = Spec(rounding="stochastic")

BAD = [
    (X.double(), Spec(), {}, TypeError, "x must be float32, bfloat16 or float16; got float64"),
    (X[0], Spec(block=(2, 2)), {}, ValueError, r"block must be for a matrix; got shape \[6\]"),
    (X, Spec(), {"scale": ROWS[:3]}, ValueError, r"scale must have shape \[4\]; got \[3\]"),
    (X, Spec(), {"scale": ROWS.half()}, TypeError, "scale must be float32; got float16"),
    (
        X, AFFINE, {"scale": ROWS}, ValueError,
        "zero_point must be a tensor with a scale; got None",
    ),
    (
        X, AFFINE, {"zero_point": ZEROS}, ValueError,
        "zero_point must be None without a scale; got a tensor",
    ),
    (
        X, Spec(), {"scale": ROWS, "zero_point": ZEROS}, ValueError,
        "zero_point must be None with a mapping that has none; got a tensor",
    ),
    (
        X, AFFINE, {"scale": ROWS, "zero_point": ZEROS.long()}, TypeError,
        "zero_point must be int32; got int64",
    ),
    (
        X, AFFINE, {"scale": ROWS, "zero_point": ZEROS[:1]}, ValueError,
        r"zero_point must have shape \[4\]; got \[1\]",
    ),
    (
        X, Spec(), {"seed": 1}, ValueError,
        "seed must be None with rounding to nearest; got a seed",
    ),
    (
        X, STOCHASTIC, {"seed": torch.ones(2).long()}, ValueError,
        "seed must have one element; got 2",
    ),
    (X, STOCHASTIC, {"seed": torch.ones(1)}, TypeError, "seed must be int64; got float32"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("x", "spec", "options", "error", "message"), BAD, ids=[b[4][:40] for b in BAD]
)
def test_bad_arguments_are_named(x, spec, options, error, message):
    with pytest.raises(error, match=message):
        ops.quantize(x, spec, **options)


RAW = {
    "block_rows": (0, "block_rows must be >= 1; got 0"),
    "block_cols": (-3, "block_cols must be >= 1; got -3"),
    "mapping": (3, r"mapping must be 0 \(symmetric\), 1 \(affine\) or 2 \(log2\); got 3"),
    "bits": (9, "bits must be 2 to 8; got 9"),
    "scale": (ROWS, "new_scale must be None with a given scale; got a tensor"),
    "new_scale": (None, "new_scale must be a tensor without a given scale; got None"),
    "new_zero_point": (ZEROS, "new_zero_point must be None .*; got a tensor"),
    "codes": (torch.empty(6, 4, dtype=torch.int8), r"codes must have shape \[4, 6\]; got \[6, 4\]"),
    "row_sums": (ZEROS[:2], r"row_sums must have shape \[4\]; got \[2\]"),
    "x": (torch.randn(6, 4).t(), "x must have consecutive columns; got column stride 4"),
}


@pytest.mark.parametrize("name", RAW)
def test_the_op_itself_names_them_too(name):
    arguments = {
        "x": X, "block_rows": 1, "block_cols": 6, "mapping": 0, "bits": 8, "seed": None,
        "scale": None, "zero_point": None, "new_scale": torch.empty(4), "new_zero_point": None,
        "codes": torch.full((4, 6), 99, dtype=torch.int8), "row_sums": None,
    }  # fmt: skip
    value, message = RAW[name]
    codes = arguments["codes"]
    with pytest.raises(RuntimeError, match="ValueError: quantize: " + message):
        torch.ops.halfword.quantize(**{**arguments, name: value})
    assert (codes == 99).all()


def test_log2_takes_no_seed():
    codes = torch.empty(4, 6, dtype=torch.int8)
    seed, scale = torch.zeros(1, dtype=torch.int64), torch.empty(4)
    with pytest.raises(RuntimeError, match="seed must be None with log2"):
        torch.ops.halfword.quantize(X, 1, 6, 2, 8, seed, None, None, scale, None, codes, None)


SPECS = [
    ({"bits": 9}, "bits must be 2 to 8; got 9"),
    ({"bits": True}, "bits must be 2 to 8; got True"),
    ({"axis": "rows"}, r"axis must be one of .*; got 'rows'"),
    ({"group_size": 0}, "group_size must be an integer >= 1; got 0"),
    ({"block": (3,)}, r"block must be two integers >= 1; got \(3,\)"),
    ({"block": (3, 0)}, r"block must be two integers >= 1; got \(3, 0\)"),
    ({"block": (3, 3), "group_size": 3}, "block must be None with a group_size"),
    ({"axis": "column", "group_size": 3}, "axis must be 'row' with a group_size or block"),
    ({"symmetric": 1}, "symmetric must be a bool; got 1"),
    ({"mapping": "log"}, r"mapping must be one of .*; got 'log'"),
    ({"rounding": "up"}, r"rounding must be one of .*; got 'up'"),
    ({"mapping": "log2", "symmetric": False}, "symmetric must be True with log2; got False"),
    ({"mapping": "log2", "rounding": "stochastic"}, "rounding must be 'nearest' with log2"),
]


@pytest.mark.parametrize(("fields", "message"), SPECS, ids=[s[1][:40] for s in SPECS])
def test_a_spec_that_means_nothing_is_refused(fields, message):
    with pytest.raises(ValueError, match="Spec: " + message):
        Spec(**fields)


def test_a_spec_is_a_value():
    assert Spec(block=[2, 3]) == Spec(block=(2, 3))
    assert hash(Spec(bits=4)) == hash(Spec(bits=4))
    assert Spec(bits=4, symmetric=False).code_range == (-8, 7)
    assert eval(repr(Spec(bits=4, group_size=32))) == Spec(bits=4, group_size=32)
