"""ops.histogram: counts of elements in intervals."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.library import opcheck

from halfword import ops

from .compare import assert_same_bits
from .reference.histogram import histogram as reference

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
INF, NAN = float("inf"), float("nan")


def run(x, bins, low, high, absolute=False):
    counts = torch.zeros(bins, dtype=torch.int64)
    ops.histogram(x, counts, low, high, absolute=absolute)
    return counts


@given(
    numel=st.sampled_from([0, 1, 15, 16, 17, 1000, 9000]),
    offset=st.integers(0, 9),
    bins=st.sampled_from([1, 2, 7, 64, 2048, 4096, 4097, 10_000]),
    low=st.floats(-3, 1, width=32),
    width=st.floats(0.25, 4, width=32),
    dtype=st.sampled_from(DTYPES),
    absolute=st.booleans(),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_matches_the_reference(device, numel, offset, bins, low, width, dtype, absolute):
    x = torch.randn(numel + offset).to(dtype)[offset:]
    got = run(x, bins, low, low + width, absolute)
    assert_same_bits(got, reference(x, bins, low, low + width, absolute))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_both_ends_count_and_what_lies_outside_does_not(device, dtype):
    x = torch.tensor([-1.0, 1.0, 1.015625, -1.015625, NAN, INF, -INF, 0.0, -0.0], dtype=dtype)
    assert run(x, 4, -1.0, 1.0).tolist() == [1, 0, 2, 1]
    assert run(x, 4, 0.0, 1.0, absolute=True).tolist() == [2, 0, 0, 2]


def test_an_element_just_below_high_is_in_the_last_bin(device):
    """Its bin is rounded to the number of bins."""
    x = torch.tensor([0.1]).nextafter(torch.tensor([0.0]))
    assert run(x, 3, 0.0, 0.1).tolist() == [0, 0, 1]


def test_equal_elements_are_all_counted(device):
    x = torch.full((40_003,), 0.3)
    assert run(x, 10, 0.0, 1.0)[3].item() == 40_003


def test_counts_add_up_over_calls_and_threads(device):
    x = torch.randn(200_001)
    before = torch.get_num_threads()
    counts = torch.zeros(100, dtype=torch.int64)
    for threads in (1, 3):
        torch.set_num_threads(threads)
        ops.histogram(x, counts, -2, 2)
    torch.set_num_threads(before)
    assert_same_bits(counts, 2 * reference(x, 100, -2, 2, absolute=False))


def test_strides_do_not_matter(device):
    x = torch.randn(30, 40)
    for view in (x.t(), x[:, ::3], x[3:, 5:], x[:1].expand(7, 40)):
        assert_same_bits(run(view, 9, -1, 1), reference(view, 9, -1, 1, absolute=False))


def test_opcheck_passes_and_compile_keeps_the_mutation():
    counts = torch.zeros(8, dtype=torch.int64)
    opcheck(torch.ops.halfword.histogram.default, (torch.randn(30), counts, -1.0, 1.0, False))

    def count(x, counts):
        ops.histogram(x, counts, -1, 1)
        return counts + 1

    x, counts = torch.randn(50), torch.zeros(8, dtype=torch.int64)
    got = torch.compile(count, fullgraph=True)(x, counts)
    assert_same_bits(counts, reference(x, 8, -1, 1, absolute=False))
    assert_same_bits(got, counts + 1)


X, COUNTS = torch.ones(2), torch.zeros(4, dtype=torch.int64)
BAD = [
    ((X.int(), COUNTS, 0, 1), TypeError, "x must be float32, bfloat16 or float16; got int32"),
    ((X, COUNTS.int(), 0, 1), TypeError, "counts must be int64; got int32"),
    ((X, COUNTS.view(2, 2), 0, 1), ValueError, r"counts must be one dimension .* got \[2, 2\]"),
    ((X, COUNTS[:0], 0, 1), ValueError, r"counts must be one dimension .* got \[0\]"),
    ((X, COUNTS[::2], 0, 1), ValueError, "counts must be contiguous"),
    ((COUNTS.view(torch.float32), COUNTS, 0, 1), ValueError, "counts must not overlap x"),
    ((X, COUNTS, NAN, 1), ValueError, "low must be a finite float32; got nan"),
    ((X, COUNTS, 0, INF), ValueError, "high must be a finite float32 above low"),
    ((X, COUNTS, 1, 1), ValueError, "high must be a finite float32 above low, .* got 1 with low 1"),
    ((X, COUNTS, -3e38, 3e38), ValueError, "high must be a finite float32 above low"),
    ((X, COUNTS, 0, 1e-45), ValueError, "high must be a finite float32 above low"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD, ids=[b[2][:40] for b in BAD])
def test_bad_input_is_named_and_changes_nothing(arguments, error, message):
    with pytest.raises(error, match="histogram: " + message):
        ops.histogram(*arguments)
    assert not COUNTS.any()
