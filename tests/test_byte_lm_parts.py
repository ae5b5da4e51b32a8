"""The example's batches, schedule and printing, piece by piece."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the examples are not installed

from examples.byte_lm.config import Config  # noqa: E402
from examples.byte_lm.data import Batches, split  # noqa: E402
from examples.byte_lm.sample import printable  # noqa: E402
from examples.byte_lm.train import FINAL_LR, learning_rate  # noqa: E402


def test_nothing_a_terminal_could_act_on_is_printed():
    assert printable(b"a\x1b[31m\xff\r\tb\n\xc2\x9b") == "a\\x1b[31m\\xff\\r\\tb\n\\x9b"


def test_an_epoch_reads_every_window_once():
    data = torch.arange(200, dtype=torch.uint8)
    batches = Batches(data, context=7, batch=4, seed=5)
    starts = []
    while batches.epoch == 0 and batches.position < len(batches.order):
        text, target = batches.next()
        assert torch.equal(text[:, 1:], target[:, :-1])
        starts += text[:, 0].tolist()
    windows = len(starts) - batches.position if batches.epoch else len(starts)
    assert len(set(starts[:windows])) == windows >= (200 - 2 * 7) // 7


def test_held_out_text_is_a_tenth_and_never_trained_on():
    data = torch.arange(10_000)
    train, held_out = split(data, 33)
    assert len(held_out) == 1000
    assert torch.equal(torch.cat((train, held_out)).sort().values, data)


def test_learning_rate_warms_up_then_falls_along_a_cosine():
    config = Config(device="cpu", lr=1.0, warmup=10, steps=110)
    rates = [learning_rate(config, step) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[60] == pytest.approx((1 + FINAL_LR) / 2)
    assert rates[110] == pytest.approx(FINAL_LR)
