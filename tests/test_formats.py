"""quant.formats: tensors of other projects' checkpoints are read and written exactly."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halfword import ops
from halfword.ops import Int4Weight
from halfword.quant import formats

from .cases.int4_weights import equal, int4_weights, random_scales
from .reference import int4_formats as reference

pytestmark = pytest.mark.usefixtures("one_thread")
health = [HealthCheck.function_scoped_fixture]  # one that a test leaves as it was
quick = settings(max_examples=25, deadline=None, suppress_health_check=health)


def words(*rows):
    """int32 from words as one writes them: the first number in the lowest, rightmost digit."""
    return torch.tensor([[w - 2**32 if w >= 2**31 else w for w in row] for row in rows]).int()


def half(*rows):
    return torch.tensor(rows).half()


# Written out by hand.


def test_gptq_by_hand():
    """Eight rows of a layer with eight columns: word n has all columns of row n."""
    qweight = words([0x76543210, 0xFEDCBA98, 0, 0, 0, 0, 0, 0])
    scales = half([0.5, 2, 1, 1, 1, 1, 1, 1])
    version_1 = words([0x77777743])  # zero points 4, 5, 8 ...
    version_2 = words([0x88888854])
    for version, qzeros in ((1, version_1), (2, version_2)):
        weight, order = formats.from_gptq(qweight, qzeros, scales, version=version)
        assert order is None
        assert weight.codes[0].tolist() == [-8, -7, -6, -5, -4, -3, -2, -1]
        assert weight.codes[1].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
        assert weight.scale.tolist() == [[0.5], [2], [1], [1], [1], [1], [1], [1]]
        assert weight.zero_point.flatten().tolist() == [-4, -3, 0, 0, 0, 0, 0, 0]
        assert (weight.group_size, weight.offset) == (8, None)
        values = reference.values(weight)
        assert values[0].tolist() == [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5]
        assert values[1].tolist() == [6, 8, 10, 12, 14, 16, 18, 20]
        written = formats.to_gptq(weight, version=version)
        assert torch.equal(written["qweight"], qweight)
        assert torch.equal(written["qzeros"], qzeros)
        assert torch.equal(written["scales"], scales)
        assert written["g_idx"].tolist() == [0] * 8


def test_gptq_act_order_by_hand():
    """Even columns are of group 1, odd ones of group 0. Code of column k: k % 16 - 8."""
    qweight = words([0x76543210] * 8, [0xFEDCBA98] * 8).repeat(4, 1)
    qzeros = words([0x77777777], [0x77777777])
    scales = half([1] * 8, [2] * 8)
    g_idx = torch.tensor([1, 0]).repeat(32).int()
    weight, order = formats.from_gptq(qweight, qzeros, scales, g_idx)
    assert order.dtype == torch.int32
    assert order.tolist() == [*range(1, 64, 2), *range(0, 64, 2)]
    assert weight.codes[5, :9].tolist() == [-7, -5, -3, -1, 1, 3, 5, 7, -7]
    assert weight.codes[5, 32:40].tolist() == [-8, -6, -4, -2, 0, 2, 4, 6]
    assert weight.codes.is_contiguous()
    assert weight.scale[0].tolist() == [1, 2]
    assert (weight.group_size, weight.zero_point) == (32, None)


def test_gptq_groups_in_order_need_no_order():
    weight, order = formats.from_gptq(
        words([0] * 8).repeat(8, 1), words([0x77777777], [0x77777777]), torch.ones(2, 8),
        torch.arange(64) // 32,
    )  # fmt: skip
    assert order is None
    assert weight.group_size == 32


def test_gptq_version_1_reads_15_as_it_is_told():
    """Zero points 0, 1, 0, 2 ...: 0x...2010 less 0x...1111 in one subtraction of words."""
    read = {"qweight": words([0] * 8), "scales": torch.ones(1, 8)}
    borrowed = words([0x22222010 - 0x11111111])
    weight, _ = formats.from_gptq(**read, qzeros=borrowed, borrow=True)
    assert weight.zero_point.flatten().tolist() == [-8, -7, -8, -6, -6, -6, -6, -6]
    assert torch.equal(formats.to_gptq(weight, borrow=True)["qzeros"], borrowed)
    lone = words([0x777777F7])
    weight, _ = formats.from_gptq(**read, qzeros=lone, borrow=False)
    assert weight.zero_point.flatten().tolist() == [0, 8, 0, 0, 0, 0, 0, 0]
    assert torch.equal(formats.to_gptq(weight, borrow=False)["qzeros"], lone)


def test_awq_by_hand():
    """A word has columns 0, 2, 4, 6, 1, 3, 5, 7 of eight rows of the layer."""
    qweight = words([0x75316420], [0xFDB9ECA8])
    qzeros = words([0x88888889])
    scales = half([1, 2, 1, 1, 1, 1, 1, -0.5])
    weight = formats.from_awq(qweight, qzeros, scales)
    assert weight.codes.t().tolist() == [[*range(-8, 0)], [*range(8)]]
    assert weight.codes.is_contiguous()
    assert weight.zero_point.flatten().tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert reference.values(weight).t().tolist() == [
        [-9, -14, -6, -5, -4, -3, -2, 0.5],
        [-1, 2, 2, 3, 4, 5, 6, -3.5],
    ]
    written = formats.to_awq(weight)
    assert torch.equal(written["qweight"], qweight)
    assert torch.equal(written["qzeros"], qzeros)
    assert torch.equal(written["scales"], scales)


def test_awq_without_zero_points_is_symmetric():
    weight = formats.from_awq(words([0x75316420]), None, torch.ones(1, 8))
    assert weight.zero_point is None


def test_compressed_tensors_by_hand():
    """Two rows of ten columns: the last two are in a word of their own."""
    tensors = {
        "weight_packed": words([0x76543210, 0x98], [0xFEDCBA98, 0x0F]),
        "weight_scale": half([1], [0.5]),
        "weight_shape": torch.tensor([2, 10]),
    }
    weight, order = formats.from_compressed_tensors(**tensors)
    assert order is None
    assert weight.codes.tolist() == [[*range(-8, 2)], [*range(8), 7, -8]]
    assert (weight.zero_point, weight.group_size) == (None, 10)
    assert equal_tensors(formats.to_compressed_tensors(weight), tensors)

    tensors["weight_zero_point"] = words([0x7A])  # 2 and -1
    weight, _ = formats.from_compressed_tensors(**tensors)
    assert weight.zero_point.tolist() == [[2], [-1]]
    assert reference.values(weight)[:, :2].tolist() == [[-10, -9], [0.5, 1]]
    assert equal_tensors(formats.to_compressed_tensors(weight), tensors)

    tensors["weight_zero_point"] = torch.tensor([[2], [-1]]).to(torch.int8)
    assert equal(formats.from_compressed_tensors(**tensors)[0], weight)


def test_compressed_tensors_order_by_hand():
    tensors = {
        "weight_packed": words([0x76543210, 0xFEDCBA98] * 4),
        "weight_scale": half([1, 2]),
        "weight_shape": torch.tensor([1, 64]),
        "weight_g_idx": torch.tensor([0, 1]).repeat(32).int(),
    }
    weight, order = formats.from_compressed_tensors(**tensors)
    assert order.tolist() == [*range(0, 64, 2), *range(1, 64, 2)]
    assert weight.codes[0, 30:34].tolist() == [4, 6, -7, -5]
    assert equal_tensors(formats.to_compressed_tensors(weight, order), tensors)
    tensors["weight_g_idx"] = torch.full((64,), -1).int()  # as it was before it was set
    assert formats.from_compressed_tensors(**tensors)[1] is None


def test_gguf_q4_0_by_hand():
    codes = [16 * (15 - j) + j for j in range(16)]  # 0 to 15, then 15 to 0
    blocks = torch.tensor([[0x00, 0x38, *codes, 0x00, 0xC0, *codes]], dtype=torch.uint8)
    weight = formats.from_gguf_q4_0(blocks)
    assert weight.scale.tolist() == [[0.5, -2]]
    assert weight.codes.tolist() == [[*range(-8, 8), *range(7, -9, -1)] * 2]
    assert weight[2:] == (None, None, 32)
    assert torch.equal(formats.to_gguf_q4_0(weight), blocks)


def test_gguf_q4_1_by_hand():
    codes = [16 * (15 - j) + j for j in range(16)]
    blocks = torch.tensor([[0x00, 0x40, 0x00, 0xC2, *codes]], dtype=torch.uint8)
    weight = formats.from_gguf_q4_1(blocks)  # 2 u - 3
    assert (weight.scale.tolist(), weight.offset.tolist()) == ([[2]], [[13]])
    assert reference.values(weight)[0, :4].tolist() == [-3, -1, 1, 3]
    assert torch.equal(formats.to_gguf_q4_1(weight), blocks)


def equal_tensors(one, other):
    return one.keys() == other.keys() and equal(one.values(), other.values())


# Any weight is written and read back, and the file stands for it.


@quick
@given(int4_weights(zeros=(-7, 7), orders=True), st.sampled_from([1, 2]))
def test_gptq_gives_back_what_it_was_given(case, version):
    weight, order = case
    tensors = formats.to_gptq(weight, order, version=version)
    again, order_again = formats.from_gptq(**tensors, version=version, group_size=weight.group_size)
    assert equal((*again, order_again), (*weight, order))
    layer = reference.gptq(**tensors, version=version)
    assert torch.equal(layer, reference.layer_values(weight, order))


@quick
@given(int4_weights(columns=1))
def test_awq_gives_back_what_it_was_given(weight):
    tensors = formats.to_awq(weight)
    assert equal(formats.from_awq(**tensors, group_size=weight.group_size), weight)
    layer = reference.awq(**tensors, group_size=weight.group_size)
    assert torch.equal(layer, reference.values(weight))


@quick
@given(int4_weights(rows=1, columns=1, orders=True))
def test_compressed_tensors_gives_back_what_it_was_given(case):
    weight, order = case
    tensors = formats.to_compressed_tensors(weight, order)
    again, order_again = formats.from_compressed_tensors(**tensors, group_size=weight.group_size)
    assert equal((*again, order_again), (*weight, order))
    layer = reference.compressed_tensors(**tensors, group_size=weight.group_size)
    assert torch.equal(layer, reference.layer_values(weight, order))


@quick
@given(int4_weights(rows=1, columns=32))
def test_gguf_blocks_stand_for_what_they_were_given(weight):
    symmetric = weight._replace(zero_point=None)
    blocks = formats.to_gguf_q4_0(symmetric)
    assert torch.equal(reference.gguf(blocks, "Q4_0"), reference.values(symmetric))
    again = formats.from_gguf_q4_0(blocks)
    assert torch.equal(reference.values(again), reference.values(symmetric))
    eighths = weight._replace(scale=(weight.scale.clamp(-100, 100) * 8).round() / 8)
    blocks = formats.to_gguf_q4_1(powers_of_two(eighths))
    assert torch.equal(reference.gguf(blocks, "Q4_1"), reference.values(powers_of_two(eighths)))


def powers_of_two(weight):
    """Scales whose multiples by zero points are exact in float16."""
    exponent = weight.scale.abs().float().clamp(2**-10, 2**10).log2().round()
    return weight._replace(scale=torch.exp2(exponent).half())


# Any tensors are read, and written again as they were.


@quick
@given(st.integers(0, 2**32), st.sampled_from([32, 64]))
def test_any_words_of_gptq_and_awq_are_read_and_written(seed, group_size):
    generator = torch.Generator().manual_seed(seed)
    k, n, groups = 128, 16, 128 // group_size
    qweight, qzeros = any_words(generator, k // 8, n), any_words(generator, groups, n // 8)
    scales = random_scales(generator, groups, n)
    g_idx = torch.arange(k)[torch.randperm(k, generator=generator)].int() // group_size
    tensors = {"qweight": qweight, "qzeros": qzeros, "scales": scales, "g_idx": g_idx}
    for version, borrow in ((2, None), (1, False), (1, True)):
        weight, order = formats.from_gptq(**tensors, version=version, borrow=borrow)
        written = formats.to_gptq(weight, order, version=version, borrow=borrow)
        assert equal_tensors(written, tensors)
        if not borrow:
            layer = reference.gptq(**tensors, version=version)
            assert torch.equal(reference.layer_values(weight, order), layer)
    tensors = {"qweight": any_words(generator, k, n // 8), "qzeros": qzeros, "scales": scales}
    weight = formats.from_awq(**tensors)
    assert equal_tensors(formats.to_awq(weight), tensors)
    assert torch.equal(reference.values(weight), reference.awq(**tensors, group_size=group_size))


@quick
@given(st.integers(0, 2**32))
def test_any_blocks_of_gguf_are_read_and_written(seed):
    """With d and m less than 2^12 apart, up to which m + 8 d is exact."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 256, (3, 5, 16), generator=generator, dtype=torch.uint8)
    head = random_scales(generator, 3, 5, 1).view(torch.uint8)
    q4_0 = torch.cat([head, codes], -1).view(3, -1)
    weight = formats.from_gguf_q4_0(q4_0)
    assert torch.equal(formats.to_gguf_q4_0(weight), q4_0)
    assert torch.equal(reference.values(weight), reference.gguf(q4_0, "Q4_0"))

    scale = random_scales(generator, 3, 5)
    ratio = torch.exp2(12 * (2 * torch.rand(3, 5, generator=generator) - 1))
    low = (8 * scale.float() * ratio).half().float()
    near = (low != 0) & low.isfinite() & ((low / (8 * scale.float())).log2().abs() < 12)
    low = torch.where(near, low, 0).half()
    q4_1 = torch.cat([torch.stack([scale, low], -1).view(torch.uint8), codes], -1).view(3, -1)
    weight = formats.from_gguf_q4_1(q4_1)
    assert torch.equal(formats.to_gguf_q4_1(weight), q4_1)
    assert torch.equal(reference.values(weight), reference.gguf(q4_1, "Q4_1"))


def any_words(generator, *shape):
    return torch.randint(-(2**31), 2**31, shape, generator=generator).int()


def test_a_group_longer_than_a_block_becomes_equal_blocks():
    weight = Int4Weight(torch.zeros(1, 160).char(), half([3, 5]), None, None, 128)
    again = formats.from_gguf_q4_0(formats.to_gguf_q4_0(weight))
    assert again.scale.tolist() == [[3, 3, 3, 3, 5]]


def test_a_weight_without_rows_is_written_and_read():
    weight = Int4Weight(torch.zeros(0, 64).char(), torch.ones(0, 2).half(), None, None, 32)
    assert equal(formats.from_gptq(**formats.to_gptq(weight))[0], weight)
    assert equal(formats.from_awq(**formats.to_awq(weight)), weight)
    tensors = formats.to_compressed_tensors(weight)
    assert equal(formats.from_compressed_tensors(**tensors)[0], weight)
    assert equal(formats.from_gguf_q4_0(formats.to_gguf_q4_0(weight)), weight)
    assert formats.from_gguf_q4_1(formats.to_gguf_q4_1(weight)).codes.shape == (0, 64)


@quick
@given(int4_weights(zeros=(-7, 7), orders=True))
def test_what_is_read_is_packed_and_multiplies_the_columns_in_order(case):
    weight, order = formats.from_gptq(**formats.to_gptq(*case), group_size=case[0].group_size)
    assert equal(ops.pack_int4(weight).unpack(), weight)
    x = torch.randint(2, weight.codes.shape[1:]).double()  # so that sums have at most 52 bits
    y = (x if order is None else x[order]) @ reference.values(weight).t()
    assert torch.equal(y, x @ reference.layer_values(*case).t())


def test_compressed_tensors_keep_the_dtype_of_the_scales():
    weight = Int4Weight(torch.zeros(8, 8).char(), torch.full((8, 1), 1 / 3), None, None, 8)
    for dtype in (torch.float32, torch.bfloat16):
        scale = weight.scale.to(dtype)
        tensors = formats.to_compressed_tensors(weight._replace(scale=scale))
        assert equal([tensors["weight_scale"]], [scale])


def test_any_strides_are_read():
    generator = torch.Generator().manual_seed(0)
    qweight = any_words(generator, 32, 8)
    qzeros, scales = any_words(generator, 2, 1), torch.ones(2, 8)
    expected, _ = formats.from_gptq(qweight, qzeros, scales, version=2)
    apart = [x.repeat_interleave(2, 1)[:, ::2] for x in (qweight, qzeros, scales)]
    assert equal(formats.from_gptq(*apart, version=2)[0], expected)
    assert equal(
        formats.from_gptq(*(x.t().contiguous().t() for x in apart), version=2)[0], expected
    )
    blocks = formats.to_gguf_q4_0(expected._replace(zero_point=None, scale=expected.scale.half()))
    again = formats.from_gguf_q4_0(blocks.repeat_interleave(2, 1)[:, ::2])
    assert torch.equal(again.codes, expected.codes)
