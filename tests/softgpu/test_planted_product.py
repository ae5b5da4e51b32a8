"""Bugs planted in the product's CUDA sources and their binding fail the checks of product.py.

The table of who catches what, where, is left in build/softgpu/planted_product.txt.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from . import planted_product
from .build import TREE, build
from .planted_gemm import GEMM
from .planted_int4 import INT4
from .planted_product import (
    ALIGNMENT,
    BOUNDS,
    RACE,
    RESULT,
    TARGET,
    Planted,
    kind_of,
)
from .planted_quantize import QUANTIZE
from .planted_w4a8 import W4A8
from .planted_w4a16 import W4A16
from .product import ADVERSARIES, CHECKS

AT_ONCE = 2  # builds, of up to a gigabyte each

UNSCALE_CHECK = [
    Planted(
        "NoBarrierInAddHalves",
        "the first warp reads sums that other warps have not written",
        "cuda/unscale_check.cu",
        "  sums[threadIdx.x] = mine;\n  __syncthreads();\n",
        "  sums[threadIdx.x] = mine;\n",
        frozenset({RESULT, RACE}),
    ),
    Planted(
        "SingleBuffer",
        "a warp writes the next tile's sums while the first still reads",
        "cuda/unscale_check.cu",
        "add_halves(eight, sums[buffer])",
        "add_halves(eight, sums[0])",
        frozenset({RACE}),
    ),
    Planted(
        "NoFenceBeforeTicket",
        "a ticket can be seen before the sums that it stands for",
        "cuda/last_block.cuh",
        "    __threadfence();  // what this block wrote before its ticket\n",
        "",
        frozenset({RACE}),
        "cuda/unscale_check.cu",
    ),
    Planted(
        "NoFenceAfterTicket",
        "sums can be read before the last ticket",
        "cuda/last_block.cuh",
        "    __threadfence();  // the last ticket before what the others wrote\n",
        "",
        frozenset({RACE}),
        "cuda/unscale_check.cu",
    ),
    Planted(
        "CounterNotReset",
        "the next launch with this table has no last block",
        "cuda/unscale_check.cu",
        "    *p.finished_blocks = 0;\n",
        "",
        frozenset({RESULT}),
    ),
    Planted(
        "NoBarrierBetweenHalves",
        "slots are added before they are sums themselves",
        "cuda/unscale_check.cu",
        "    __syncthreads();\n    for (int i = threadIdx.x; i < half;",
        "    for (int i = threadIdx.x; i < half;",
        frozenset({RESULT, RACE}),
    ),
    Planted(
        "LanesInOrder",
        "a sum, but not the tree of the contract",
        "cuda/unscale_check.cu",
        "((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))",
        "((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))",
        frozenset({RESULT}),
    ),
    Planted(
        "OneThreadSaysOverflow",
        "what the other threads of a block found is lost",
        "cuda/unscale_check.cu",
        "if (__syncthreads_or(found_inf) && threadIdx.x == 0)",
        "if (found_inf && threadIdx.x == 0)",
        frozenset({RESULT}),
    ),
]

PACKS_AND_TILES = [
    Planted(
        "OneElementMore",
        "<= for <: the element after the last is added to",
        "cuda/elements.cuh",
        "i < begin + kCount && i < numel",
        "i < begin + kCount && i <= numel",
        frozenset({BOUNDS}),
        through="cuda/accumulate_grads.cu",
    ),
    Planted(
        "PackOverTheEnd",
        "a pack of which only the first element exists",
        "cuda/elements.cuh",
        "if (begin >= 0 && begin + kCount <= numel)",
        "if (begin >= 0 && begin < numel)",
        frozenset({BOUNDS}),
        through="cuda/accumulate_grads.cu",
    ),
    Planted(
        "OneStreamAligned",
        "only the first stream is asked whether packs are aligned",
        "cuda/alignment.h",
        "if (stream.memory == nullptr) continue;",
        "if (stream.memory == nullptr || &stream != streams) continue;",
        frozenset({ALIGNMENT}),
        through="cuda/accumulate_grads.cu",
    ),
    Planted(
        "TilesWithoutShift",
        "the end of a shifted tensor lies in a tile that nobody takes",
        "cuda/alignment.h",
        "(shift == kUnaligned ? 0 : shift)",
        "(shift == kUnaligned ? 0 : 0)",
        frozenset({RESULT}),
        through="cuda/accumulate_grads.cu",
    ),
    Planted(
        "ShiftForward",
        "packs begin after an aligned place instead of before",
        "cuda/accumulate_grads.cu",
        "tile * kTile + i - row.shift",
        "tile * kTile + i + row.shift",
        frozenset({ALIGNMENT}),
    ),
]

ADAM_STEP = [
    Planted(
        "NoBarrierBeforeCounters",
        "a shared step counter moves before all rows have read it",
        "cuda/adam_step.cu",
        "  __syncthreads();\n  for (int64_t i = threadIdx.x; i < p.count; i += kPrepareThreads) {\n"
        "    atomicExch(",
        "  for (int64_t i = threadIdx.x; i < p.count; i += kPrepareThreads) {\n    atomicExch(",
        frozenset({RESULT, RACE}),
    ),
    Planted(
        "OverflowIsOne",
        "found_inf is a sum where ranks have added their flags",
        "cuda/adam_step.cu",
        "*p.found_inf != 0.0f",
        "*p.found_inf == 1.0f",
        frozenset({RESULT}),
    ),
    Planted(
        "StepsOfFirstGroup",
        "all kernels take the coefficients of the first one's rows",
        "cuda/adam_step.cu",
        "row_steps + group.first",
        "row_steps",
        frozenset({RESULT}),
    ),
    Planted(
        "ShiftedRandomBits",
        "packs that are not whole Philox calls take the bits of others",
        "cuda/adam_step.cu",
        "const bool shiftable = !stochastic_params && t.moment_dtype != Dtype::kBFloat16;",
        "const bool shiftable = true;",
        frozenset({RESULT}),
    ),
    Planted(
        "SameBitsTwice",
        "both moments are rounded by the same random bits",
        "cuda/adam_step_scattered.cu",
        "kExpAvgSq, s.v, kExpAvgSqBits",
        "kExpAvgSq, s.v, kExpAvgBits",
        frozenset({RESULT}),
    ),
    Planted(
        "OffsetsOfParam",
        "gradients are read by the strides of the parameter",
        "cuda/adam_step_scattered.cu",
        "load_element(grads, e.at[kGrad]",
        "load_element(grads, e.at[kParam]",
        frozenset({RESULT}),
    ),
    Planted(
        "RemainderWithoutSign",
        "remainders of a half and more are not negative",
        "cuda/adam_step_kernel.cuh",
        "load_words<kCount, int16_t>(at.row.master, at.i)",
        "load_words<kCount, uint16_t>(at.row.master, at.i)",
        frozenset({RESULT}),
        through="cuda/adam_step_remainder.cu",
    ),
]

TABLES = [
    Planted(
        "LastWordStays",
        "a row's gradient is what the memory held before",
        "cuda/upload_words.cu",
        "if (i < w.count)",
        "if (i + 1 < w.count)",
        frozenset({ALIGNMENT}),
    ),
    Planted(
        "PartsOnOneAnother",
        "the second part of a long table is written over the first",
        "cuda/upload_words.cu",
        "    device += part;\n",
        "",
        frozenset({BOUNDS}),
    ),
    Planted(
        "UploadOnDefaultStream",
        "nothing orders the upload before the kernels",
        "cuda/upload_words.cu",
        "<<<blocks, kThreads, 0, stream>>>",
        "<<<blocks, kThreads>>>",
        frozenset({ALIGNMENT}),
    ),
    Planted(
        "StreamIgnored",
        "one stream writes to the table that kernels of another read",
        "binding/table_cache.cpp",
        "table.stream != stream || ",
        "",
        frozenset({RESULT}),
    ),
    Planted(
        "AlikeIsEqual",
        "the gradients are those of the step before",
        "binding/table_cache.cpp",
        "if (first == words.size()) return 0;",
        "if (2 * first >= words.size()) return 0;",
        frozenset({BOUNDS}),
    ),
    Planted(
        "GraphReadsCache",
        "a graph reads a table that later steps change",
        "binding/cuda_launch.cpp",
        "if (stream_is_capturing_cuda(stream)) {",
        "if (false) {",
        frozenset({RESULT}),
    ),
    Planted(
        "DefaultStream",
        "nothing orders the op after the work of the current stream",
        "binding/cuda_launch.cpp",
        "const CudaStream stream = current_stream(index);",
        "const CudaStream stream = nullptr;",
        frozenset({RESULT}),
    ),
]

BUGS = [
    *UNSCALE_CHECK,
    *PACKS_AND_TILES,
    *ADAM_STEP,
    *TABLES,
    *GEMM,
    *QUANTIZE,
    *W4A8,
    *W4A16,
    *INT4,
]
# Each takes a build, all of them ten minutes: every fifth is always planted.
ALWAYS = 5
# The same machinery without a bug: a kernel's source, a header, and a source of the binding.
RIGHT = [
    Planted("Kernel", "", "cuda/upload_words.cu", "kThreads = 128", "kThreads = 128", frozenset()),
    Planted(
        "Header", "", "cuda/alignment.h", "kUnaligned = -1", "kUnaligned = -1", frozenset(),
        through="cuda/accumulate_grads.cu",
    ),
    Planted("Binding", "", "binding/table_cache.cpp", "++uses_", "++uses_", frozenset()),
]  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(_runtime, request):
    """By bug: what all checks say, from a run that has ended or will."""
    build(TARGET)
    steps = planted_product.commands()

    def outcome(bug):
        with TemporaryDirectory() as folder:
            return planted_product.run(planted_product.build(bug, steps, Path(folder)), bug.checks)

    tests = [item for item in request.session.items if "outcomes" in item.fixturenames]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        bugs = [test.callspec.params["bug"] for test in tests]
        yield {bug: pool.submit(outcome, bug) for bug in bugs}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def table():
    rows: list[str] = []
    yield rows
    (TREE / "planted_product.txt").write_text("\n".join(rows) + "\n")


def lines_of(bug: Planted, caught: dict[tuple[str, str], str]) -> list[str]:
    """A bug, then a line for each check that it fails: adversaries by who caught it."""
    lines = [f"{bug.file} {bug.name}: {bug.what}"]
    for check in dict.fromkeys(check for check, _ in caught):
        said = [f"{name} {kind}" for (where, name), kind in caught.items() if where == check]
        lines.append(f"    {check:18} {', '.join(said)}")
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("bug", RIGHT, ids=str)
def test_right_sources_pass(outcomes, bug):
    passed = [(check.__name__, name, "") for check in CHECKS for name in ADVERSARIES]
    assert outcomes[bug].result() == passed


@pytest.mark.parametrize(
    "bug",
    [
        pytest.param(bug, marks=pytest.mark.planted if i % ALWAYS else pytest.mark.slow)
        for i, bug in enumerate(BUGS)
    ],
    ids=str,
)
def test_planted_bug_is_caught(outcomes, table, bug):
    messages = outcomes[bug].result()
    caught = {(check, name): kind_of(said) for check, name, said in messages if said}
    table.extend(lines_of(bug, caught))
    assert bug.caught_by <= set(caught.values())
    if RACE in bug.caught_by:  # by the race checker, whatever a schedule may have hidden
        assert any(kind == RACE for (_, name), kind in caught.items() if name == "race")


@pytest.mark.parametrize("bug", [*BUGS, *RIGHT], ids=str)
def test_planted_text_is_in_its_source(bug):
    bug.text()
