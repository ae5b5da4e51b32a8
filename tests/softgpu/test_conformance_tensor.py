"""Instructions of the tensor cores agree with the PTX manual: each form, on random operands.

Operands are integers, also of floats, so that every order of summing gives the same result; one
test bounds the error on others.
"""

import ctypes

import numpy as np
import pytest

from .conformance import tensor_reference as reference
from .conformance.tensor_forms import BITS, MMA_FORMS, WGMMA_FORMS, MmaForm, WgmmaForm
from .conformance.tensor_generate import PER_FILE

LANES = 32
IMAGE_WORDS = 256  # kImageBytes of conformance/tensor_matrix.cu


class WgmmaRun(ctypes.Structure):
    """As in conformance/wgmma_run.cuh."""

    _fields_ = (
        ("image", ctypes.c_void_p),
        ("words", ctypes.c_int32),
        ("a", ctypes.c_void_p),
        ("d", ctypes.c_void_p),
        ("a_descriptor", ctypes.c_uint64),
        ("b_descriptor", ctypes.c_uint64),
        ("scale_d", ctypes.c_int32),
    )


@pytest.fixture
def kernels(softgpu):
    return softgpu.load("softgpu_tensor")


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


# ---- mma ----


def run_mma(softgpu, kernels, form: MmaForm, a, b, c) -> np.ndarray:
    """D ``[m, 8]`` of encoded operands."""
    bits = BITS[form.a]
    in_a = reference.pack(reference.a_fragments(a, bits), bits)
    in_b = reference.pack(reference.b_fragments(b, bits), bits)
    places = reference.c_places(form.m)
    in_c = np.ascontiguousarray(c[places])
    d = np.empty_like(in_c)
    number = MMA_FORMS.index(form)
    in_a, in_b = np.ascontiguousarray(in_a), np.ascontiguousarray(in_b)
    softgpu.check(kernels.run_mma(number, *map(pointer, (in_a, in_b, in_c, d))))
    matrix = np.empty((form.m, 8), reference.decode(form.c, d).dtype)
    matrix[places] = reference.decode(form.c, d)
    return matrix


@pytest.mark.parametrize("form", MMA_FORMS, ids=str)
def test_mma(softgpu, kernels, rng, form):
    a = reference.random_values(form.a, (form.m, form.k), rng)
    b = reference.random_values(form.b, (form.k, 8), rng)
    c = reference.random_c(form, (form.m, 8), rng)
    codes = [reference.encode(kind, x) for kind, x in ((form.a, a), (form.b, b), (form.c, c))]
    found = run_mma(softgpu, kernels, form, *codes)
    np.testing.assert_array_equal(found, reference.multiply(a, b, c, form.c, form.saturate))


def test_mma_ignores_bits_that_tf32_lacks(softgpu, kernels, rng):
    form = MmaForm(16, 8, "tf32", "tf32", "f32")
    a, b = rng.integers(1, 9, (16, 8)), rng.integers(1, 9, (8, 8))
    c = np.zeros((16, 8))
    low = rng.integers(0, 1 << 13, (16, 8)).astype(np.uint32)
    codes = [reference.encode("tf32", a) | low, reference.encode("tf32", b)]
    found = run_mma(softgpu, kernels, form, *codes, reference.encode("f32", c))
    np.testing.assert_array_equal(found, a @ b)


FLOAT_FORMS = [form for form in MMA_FORMS if form.a in ("f16", "bf16", "tf32")]


@pytest.mark.parametrize("form", FLOAT_FORMS, ids=str)
def test_mma_rounds_within_bounds(softgpu, kernels, rng, form):
    def sample(shape):
        codes = reference.encode(form.a, rng.standard_normal(shape))
        if form.a == "tf32":
            codes &= np.uint32(0xFFFFE000)
        views = {"f16": np.float16, "tf32": np.float32}
        if form.a == "bf16":
            return codes, (codes.astype(np.uint32) << 16).view(np.float32)
        return codes, codes.view(views[form.a])

    (a_codes, a), (b_codes, b) = sample((form.m, form.k)), sample((form.k, 8))
    c = rng.standard_normal((form.m, 8)).astype({"f16": np.float16, "f32": np.float32}[form.c])
    found = run_mma(softgpu, kernels, form, a_codes, b_codes, reference.encode(form.c, c))
    a, b, c = (x.astype(float) for x in (a, b, c))
    magnitude = np.abs(a) @ np.abs(b) + np.abs(c)
    # Each of k + 1 additions may truncate a sum of at most `magnitude` to 24 bits; then one
    # rounding to the accumulator's type, for which truncation is allowed too.
    final = {"f16": 2.0**-10, "f32": 2.0**-23}[form.c]
    bound = (form.k + 1) * 2.0**-23 * magnitude + final * np.abs(a @ b + c)
    assert (np.abs(found - (a @ b + c)) <= bound + 2.0**-24).all()


# ---- wgmma ----


def run_wgmma(softgpu, kernels, form: WgmmaForm, a, b, c, mode="128B", piece=0, scale_d=True):
    """D ``[64, n]`` of encoded A ``[64, k]``, B ``[n, k]`` and C."""
    a_image, a_descriptor = reference.operand_image(a, mode, form.transpose_a, piece)
    b_image, b_descriptor = reference.operand_image(b, mode, form.transpose_b, piece)
    image = np.concatenate([a_image, b_image])
    warps = [slice(16 * warp, 16 * warp + 16) for warp in range(4)]
    places = reference.c_places(16, form.n)
    registers = np.zeros((4, LANES, 16), np.uint8)
    if form.a_in_registers:
        bits = BITS[form.a]
        fragments = [reference.pack(reference.a_fragments(a[rows], bits), bits) for rows in warps]
        registers = np.ascontiguousarray(fragments)
    d = np.ascontiguousarray([c[rows][places] for rows in warps])
    run = WgmmaRun(
        image.ctypes.data, image.nbytes // 4, registers.ctypes.data, d.ctypes.data,
        a_descriptor, b_descriptor + (a_image.nbytes >> 4), int(scale_d),
    )  # fmt: skip
    number = WGMMA_FORMS.index(form)
    function = kernels[f"run_wgmma_{number // PER_FILE}"]
    softgpu.check(function(number % PER_FILE, ctypes.byref(run)))
    matrix = np.empty((64, form.n), reference.decode(form.c, d).dtype)
    for rows, part in zip(warps, reference.decode(form.c, d), strict=True):
        matrix[rows][places] = part
    return matrix


def check_wgmma(softgpu, kernels, rng, form: WgmmaForm, **how):
    a = reference.random_values(form.a, (64, form.k), rng)
    b = reference.random_values(form.b, (form.n, form.k), rng)
    c = reference.random_c(form, (64, form.n), rng)
    codes = [reference.encode(kind, x) for kind, x in ((form.a, a), (form.b, b), (form.c, c))]
    found = run_wgmma(softgpu, kernels, form, *codes, **how)
    sign = -1 if form.negate_a != form.negate_b else 1
    start = c if how.get("scale_d", True) else 0 * c
    expected = reference.multiply(sign * a, b.T, start, form.c, form.saturate)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("form", WGMMA_FORMS, ids=str)
def test_wgmma(softgpu, kernels, rng, form):
    check_wgmma(softgpu, kernels, rng, form)


LAYOUTS = [("none", 0), ("32B", 0), ("64B", 0), ("64B", 1), *(("128B", p) for p in range(4))]
LAYOUT_FORMS = [
    *(WgmmaForm(n, "s8", "s8", "s32") for n in (8, 24, 256)),
    *(WgmmaForm(n, "f16", "f16", "f32") for n in (8, 72)),
    WgmmaForm(72, "tf32", "tf32", "f32"),
]
TRANSPOSED_FORMS = [form for form in WGMMA_FORMS if form.transpose_a or form.transpose_b]


@pytest.mark.parametrize(("mode", "piece"), LAYOUTS)
@pytest.mark.parametrize("form", LAYOUT_FORMS, ids=str)
def test_wgmma_layouts(softgpu, kernels, rng, form, mode, piece):
    check_wgmma(softgpu, kernels, rng, form, mode=mode, piece=piece)


@pytest.mark.parametrize("mode", ["none", "32B", "64B", "128B"])
@pytest.mark.parametrize("form", TRANSPOSED_FORMS, ids=str)
def test_wgmma_transposed_layouts(softgpu, kernels, rng, form, mode):
    check_wgmma(softgpu, kernels, rng, form, mode=mode)


@pytest.mark.parametrize("form", [LAYOUT_FORMS[0], LAYOUT_FORMS[3]], ids=str)
def test_wgmma_without_scale_d_ignores_the_accumulators(softgpu, kernels, rng, form):
    check_wgmma(softgpu, kernels, rng, form, scale_d=False)


# ---- ldmatrix, stmatrix, movmatrix ----


def random_rows(rng, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A shared memory of 16-byte rows, and which of them each lane names: none twice."""
    image = rng.integers(0, 1 << 32, IMAGE_WORDS, dtype=np.uint32)
    rows = rng.permutation(IMAGE_WORDS // 4)[:LANES]
    rows[8 * count :] = 0  # of lanes whose addresses do not matter
    return image, (16 * rows).astype(np.uint32)


def fragments(matrices: np.ndarray, transposed: bool) -> np.ndarray:
    """``[lanes, matrices, 2]``: what the lanes hold of matrices ``[count, 8, 8]``."""
    lane = np.arange(LANES)
    if transposed:
        matrices = matrices.transpose(0, 2, 1)
    columns = 2 * (lane % 4)[:, None] + np.arange(2)
    return matrices[:, (lane // 4)[:, None], columns].transpose(1, 0, 2)


@pytest.mark.parametrize("transposed", [False, True], ids=["", "trans"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_ldmatrix(softgpu, kernels, rng, count, transposed):
    image, offsets = random_rows(rng, count)
    d = np.zeros((LANES, 4, 2), np.uint16)
    arrays = map(pointer, (image, offsets, d))
    softgpu.check(kernels.run_ldmatrix(count, int(transposed), *arrays))
    rows = image.view(np.uint16).reshape(-1, 8)[offsets[: 8 * count] // 16]
    expected = fragments(rows.reshape(count, 8, 8), transposed)
    np.testing.assert_array_equal(d[:, :count], expected)


@pytest.mark.parametrize("transposed", [False, True], ids=["", "trans"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_stmatrix(softgpu, kernels, rng, count, transposed):
    image, offsets = random_rows(rng, count)
    matrices = rng.integers(0, 1 << 16, (count, 8, 8), dtype=np.uint16)
    a = np.zeros((LANES, 4, 2), np.uint16)
    a[:, :count] = fragments(matrices, transposed)
    expected = image.copy().view(np.uint16).reshape(-1, 8)
    expected[offsets[: 8 * count] // 16] = matrices.reshape(-1, 8)
    arrays = map(pointer, (image, offsets, a))
    softgpu.check(kernels.run_stmatrix(count, int(transposed), *arrays))
    np.testing.assert_array_equal(image.view(np.uint16).reshape(-1, 8), expected)


def test_movmatrix(softgpu, kernels, rng):
    matrix = rng.integers(0, 1 << 16, (1, 8, 8), dtype=np.uint16)
    a = np.ascontiguousarray(fragments(matrix, False))
    d = np.empty_like(a)
    softgpu.check(kernels.run_movmatrix(pointer(a), pointer(d)))
    np.testing.assert_array_equal(d, fragments(matrix, True))
