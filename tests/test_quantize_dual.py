"""ops.quantize_dual: a matrix and its transpose, quantized in one op."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from halfword import ops
from halfword.quant import Spec

from .cases.quantize import CASES, LARGE, MAPPINGS, Case, with_mapping
from .compare import assert_same_bits
from .reference.quantize import quantize as quantize_reference
from .reference.quantize import random_bits_of, spread
from .reference.quantize_dual import quantize_dual as reference
from .reference.quantize_dual import transposed

NEAREST = ["symmetric", "affine", "log2"]
DUAL = [
    Case((64, 64), Spec(), "one strip"),
    Case((130, 2100), Spec(), "strips and parts with tails"),
    Case((200, 130), Spec(group_size=64), "groups of a strip"),
    Case((97, 300), Spec(group_size=100), "groups across strips"),
    Case((70, 2100), Spec(block=(32, 32)), "blocks in several parts"),
    Case((130, 70), Spec(block=(128, 16)), "tall blocks"),
    Case((1, 1), Spec(), "one element"),
]
# So large that codes go past the caches, where the lines of both are aligned.
STREAMED = [
    Case((192, 8320), Spec(), "groups of parts"),
    Case((1152, 1280), Spec(block=(128, 128)), "regions, each fetched before its turn"),
    Case((1100, 1408), Spec(block=(96, 100)), "aligned codes of blocks that are not"),
]


def sample(shape, dtype=torch.float32):
    return (torch.randn(shape).exp() * (torch.rand(shape) - 0.3)).to(dtype)


def assert_half(got, wanted, what):
    for have, want, name in zip(got, wanted, ("codes", "scale", "zero_point"), strict=False):
        if want is None:
            assert have is None
        else:
            assert_same_bits(have, want, f"{what} {name}")


def check(x, spec):
    for got, wanted, what in zip(
        ops.quantize_dual(x, spec), reference(x, spec), ("rows", "columns"), strict=True
    ):
        assert_half(got, wanted, f"{spec} {what}")
        assert got.codes.is_contiguous()


@pytest.mark.parametrize("case", CASES + DUAL, ids=str)
def test_matches_the_reference_bit_for_bit(device, one_thread, case):
    x = sample(case.shape)
    for mapping in NEAREST:
        check(x, with_mapping(case.spec, mapping))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", [CASES[0], DUAL[1], DUAL[2], DUAL[4]], ids=str)
def test_elements_of_16_bits_match_the_reference(device, one_thread, case, dtype):
    x = sample(case.shape, dtype)
    for mapping in NEAREST:
        check(x, with_mapping(case.spec, mapping))


@pytest.mark.parametrize("mapping", ["symmetric", "affine"])
@pytest.mark.parametrize("case", [*LARGE, Case((300, 620), Spec(), "rows and columns")], ids=str)
def test_blocks_of_any_size_match_the_reference(device, case, mapping):
    check(sample(case.shape), with_mapping(case.spec, mapping))


@pytest.mark.parametrize("case", STREAMED, ids=str)
def test_codes_past_the_caches_match_the_reference(device, case):
    check(sample(case.shape), case.spec)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_spoils_its_row_and_its_column(device, value):
    x = sample((70, 130))
    x[69, 128] = value
    rows, columns = ops.quantize_dual(x)
    assert rows.scale.isnan().nonzero().tolist() == [[69]]
    assert columns.scale.isnan().nonzero().tolist() == [[128]]
    check(x, Spec())
    check(x, Spec(symmetric=False))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.integers(1, 140),
    cols=st.integers(1, 140),
    extra=st.integers(0, 3),
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    kind=st.sampled_from(["row", "column", "tensor", "group", "block"]),
    mapping=st.sampled_from(NEAREST),
    bits=st.integers(2, 8),
)
def test_any_matrix_is_quantized_as_it_and_its_transpose(
    device, one_thread, rows, cols, extra, size, kind, mapping, bits
):
    options = {"group": {"group_size": size[0]}, "block": {"block": size}}
    spec = with_mapping(Spec(**options.get(kind, {"axis": kind})), mapping, bits)
    x = sample((rows, cols + extra))[:, extra:]  # rows that are not aligned
    first, second = ops.quantize_dual(x, spec)
    assert_half(first, ops.quantize(x, spec), f"{spec} rows")
    assert_half(second, ops.quantize(x.t(), transposed(spec)), f"{spec} columns")


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("case", [CASES[0], CASES[3], DUAL[2], CASES[4]], ids=str)
def test_transposed_codes_are_rounded_by_bits_of_their_own(device, one_thread, case, symmetric):
    spec = replace(case.spec, symmetric=symmetric, rounding="stochastic")
    x = sample(case.shape)
    first, second = ops.quantize_dual(x, spec, seed=5)
    assert_half(first, quantize_reference(x, spec, seed=5), "rows")
    _, scale, zero_point = reference(x, replace(spec, rounding="nearest"))[1]
    lowest, highest = spec.code_range
    zero = spread(torch.zeros_like(scale) if symmetric else zero_point.float(), x.t(), spec)
    t = (x.t() * spread(1 / scale, x.t(), spec)).clamp(lowest - zero, highest - zero)
    chance = (random_bits_of(x, 5, purpose=1).t() + 0.5) / 2**16
    codes = t.floor() + (chance < t - t.floor()).float() + zero
    assert_half(second, (codes.to(torch.int8), scale, zero_point), "columns")


@pytest.mark.parametrize("spec", [Spec(block=(32, 20)), Spec(axis="tensor")], ids=str)
def test_codes_that_share_a_scale_are_copies_however_they_are_rounded(device, spec):
    spec = replace(spec, rounding="stochastic")
    x = sample((90, 150))
    first, second = ops.quantize_dual(x, spec, seed=5)
    assert_half(first, quantize_reference(x, spec, seed=5), "rows")
    assert_same_bits(second.codes, first.codes.t())
    assert_same_bits(second.scale, first.scale.t() if first.scale.dim() else first.scale)


@pytest.mark.parametrize("spec", [Spec(), Spec(block=(64, 64)), Spec(axis="tensor")], ids=str)
def test_threads_change_nothing(spec):
    x, before = sample((300, 700), torch.bfloat16), torch.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(ops.quantize_dual(x, spec))
    torch.set_num_threads(before)
    for other in results[1:]:
        for got, wanted in zip(other, results[0], strict=True):
            assert_half(got, wanted, "threads")


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_seed_is_drawn_where_none_is_given(mapping):
    x, spec = sample((8, 40)), with_mapping(Spec(), mapping)
    torch.manual_seed(3)
    first = ops.quantize_dual(x, spec)
    torch.manual_seed(3)
    again = ops.quantize_dual(x, spec)
    for got, wanted in zip(again, first, strict=True):
        assert_half(got, wanted, mapping)


def raw(x, /, **changes):
    """Arguments of the op itself, for rows."""
    rows, cols = x.shape
    arguments = {
        "x": x, "block_rows": 1, "block_cols": cols, "block_rows_t": 1, "block_cols_t": rows,
        "mapping": 0, "bits": 8, "seed": None,
        "scale": torch.empty(rows), "zero_point": None,
        "codes": torch.empty(rows, cols, dtype=torch.int8),
        "scale_t": torch.empty(cols), "zero_point_t": None,
        "codes_t": torch.empty(cols, rows, dtype=torch.int8),
    }  # fmt: skip
    return arguments | changes


def test_opcheck_passes_and_compile_gives_the_same():
    x = sample((6, 10))
    opcheck(torch.ops.halfword.quantize_dual.default, tuple(raw(x).values()))
    got = torch.compile(lambda t: ops.quantize_dual(t), fullgraph=True)(x)
    for have, want in zip(got, ops.quantize_dual(x), strict=True):
        assert_half(have, want, "compiled")


X = torch.ones(4, 6)
BAD = [
    (X.double(), Spec(), None, TypeError, "x must be float32, bfloat16 or float16; got float64"),
    (X, Spec(), 1, ValueError, "seed must be None with rounding to nearest; got a seed"),
    (
        X, Spec(rounding="stochastic"), torch.ones(2).long(), ValueError,
        "seed must have one element; got 2",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("x", "spec", "seed", "error", "message"), BAD, ids=[b[4][:40] for b in BAD]
)
def test_bad_arguments_are_named(x, spec, seed, error, message):
    with pytest.raises(error, match="quantize_dual: " + message):
        ops.quantize_dual(x, spec, seed=seed)


BYTES = torch.zeros(4, 6, dtype=torch.int8)
INTS = torch.zeros(4, dtype=torch.int32)
BAD_RAW = [
    ({"x": X.t()}, "x must have consecutive columns; got column stride 6"),
    ({"block_rows": 0}, "block_rows must be >= 1; got 0"),
    ({"block_cols_t": 0}, "block_cols_t must be >= 1; got 0"),
    ({"block_rows": 2, "block_rows_t": 3}, r"block_rows_t must be that of the block transposed"),
    ({"mapping": 3}, r"mapping must be 0 \(symmetric\), 1 \(affine\) or 2 \(log2\); got 3"),
    ({"bits": 9}, "bits must be 2 to 8; got 9"),
    ({"mapping": 2, "seed": torch.ones(1).long()}, "seed must be None with log2"),
    ({"scale": torch.ones(3)}, "scale must have one element a block, 4; got 3"),
    ({"scale": torch.ones(4).half()}, "scale must be float32; got float16"),
    ({"zero_point": INTS}, "zero_point must be None without an affine mapping; got a tensor"),
    ({"mapping": 1}, "zero_point must be a tensor with an affine mapping; got None"),
    ({"codes": BYTES.int()}, "codes must be int8; got int32"),
    ({"codes": BYTES[:3]}, r"codes must have shape \[4, 6\]; got \[3, 6\]"),
    ({"scale_t": torch.ones(4)}, "scale_t must have one element a block, 6; got 4"),
    ({"codes_t": BYTES}, r"codes_t must have shape \[6, 4\]; got \[4, 6\]"),
    ({"codes_t": BYTES.t()}, "codes_t must be contiguous"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_RAW, ids=[b[1][:45] for b in BAD_RAW])
def test_the_op_refuses_what_the_wrapper_never_passes(changes, message):
    with pytest.raises(RuntimeError, match="quantize_dual: " + message):
        torch.ops.halfword.quantize_dual(*raw(X, **changes).values())
