"""Broken rules of asynchronous instructions are errors that name the rule."""

import ctypes
import re
from typing import NamedTuple

import pytest
import torch

from .test_planted_tensor import KERNELS


class Rule(NamedTuple):
    """By its name in kernels/async_rules_sm90a.cu; what the error says."""

    name: str
    message: str
    race: bool = False

    def __str__(self) -> str:
        return self.name


RULES = [
    Rule("NoMBarrier", "there is no mbarrier at"),
    Rule("OverwrittenMBarrier", "mbarrier at 0x[0-9a-f]+ was overwritten"),
    Rule("SecondInit", "there is a live mbarrier at"),
    Rule("InvalidatedMBarrier", "there is no mbarrier at"),
    Rule("CopiedMBarrier", "there is no mbarrier at"),
    Rule("MulticastOutside", "the multicast mask must name blocks of the cluster of 1; got 0x6"),
    Rule("OddSize", "the size must be a positive multiple of 16; got 1016"),
    Rule("ForeignTensorMap", "the tensor map was not made by cuTensorMapEncodeTiled"),
    Rule("OtherRank", "the instruction is 3d, the tensor map has rank 2"),
    Rule("ReadBeforeWait", "data race", race=True),
    Rule("SourceReused", "the asynchronous read of it was not waited for", race=True),
    Rule("AccumulatorsWritten", "accumulator register 2 of thread 0 .* in flight"),
    Rule("BaseOffset", "a base offset in the descriptor is not supported"),
    Rule("WgmmaWithoutProxyFence", "no fence.proxy.async between", race=True),
]


def number(name: str) -> int:
    body = re.search(r"enum Rule \{(.*?)\}", (KERNELS / "async_rules_sm90a.cu").read_text(), re.S)[
        1
    ]
    names = [line.split(",")[0].strip() for line in body.strip().splitlines()]
    return names.index(f"k{name}")


@pytest.fixture
def run(softgpu):
    library = softgpu.load("softgpu_kernels")

    def run_rule(name: str) -> list[int]:
        source, found = torch.zeros(1024, dtype=torch.uint8), torch.zeros(128, dtype=torch.int32)
        message = ""
        with softgpu.lend(source, writable=False), softgpu.lend(found):
            pointers = [ctypes.c_void_p(x.data_ptr()) for x in (source, found)]
            if library.run_rule(number(name), *pointers) != 0:
                message = softgpu.last_error()
                softgpu.reset()
        if message:
            raise softgpu.SoftGpuError(message)
        return found.tolist()

    return run_rule


@pytest.mark.parametrize("landing", ["early", "late"])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_broken_rule_is_named(softgpu, run, rule, landing):
    with (
        softgpu.settings(landing=landing, race=rule.race),
        pytest.raises(softgpu.SoftGpuError, match=rule.message),
    ):
        run(rule.name)


@pytest.mark.parametrize("landing", ["early", "late"])
def test_source_of_a_store_is_free_after_wait_group_read(softgpu, run, landing):
    with softgpu.settings(landing=landing, race=True):
        assert run("SourceReusedAfterWait") == list(range(128))


def test_late_store_reads_a_source_that_was_reused(softgpu, run):
    with softgpu.settings(landing="late"):
        assert run("SourceReused")[7] == -1


def test_late_product_reads_a_registers_that_were_reused(softgpu, run):
    right = 32 * (1 + 2 + 4)  # k times the three values of A
    with softgpu.settings(landing="late"):
        assert run("ARegistersKept") == [right] * 128
        assert run("ARegistersReused") != [right] * 128
