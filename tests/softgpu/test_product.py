"""The product's CUDA kernels on the software GPU: the CPU's bits under every adversary, the bytes
that the contracts say, as few launches, and the errors of devices that cannot run them."""

import ctypes
from contextlib import contextmanager

import pytest
import torch

from halfword import ops

from ..adam_problem import make
from ..cases.adam_step import BF16, F16, F32, WEIGHTS
from . import counters
from .product import ADVERSARIES, CHECKS, adam_lists, adam_work, deferred, stream
from .redirect import redirected


@pytest.mark.parametrize("adversary", ADVERSARIES.values(), ids=ADVERSARIES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_same_bits_as_the_cpu(softgpu, check, adversary):
    with softgpu.adversary(**adversary):
        check()


# Bytes.


def counted(softgpu, work):
    """Counts of the kernels that `work` launched, by a part of their names."""
    counters.reset()
    with softgpu.settings(count=True), redirected():
        work()
    return counters.counts()


def only(counts, part):
    (found,) = [value for name, value in counts.items() if part in name]
    return found


ELEMENTS = 16 * 8192
TABLE = 0.001  # of the bytes


def assert_moves(count, loaded, stored, gaps=1):
    """Bytes an element, in whole sectors, each once, and little else."""
    for sectors, requests, each in (
        (count.sectors_loaded, count.sectors_load_requests, loaded),
        (count.sectors_stored, count.sectors_store_requests, stored),
    ):
        least = ELEMENTS * each // 32
        assert least <= sectors <= least * (1 + TABLE) + 64  # the table, sums of tiles, a flag
        # Accesses leave no gaps, but for what warps read of the table, and FP32 lanes of the norm.
        assert requests <= gaps * least + ELEMENTS // 8192 * 8 * 64


@pytest.mark.parametrize(
    ("types", "grad", "moment", "loaded", "stored"),
    [
        (WEIGHTS[0], F32, F32, 16, 12),
        (WEIGHTS[4], F16, F32, 14, 14),
        (WEIGHTS[6], BF16, F32, 14, 12),
        (WEIGHTS[2], BF16, BF16, 8, 6),
    ],
    ids=["float32", "masters", "remainders", "bfloat16"],
)
def test_adam_moves_what_its_contract_says(softgpu, types, grad, moment, loaded, stored):
    lists = adam_lists([make((ELEMENTS,), types, grad, moment)])
    params, grads, m, v, _, step, masters = lists

    def work():
        with_masters = {"masters": masters} if types.master != "none" else {}
        ops.adam_step(
            params, grads, m, v, step=step, lr=0.1, stochastic_params=types.stochastic,
            **with_masters,
        )  # fmt: skip

    assert_moves(only(counted(softgpu, work), "adam_step_kernel"), loaded, stored)


@pytest.mark.parametrize("write", [False, True])
def test_check_and_norm_read_the_gradients_once(softgpu, write):
    grad = torch.randn(ELEMENTS).half()

    def work():
        ops.unscale_check(
            [grad], torch.tensor([0.5]), torch.zeros(1), norm=torch.zeros(1), write=write
        )

    assert_moves(only(counted(softgpu, work), "unscale_check_kernel"), 2, 2 if write else 0)


def test_accumulation_moves_what_its_contract_says(softgpu):
    main, grad = torch.randn(ELEMENTS), torch.randn(ELEMENTS).bfloat16()
    counts = counted(softgpu, lambda: ops.accumulate_grads([main], [grad]))
    assert_moves(only(counts, "accumulate_grads_kernel"), 6, 4)


# Launches.


def launched(softgpu, work):
    """Names of the kernels that `work` ran."""
    softgpu.reset()
    with redirected():
        work()
    return [operation.name for operation in softgpu.executed()]


def kinds(names):
    known = ("upload_words", "adam_step_prepare", "adam_step", "unscale_check", "accumulate_grads")
    return [next(kind for kind in known if kind in name) for name in names]


def test_a_list_of_one_kind_takes_one_launch_and_a_small_one(softgpu):
    lists = adam_lists([make((n,), WEIGHTS[4], F16) for n in range(100, 400)])
    step = adam_work({})
    kernels = ["adam_step_prepare", "adam_step"]
    assert kinds(launched(softgpu, lambda: step(*lists)))[-2:] == kernels
    assert kinds(launched(softgpu, lambda: step(*lists))) == kernels  # the table is there
    lists[1] = [g.clone() for g in lists[1]]
    assert kinds(launched(softgpu, lambda: step(*lists))) == ["upload_words", *kernels]


def test_a_list_of_two_kinds_takes_two_launches(softgpu):
    lists = adam_lists([make((50,), WEIGHTS[4 + i % 2], BF16) for i in range(6)])
    kernels = ["adam_step_prepare", "adam_step", "adam_step"]
    assert kinds(launched(softgpu, lambda: adam_work({})(*lists)))[-3:] == kernels


def test_gradients_of_all_types_take_one_launch(softgpu):
    grads = [torch.randn(90).to(d) for d in (F32, F16, BF16) for _ in range(30)]
    found = torch.zeros(1)

    def work():
        ops.unscale_check(grads, torch.ones(1), found, norm=torch.zeros(1), write=False)

    assert kinds(launched(softgpu, work))[-1:] == ["unscale_check"]
    assert kinds(launched(softgpu, work)) == ["unscale_check"]


# Streams and devices.


def test_ops_run_on_the_current_stream(softgpu):
    grad = torch.randn(100)
    with redirected(), stream() as handle, deferred():
        number = ctypes.c_ulonglong()
        softgpu.check(softgpu.runtime().cudaStreamGetId(handle, ctypes.byref(number)))
        softgpu.reset()
        ops.unscale_check([grad], torch.ones(1), torch.zeros(1), write=False)
    assert {operation.stream for operation in softgpu.executed()} == {number.value}


def test_the_second_device_runs_what_is_current_there(softgpu):
    grad, found = torch.randn(9000), torch.zeros(1)
    grad[-1] = float("nan")
    softgpu.check(softgpu.runtime().cudaSetDevice(1))
    try:
        with redirected():
            ops.unscale_check([grad], torch.ones(1), found, write=False)
    finally:
        softgpu.check(softgpu.runtime().cudaSetDevice(0))
    assert found.item() == 1
    assert {operation.device for operation in softgpu.executed()} == {1}


def test_a_stream_that_does_not_wait_for_another_is_seen(softgpu):
    """The flag is read on a second stream, with nothing that orders it after the check."""
    seen = set()
    for seed in range(24):
        softgpu.reset()
        lists = adam_lists([make((64,), WEIGHTS[0])])
        lists[1][0][0] = float("inf")
        found, before = torch.zeros(1), lists[0][0].clone()
        with softgpu.settings(schedule="random", seed=seed), redirected(), deferred():
            with stream():
                ops.unscale_check(lists[1], torch.ones(1), found, write=False)
            with stream():
                adam_work({"found_inf": found})(*lists)
        seen.add(bool(torch.equal(lists[0][0], before)))
    assert seen == {True, False}


# Errors. Each takes a device of its own, because what is known of one is asked once.


@contextmanager
def device(softgpu, index, **settings):
    with softgpu.settings(devices=index + 1, **settings):
        softgpu.check(softgpu.runtime().cudaSetDevice(index))
        try:
            yield
        finally:
            softgpu.check(softgpu.runtime().cudaSetDevice(0))


@pytest.mark.parametrize(
    ("index", "settings", "message"),
    [
        (3, {"capability": 75}, r"device 3 has compute capability 7\.5; the kernels need 8\.0 or "),
        (4, {"driver": 12000}, r"the driver knows CUDA 12\.0 and this build of halfword needs \d+"),
        (5, {"multiprocessors": 0}, "CUDA says: invalid configuration argument"),
    ],
    ids=["capability", "driver", "launch"],
)
def test_a_device_that_cannot_run_a_step_is_an_error_and_nothing_changes(
    softgpu, index, settings, message
):
    lists = adam_lists([make((100,), WEIGHTS[4], F16)])
    before = [[t.clone() for t in tensors] for tensors in lists]
    refused = pytest.raises(RuntimeError, match=f"adam_step: {message}")
    with device(softgpu, index, **settings), redirected(), refused:
        adam_work({})(*lists)
    for tensors, old in zip(lists, before, strict=True):
        assert all(map(torch.equal, tensors, old))
    # The error is not reported again by the next call.
    with device(softgpu, index), redirected():
        adam_work({})(*lists)
    assert not torch.equal(lists[0][0], before[0][0])


def test_places_past_two_to_the_31_elements(softgpu):
    """Rows that lie so far apart; the pages between them are never touched."""
    grad = torch.empty(2**31 + 24, dtype=BF16).as_strided((2, 24), (2**31, 1))
    grad.fill_(2.0)
    grad[1, -1] = 6.0
    norm, main = torch.zeros(1), torch.zeros(2, 24)
    with redirected():
        ops.unscale_check([grad], torch.tensor([0.5]), torch.zeros(1), norm=norm)
        ops.accumulate_grads([main], [grad])
    assert norm.item() == pytest.approx((47 + 9) ** 0.5)
    assert main[1, -1] == 3
    assert (main.flatten()[:-1] == 1).all()
