"""quant.formats: what it writes, the projects of the formats read, and the other way round.

Of AutoAWQ and compressed-tensors a single file each is loaded, which needs torch alone: they import
far more than that. tests/test_formats.py has the formats written out where they are not installed.
"""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halfword.quant import formats

from .cases.int4_weights import equal, int4_weights
from .reference.int4_formats import values

pytestmark = pytest.mark.usefixtures("one_thread")
health = [HealthCheck.function_scoped_fixture]  # one that a test leaves as it was
quick = settings(max_examples=20, deadline=None, suppress_health_check=health)


def single_file(package, path):
    """A module of an installed package, without the package around it."""
    found = importlib.util.find_spec(package)
    file = found and Path(found.origin).parent / path
    if not found or not file.is_file():
        pytest.skip(f"could not find {package}/{path}")
    name = f"_{package}_{file.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@quick
@given(int4_weights(rows=1, columns=32))
def test_gguf_reads_our_blocks(weight):
    gguf = pytest.importorskip("gguf")
    kinds = gguf.GGMLQuantizationType
    symmetric = weight._replace(zero_point=None)
    theirs = gguf.quants.dequantize(formats.to_gguf_q4_0(symmetric).numpy(), kinds.Q4_0)
    assert torch.equal(torch.from_numpy(theirs), values(symmetric).float())
    whole = weight._replace(scale=weight.scale.sign())  # so that the least values are exact
    theirs = gguf.quants.dequantize(formats.to_gguf_q4_1(whole).numpy(), kinds.Q4_1)
    assert torch.equal(torch.from_numpy(theirs), values(whole).float())


@quick
@given(st.integers(0, 2**32))
def test_we_read_the_blocks_of_gguf(seed):
    gguf = pytest.importorskip("gguf")
    x = torch.randn(5, 96, generator=torch.Generator().manual_seed(seed))
    readers = {"Q4_0": formats.from_gguf_q4_0, "Q4_1": formats.from_gguf_q4_1}
    for name, read in readers.items():
        kind = gguf.GGMLQuantizationType[name]
        blocks = gguf.quants.quantize(x.numpy(), kind)
        theirs = torch.from_numpy(gguf.quants.dequantize(blocks, kind))
        assert torch.equal(values(read(torch.from_numpy(blocks))).float(), theirs)
        assert (theirs - x).abs().max() < x.abs().max() / 7  # it is this matrix, in this order


@quick
@given(int4_weights(rows=1, columns=1))
def test_compressed_tensors_reads_our_words_and_writes_the_same(weight):
    helpers = single_file("compressed_tensors", "compressors/pack_quantized/helpers.py")
    tensors = formats.to_compressed_tensors(weight)
    packed, shape = tensors["weight_packed"], tensors["weight_shape"]
    assert torch.equal(helpers.unpack_from_int32(packed, 4, shape), weight.codes)
    assert torch.equal(helpers.pack_to_int32(weight.codes, 4), packed)
    if weight.zero_point is not None:
        points = weight.zero_point.char()
        packed = tensors["weight_zero_point"]
        unpacked = helpers.unpack_from_int32(packed, 4, points.shape, packed_dim=0)
        assert torch.equal(unpacked, points)
        again = formats.from_compressed_tensors(
            helpers.pack_to_int32(weight.codes, 4), weight.scale, shape,
            helpers.pack_to_int32(points, 4, packed_dim=0), group_size=weight.group_size,
        )[0]  # fmt: skip
        assert equal(again, weight)


@quick
@given(int4_weights())
def test_autoawq_reads_our_words(weight):
    utils = single_file("awq", "utils/packing_utils.py")
    k, size = weight.codes.shape[1], weight.group_size
    weight = weight._replace(codes=weight.codes.repeat(1, size)[:, : -(-k // size) * size])
    tensors = formats.to_awq(weight)  # of whole groups, as it knows no others
    scales = tensors["scales"].double()  # in float16 it would round
    theirs = utils.dequantize_gemm(tensors["qweight"], tensors["qzeros"], scales, 4, size)
    assert torch.equal(theirs.t(), values(weight))


@quick
@given(int4_weights())
def test_autoawq_makes_gptq_words_of_ours(weight):
    """For ExLlama, whose layout is version 1 of GPTQ. It lets a zero point of 0 borrow."""
    utils = single_file("awq", "utils/packing_utils.py")
    tensors = formats.to_awq(weight)
    qweight, qzeros = utils.unpack_reorder_pack(tensors["qweight"], tensors["qzeros"], 4)
    again, _ = formats.from_gptq(
        qweight, qzeros, tensors["scales"], group_size=weight.group_size, borrow=True
    )
    assert equal(again, weight)
    ours = formats.to_gptq(weight, borrow=True)
    assert torch.equal(ours["qweight"], qweight)
    assert torch.equal(ours["qzeros"], qzeros)
