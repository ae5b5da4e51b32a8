"""Asynchronous copies, TMA and mbarriers do what the PTX manual says, early and late."""

import ctypes

import numpy as np
import pytest

from .conformance.async_mbarrier import (
    ARRIVE,
    ARRIVE_NO_COMPLETE,
    COPY_THEN_ARRIVE,
    COPY_THEN_ARRIVE_AND_ADD,
    EXPECT_TX,
    TEST_WAIT,
    TEST_WAIT_PARITY,
    TRY_WAIT_PARITY,
    Program,
)
from .conformance.async_reference import DTYPES, Box

# enum Direction of conformance/async_tensor_sm90a.cu
LOAD, STORE = 0, 1
TENSOR_OPERATIONS = {"add": 2, "min": 3, "max": 4, "inc": 5, "dec": 6, "and": 7, "or": 8, "xor": 9}


@pytest.fixture(params=["early", "late", "mixed"])
def kernels(softgpu, request):
    with softgpu.settings(landing=request.param, race=True):
        yield softgpu.load("softgpu_async")


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


# ---- cp.async ----

WAYS = [("ca", 4), ("ca", 8), ("ca", 16), ("cg", 16)]
PLAIN, SOURCE_SIZE, IGNORE_SOURCE = range(3)


@pytest.mark.parametrize("way", range(4), ids=[f"{how}-{size}" for how, size in WAYS])
@pytest.mark.parametrize("form", [PLAIN, SOURCE_SIZE, IGNORE_SOURCE])
def test_cp_async(softgpu, kernels, rng, way, form):
    size = WAYS[way][1]
    source = rng.integers(0, 256, (32, 16), dtype=np.uint8)
    sizes = rng.integers(0, size + 1, 32).astype(np.int32)
    found = np.empty_like(source)
    softgpu.check(kernels.run_cp_async(way, form, *map(pointer, (source, sizes, found))))
    copied = {PLAIN: 0 * sizes + size, SOURCE_SIZE: sizes, IGNORE_SOURCE: size * (sizes != 0)}[form]
    expected = np.where(np.arange(16) < copied[:, None], source, 0).astype(np.uint8)
    expected[:, size:] = 255  # was there before
    np.testing.assert_array_equal(found, expected)


def test_cp_async_groups_complete_in_order(softgpu, kernels, rng):
    source = rng.integers(0, 256, (4, 32, 16), dtype=np.uint8)
    found = np.empty_like(source)
    softgpu.check(kernels.run_cp_async_groups(pointer(source), pointer(found)))
    np.testing.assert_array_equal(found, source)


def test_copies_of_all_threads_complete_on_an_mbarrier(softgpu, kernels, rng):
    source = rng.integers(0, 256, (64, 16), dtype=np.uint8)
    found = np.empty_like(source)
    softgpu.check(kernels.run_copies_on_mbarrier(pointer(source), pointer(found)))
    np.testing.assert_array_equal(found, source)


# ---- mbarriers ----


def run_mbarrier(softgpu, kernels, count: int, steps: list[tuple[int, int]]) -> np.ndarray:
    program = np.array(steps, np.int32)
    results = np.zeros(len(steps), np.uint64)
    softgpu.check(kernels.run_mbarrier(count, pointer(program), len(steps), pointer(results)))
    return results


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [1, 4, 100])
def test_mbarrier_counts(softgpu, kernels, count, seed):
    program = Program(np.random.default_rng([count, seed]), count, 60)
    results = run_mbarrier(softgpu, kernels, count, program.steps)
    assert {step: int(results[step]) for step in program.answers} == program.answers


@pytest.mark.parametrize(
    ("count", "copy"), [(2, COPY_THEN_ARRIVE), (1, COPY_THEN_ARRIVE_AND_ADD)], ids=["noinc", ""]
)
def test_arrival_of_copies_counts(softgpu, kernels, count, copy):
    steps = [(copy, 0), (ARRIVE, 1), (TRY_WAIT_PARITY, 0), (TEST_WAIT_PARITY, 1)]
    results = run_mbarrier(softgpu, kernels, count, steps)
    assert list(results[2:]) == [1, 0]


MISUSES = [
    (1, [(ARRIVE, 2)], "2 arrivals, but the phase waits for 1 of 1 only"),
    (1, [(ARRIVE_NO_COMPLETE, 1)], "noComplete completes the phase"),
    (2, [(EXPECT_TX, (1 << 20) - 1), (EXPECT_TX, 1)], "tx-count leaves its range"),
    (1, [(ARRIVE, 1), (ARRIVE, 1), (TEST_WAIT, 0)], "the token is 2 phases old"),
    (1, [(TEST_WAIT_PARITY, 2)], "parity must be 0 or 1; got 2"),
    (2, [(TRY_WAIT_PARITY, 0)], "deadlock"),
]


@pytest.mark.parametrize(("count", "steps", "message"), MISUSES, ids=[m for *_, m in MISUSES])
def test_mbarrier_misuse_is_an_error(softgpu, kernels, count, steps, message):
    with pytest.raises(softgpu.SoftGpuError, match=message):
        run_mbarrier(softgpu, kernels, count, steps)
    softgpu.reset()


# ---- bulk copies ----


def test_bulk_copy_through_shared_memory(softgpu, kernels, rng):
    source = rng.integers(0, 256, 256, dtype=np.uint8)
    found = np.empty_like(source)
    softgpu.check(kernels.run_bulk_through(pointer(source), pointer(found)))
    np.testing.assert_array_equal(found, source)


def test_bulk_copy_and_st_async_between_blocks(softgpu, kernels, rng):
    source = rng.integers(0, 1 << 32, 64, dtype=np.uint32)
    found = np.empty(128, np.uint32)
    softgpu.check(kernels.run_bulk_between(pointer(source), pointer(found)))
    np.testing.assert_array_equal(found, np.tile(source, 2))


OPERATIONS = {
    "add": lambda old, x: old + x,
    "min": np.minimum,
    "max": np.maximum,
    "inc": lambda old, x: np.where(old >= x, 0, old + 1).astype(old.dtype),
    "dec": lambda old, x: np.where((old == 0) | (old > x), x, old - 1).astype(old.dtype),
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
REDUCTIONS = [
    *("add-u32", "add-s32", "add-u64", "inc-u32", "dec-u32", "min-u32", "max-u32", "min-s32"),
    *("max-s32", "min-u64", "max-u64", "min-s64", "max-s64", "and-u32", "or-u32", "xor-u32"),
    *("and-u64", "or-u64", "xor-u64", "add-f32", "add-f64", "add-f16", "add-bf16", "min-f16"),
    *("max-f16", "min-bf16", "max-bf16"),
]  # in the order of REDUCE in conformance/async_bulk_sm90a.cu


def random_elements(kind: str, count: int, rng) -> np.ndarray:
    if kind == "bf16":
        return bf16(rng.integers(-100, 101, count))  # sums are exact in 8 bits
    if kind[0] == "f":
        return rng.standard_normal(count).astype(DTYPES[kind])
    bits = np.dtype(DTYPES[kind]).itemsize * 8
    data = rng.integers(0, 1 << 32, count * bits // 32, dtype=np.uint32).view(DTYPES[kind])
    return np.where(rng.integers(0, 4, count) == 0, data % 4, data).astype(DTYPES[kind])


def bf16(values: np.ndarray) -> np.ndarray:
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def from_bf16(codes: np.ndarray) -> np.ndarray:
    return (codes.astype(np.uint32) << 16).view(np.float32)


def apply(operation: str, kind: str, old: np.ndarray, operand: np.ndarray) -> np.ndarray:
    if kind == "bf16":
        return bf16(OPERATIONS[operation](from_bf16(old), from_bf16(operand)))
    return OPERATIONS[operation](old, operand)


@pytest.mark.parametrize("form", range(len(REDUCTIONS)), ids=REDUCTIONS)
def test_bulk_reduction(softgpu, kernels, rng, form):
    operation, kind = REDUCTIONS[form].split("-")
    count = 256 // np.dtype(DTYPES[kind]).itemsize
    old, operand = (random_elements(kind, count, rng) for _ in range(2))
    expected = apply(operation, kind, old, operand)
    softgpu.check(kernels.run_bulk_reduce(form, pointer(operand), pointer(old)))
    np.testing.assert_array_equal(old, expected)


def test_bulk_reduction_between_blocks(softgpu, kernels, rng):
    operand, old = (random_elements("s32", 64, rng) for _ in range(2))
    expected = old + operand
    softgpu.check(kernels.run_bulk_reduce_between(pointer(operand), pointer(old)))
    np.testing.assert_array_equal(old, expected)


# ---- tensor copies ----

BOXES = [
    Box("u8", (100,), (64,), (16,)),
    Box("u8", (100,), (64,), (-20,)),
    Box("u8", (100,), (64,), (70,)),
    Box("u8", (100,), (64,), (200,)),
    Box("s32", (40, 30), (16, 8), (8, 5)),
    Box("s32", (40, 30), (16, 8), (-3, -2)),
    Box("s32", (40, 30), (16, 8), (33, 27), padding=48),
    Box("f16", (64, 24), (64, 16), (0, 4), "128B"),
    Box("f16", (60, 24), (64, 16), (8, 12), "128B"),
    Box("u8", (64, 24), (64, 24), (0, 0), "64B"),
    Box("u8", (64, 40), (32, 40), (16, 3), "32B"),
    Box("f32", (9, 6), (8, 4), (4, 4), fill=1),
    Box("f16", (9, 6), (8, 4), (-4, -1), fill=1),
    Box("bf16", (40, 6), (32, 8), (16, 0), "64B", fill=1),
    Box("u64", (6, 5, 4), (4, 3, 2), (1, 3, 3)),
    Box("u16", (32, 5, 4), (16, 3, 3), (20, -1, 2), "32B"),
    Box("f64", (8, 4, 3, 5), (2, 3, 2, 2), (5, 2, -1, 4)),
    Box("u32", (8, 4, 3, 2, 5), (4, 2, 2, 2, 3), (5, 3, 2, 1, 3)),
    Box("u8", (256, 300), (256, 256), (0, 100)),
]


def run_tensor(softgpu, kernels, direction: int, box: Box, memory, image) -> None:
    shape, at = box.shape(), (ctypes.c_int * 5)(*box.at)
    status = kernels.run_tensor_copy(
        direction, pointer(memory), ctypes.c_int64(memory.nbytes), ctypes.byref(shape), at,
        pointer(image), image.nbytes,
    )  # fmt: skip
    assert status != -1, "the tensor map was refused"
    softgpu.check(status)


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_tensor_load(softgpu, kernels, rng, box):
    memory, tensor = box.memory(rng)
    elements = np.zeros(box.box[::-1], tensor.dtype)
    outside = np.ones(box.box[::-1], bool)
    of_tensor, of_box = box.inside()
    elements[of_box] = tensor[of_tensor]
    outside[of_box] = False
    image = np.zeros(elements.nbytes, np.uint8)
    run_tensor(softgpu, kernels, LOAD, box, memory, image)
    if not box.fill:
        np.testing.assert_array_equal(image, box.image(elements))
        return
    found = box.elements(image).view(tensor.dtype).reshape(outside.shape)
    np.testing.assert_array_equal(found[~outside], elements[~outside])
    values = from_bf16(found) if box.kind == "bf16" else found
    assert np.isnan(values[outside]).all()


@pytest.mark.parametrize("box", [box for box in BOXES if not box.fill], ids=str)
def test_tensor_store(softgpu, kernels, rng, box):
    memory, tensor = box.memory(rng)
    data = rng.integers(0, 256, int(np.prod(box.box)) * box.width, dtype=np.uint8)
    elements = data.view(tensor.dtype).reshape(box.box[::-1])
    expected = memory.copy()
    of_tensor, of_box = box.inside()
    expected.view(tensor.dtype)[..., : box.size[0]][of_tensor] = elements[of_box]
    run_tensor(softgpu, kernels, STORE, box, memory, box.image(elements))
    np.testing.assert_array_equal(memory, expected)


TENSOR_REDUCTIONS = [
    *(("u32", operation) for operation in TENSOR_OPERATIONS),
    *(("s32", operation) for operation in ("add", "min", "max", "and", "xor")),
    *(("u64", operation) for operation in ("add", "min", "or")),
    *(("f16", operation) for operation in ("add", "min", "max")),
    *(("bf16", operation) for operation in ("add", "max")),
    ("f32", "add"),
]


@pytest.mark.parametrize(("kind", "operation"), TENSOR_REDUCTIONS)
def test_tensor_reduction(softgpu, kernels, rng, kind, operation):
    box = Box(kind, (40, 30), (16, 8), (33, -3))
    memory, tensor = box.memory(rng)
    tensor[...] = random_elements(kind, tensor.size, rng).reshape(tensor.shape)
    elements = random_elements(kind, 128, rng).reshape(8, 16)
    expected = tensor.copy()
    of_tensor, of_box = box.inside()
    expected[of_tensor] = apply(operation, kind, tensor[of_tensor], elements[of_box])
    image = box.image(elements)
    run_tensor(softgpu, kernels, TENSOR_OPERATIONS[operation], box, memory, image)
    np.testing.assert_array_equal(tensor, expected)


@pytest.mark.parametrize("blocks", [0b1111, 0b0101, 0b1000])
def test_multicast_reaches_the_blocks_of_its_mask(softgpu, kernels, rng, blocks):
    quarter = 128
    tensor = rng.integers(0, 256, (4, quarter), dtype=np.uint8)
    images = np.empty((4, 4 * quarter), np.uint8)
    softgpu.check(kernels.run_multicast(pointer(tensor), quarter, blocks, pointer(images)))
    for rank in range(4):
        expected = tensor.ravel() * (blocks >> rank & 1)
        np.testing.assert_array_equal(images[rank], expected)


# ---- cuTensorMapEncodeTiled ----

GOOD = Box("u8", (128, 64), (128, 64), (0, 0), "128B")


def with_fields(**fields):
    shape = GOOD.shape()
    for name, value in fields.items():
        if isinstance(value, tuple):
            getattr(shape, name)[value[0]] = value[1]
        else:
            setattr(shape, name, value)
    return shape


ENCODED = [
    ("as it is", {}, 0, True),
    ("address not a multiple of 16", {}, 8, False),
    ("rank 0", {"rank": 0}, 0, False),
    ("rank 6", {"rank": 6}, 0, False),
    ("size 0", {"size": (1, 0)}, 0, False),
    ("size 2^32", {"size": (1, 1 << 32)}, 0, True),
    ("size above 2^32", {"size": (1, (1 << 32) + 1)}, 0, False),
    ("stride not a multiple of 16", {"stride": (0, 136)}, 0, False),
    ("stride 2^40", {"stride": (0, 1 << 40)}, 0, False),
    ("stride just below", {"stride": (0, (1 << 40) - 16)}, 0, True),
    ("box 0", {"box": (1, 0)}, 0, False),
    ("box 256", {"box": (1, 256)}, 0, True),
    ("box 257", {"box": (1, 257)}, 0, False),
    ("rows of 24 bytes in the box", {"box": (0, 24)}, 0, False),
    ("rows longer than the swizzle", {"box": (0, 144)}, 0, False),
    ("no swizzle for long rows", {"box": (0, 144), "swizzle": 0}, 0, True),
    ("rows longer than the 64-byte swizzle", {"swizzle": 2}, 0, False),
    ("no such swizzle", {"swizzle": 9}, 0, False),
    ("no such type", {"type": 99}, 0, False),
    ("NaN fill of integers", {"fill": 1}, 0, False),
]


@pytest.mark.parametrize(("fields", "offset", "valid"), [case[1:] for case in ENCODED],
                         ids=[case[0] for case in ENCODED])  # fmt: skip
def test_tensor_map_rules(softgpu, fields, offset, valid):
    library = softgpu.load("softgpu_async")
    status = library.run_encode(ctypes.byref(with_fields(**fields)), ctypes.c_int64(offset))
    assert status == (0 if valid else 1)  # CUDA_ERROR_INVALID_VALUE
