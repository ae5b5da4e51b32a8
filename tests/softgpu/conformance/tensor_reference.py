"""Matrix instructions in numpy: elements, fragments and shared memory layouts of the PTX manual.

``g`` is a lane's group, lane // 4; ``t`` its place in the group, lane % 4; ``i`` counts the
elements of a lane's fragment, as in the manual's figures.
"""

import numpy as np

from .tensor_forms import BITS, MmaForm, WgmmaForm

LANES = 32

# ---- elements ----


def _fp8_values(exponent_bits: int) -> np.ndarray:
    code = np.arange(256)
    mantissa_bits = 7 - exponent_bits
    bias = 2 ** (exponent_bits - 1) - 1
    exponent = code >> mantissa_bits & (1 << exponent_bits) - 1
    fraction = (code & (1 << mantissa_bits) - 1) / 2**mantissa_bits
    magnitude = np.where(
        exponent == 0,
        fraction * 2.0 ** (1 - bias),
        (1 + fraction) * 2.0 ** (exponent.astype(float) - bias),
    )
    return np.where(code >= 128, -magnitude, magnitude)


FP8 = {"e4m3": _fp8_values(4), "e5m2": _fp8_values(5)}


def encode(kind: str, values: np.ndarray) -> np.ndarray:
    """Codes of values that the type can represent, as unsigned integers of its width."""
    if kind in FP8:
        table = {value: code for code, value in reversed(list(enumerate(FP8[kind])))}
        return np.vectorize(table.__getitem__, otypes=[np.uint8])(values.astype(float))
    if kind == "f16":
        return values.astype(np.float16).view(np.uint16)
    if kind == "bf16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if kind in ("f32", "tf32"):
        return values.astype(np.float32).view(np.uint32)
    if kind == "f64":
        return values.astype(np.float64).view(np.uint64)
    if kind == "s32":
        return values.astype(np.int64).astype(np.uint32)
    return (values.astype(np.int64) & (1 << BITS[kind]) - 1).astype(np.uint8)


def decode(kind: str, codes: np.ndarray) -> np.ndarray:
    """Accumulators back to numbers."""
    views = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "s32": np.int32}
    return codes.view(views[kind])


def random_values(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Integers that the type holds exactly: all of them, or small ones of a float."""
    if kind[0] in "su":
        low = -(1 << BITS[kind] - 1) if kind[0] == "s" else 0
        return rng.integers(low, low + (1 << BITS[kind]), shape)
    return rng.integers(-8, 9, shape)  # in e5m2, 9 would be rounded


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Bytes of the last axis, the first element lowest."""
    if bits != 4:
        return np.ascontiguousarray(codes).view(np.uint8)
    return codes[..., 0::2] | codes[..., 1::2] << 4


# ---- fragments ----

# (rows, k, bits of an element): rows and columns of A's fragment; k is along columns.
A_FRAGMENTS = {
    (16, 16, 16): (4 * 2, lambda g, t, i: (g + 8 * (i // 2 % 2), 2 * t + i % 2 + 8 * (i // 4))),
    (16, 8, 16): (2 * 2, lambda g, t, i: (g + 8 * (i // 2), 2 * t + i % 2)),
    (16, 4, 32): (2, lambda g, t, i: (g + 8 * i, t)),
    (16, 8, 32): (4, lambda g, t, i: (g + 8 * (i % 2), t + 4 * (i // 2))),
    (8, 4, 64): (1, lambda g, t, i: (g, t + i)),
    (8, 16, 8): (4, lambda g, t, i: (g, 4 * t + i)),
    (16, 16, 8): (8, lambda g, t, i: (g + 8 * (i // 4), 4 * t + i % 4)),
    (16, 32, 8): (16, lambda g, t, i: (g + 8 * (i // 4 % 2), 4 * t + i % 4 + 16 * (i // 8))),
    (8, 32, 4): (8, lambda g, t, i: (g, 8 * t + i)),
    (16, 32, 4): (16, lambda g, t, i: (g + 8 * (i // 8), 8 * t + i % 8)),
    (16, 64, 4): (32, lambda g, t, i: (g + 8 * (i // 8 % 2), 8 * t + i % 8 + 32 * (i // 16))),
}
# (k, bits): k of B's fragment; its column is g.
B_FRAGMENTS = {
    (16, 16): (4, lambda t, i: 2 * t + i % 2 + 8 * (i // 2)),
    (8, 16): (2, lambda t, i: 2 * t + i),
    (4, 32): (1, lambda t, i: t + i),
    (8, 32): (2, lambda t, i: t + 4 * i),
    (4, 64): (1, lambda t, i: t + i),
    (16, 8): (4, lambda t, i: 4 * t + i),
    (32, 8): (8, lambda t, i: 4 * t + i % 4 + 16 * (i // 4)),
    (32, 4): (8, lambda t, i: 8 * t + i),
    (64, 4): (16, lambda t, i: 8 * t + i % 8 + 32 * (i // 8)),
}


def _indices(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lane, i = np.arange(LANES)[:, None], np.arange(count)[None, :]
    return lane // 4 + 0 * i, lane % 4 + 0 * i, i + 0 * lane


def a_fragments(a: np.ndarray, bits: int) -> np.ndarray:
    """``[lanes, elements]`` of A ``[m, k]``."""
    count, place = A_FRAGMENTS[(*a.shape, bits)]
    return a[place(*_indices(count))]


def b_fragments(b: np.ndarray, bits: int) -> np.ndarray:
    """``[lanes, elements]`` of B ``[k, 8]``."""
    count, place = B_FRAGMENTS[b.shape[0], bits]
    g, t, i = _indices(count)
    return b[place(t, i), g]


def c_places(rows: int, columns: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the elements of C: ``[lanes, elements]``."""
    g, t, i = _indices(rows * columns // LANES)
    if rows == 8:
        return g, 2 * t + i
    return g + 8 * (i // 2 % 2), 2 * t + i % 2 + 8 * (i // 4)


# ---- results ----


def multiply(a: np.ndarray, b: np.ndarray, c: np.ndarray, kind: str, saturate: bool) -> np.ndarray:
    """``a @ b + c`` for operands on which that is exact."""
    if kind != "s32":
        return (a.astype(float) @ b.astype(float) + c).astype(
            {"f16": np.float16, "f32": np.float32, "f64": np.float64}[kind]
        )
    exact = a.astype(np.int64) @ b.astype(np.int64) + c
    if saturate:
        exact = np.clip(exact, -(2**31), 2**31 - 1)
    return exact.astype(np.uint64).astype(np.uint32).view(np.int32)


def random_c(form: MmaForm | WgmmaForm, shape: tuple[int, int], rng) -> np.ndarray:
    if form.c == "s32":  # near the ends, so that sums leave the range
        near = rng.integers(-(2**18), 2**18, shape)
        ends = rng.choice([-(2**31) + 2**18, 0, 2**31 - 2**18 - 1], shape)
        return near + ends
    return rng.integers(-256, 257, shape)


# ---- shared memory of wgmma ----

SPANS = {"none": 16, "32B": 32, "64B": 64, "128B": 128}
MODE_BITS = {"none": 0, "128B": 1, "64B": 2, "32B": 3}


def swizzle(offset: np.ndarray, mode: str) -> np.ndarray:
    """Swizzle<B, 4, 3> on byte offsets."""
    bits = {"none": 0, "32B": 1, "64B": 2, "128B": 3}[mode]
    return offset ^ ((offset >> 7) & (1 << bits) - 1) << 4


def operand_image(
    codes: np.ndarray, mode: str, transposed: bool, piece: int = 0
) -> tuple[np.ndarray, int]:
    """Shared memory that holds an operand ``[rows, k]``, and its descriptor from start 0.

    ``piece`` says which 32 bytes of a swizzled K-major row hold the operand. Swizzled operands are
    without gaps; others have 128 bytes between their pieces.
    """
    width = codes.dtype.itemsize
    rows, k = codes.shape
    row, column = np.meshgrid(np.arange(rows), np.arange(k), indexing="ij")
    along, across = (row, column) if transposed else (column, row)  # along the 16-byte chunks
    chunk, inside = along * width // 16, along * width % 16
    span, start = SPANS[mode], 0
    if mode == "none" and not transposed:
        leading, stride = 256, 512
        offset = across // 8 * stride + across % 8 * 16 + chunk * leading
    elif mode == "none":
        leading, stride = 256 * (rows // 8), 256
        offset = chunk * stride + across // 8 * leading + across % 8 * 16
    elif not transposed:
        leading, stride = 16, 8 * span
        start = piece * 32 % span
        offset = start + across // 8 * stride + across % 8 * span + chunk * 16
    else:
        chunks = span // 16
        stride = 8 * span
        leading = stride * (k // 8)
        offset = (
            chunk // chunks * leading
            + chunk % chunks * 16
            + across // 8 * stride
            + across % 8 * span
        )
    place = swizzle(offset, mode) + inside
    image = np.full(-(-(int(place.max()) + width) // 1024) * 1024, 0xA5, np.uint8)
    data = np.ascontiguousarray(codes).view(np.uint8).reshape(rows, k, width)
    for byte in range(width):
        image[place + byte] = data[:, :, byte]
    fields = start >> 4 | leading >> 4 << 16 | stride >> 4 << 32
    return image, fields | MODE_BITS[mode] << 62
