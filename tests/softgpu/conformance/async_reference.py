"""Asynchronous copies in Python, from the PTX manual and CUDA's documentation."""

import ctypes
from typing import NamedTuple

import numpy as np

from .tensor_reference import swizzle

# CUtensorMapDataType
TYPES = {"u8": 0, "u16": 1, "u32": 2, "s32": 3, "u64": 4, "s64": 5, "f16": 6, "f32": 7, "f64": 8,
         "bf16": 9}  # fmt: skip
SWIZZLES = {"none": 0, "32B": 1, "64B": 2, "128B": 3}  # CUtensorMapSwizzle
DTYPES = {"u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "s32": np.int32, "u64": np.uint64,
          "s64": np.int64, "f16": np.float16, "f32": np.float32, "f64": np.float64,
          "bf16": np.uint16}  # fmt: skip


class TensorMapShape(ctypes.Structure):
    """As in kernels/tensor_maps.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("rank", ctypes.c_uint32),
        ("size", ctypes.c_uint64 * 5),
        ("stride", ctypes.c_uint64 * 4),
        ("box", ctypes.c_uint32 * 5),
        ("swizzle", ctypes.c_int),
        ("fill", ctypes.c_int),
    )


class Box(NamedTuple):
    """A tensor and a box of it, sizes innermost first; rows of `padding` more bytes than needed."""

    kind: str
    size: tuple[int, ...]
    box: tuple[int, ...]
    at: tuple[int, ...]
    swizzle: str = "none"
    fill: int = 0
    padding: int = 0

    def __str__(self) -> str:
        shape = "x".join(map(str, self.box))
        extras = f"-{self.swizzle}" * (self.swizzle != "none") + "-nan" * self.fill
        return f"{self.kind}-{shape}-at-{','.join(map(str, self.at))}{extras}"

    @property
    def width(self) -> int:
        return np.dtype(DTYPES[self.kind]).itemsize

    @property
    def row_bytes(self) -> int:
        return -(-self.size[0] * self.width // 16) * 16 + self.padding

    def shape(self) -> TensorMapShape:
        shape = TensorMapShape(type=TYPES[self.kind], rank=len(self.size), fill=self.fill)
        shape.swizzle = SWIZZLES[self.swizzle]
        stride = self.row_bytes
        for d, (size, box) in enumerate(zip(self.size, self.box, strict=True)):
            shape.size[d], shape.box[d] = size, box
            if d > 0:
                shape.stride[d - 1] = stride
                stride *= size
        return shape

    def memory(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Random bytes, and the tensor in them as an array, outermost dimension first."""
        outer = self.size[:0:-1]
        data = rng.integers(0, 256, (*outer, self.row_bytes), dtype=np.uint8)
        tensor = data.view(DTYPES[self.kind])[..., : self.size[0]]
        return data, tensor

    def inside(self) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Which part of the tensor the box covers, and which part of the box that is."""
        of_tensor, of_box = [], []
        for size, box, at in zip(self.size[::-1], self.box[::-1], self.at[::-1], strict=True):
            low, high = max(at, 0), max(min(at + box, size), max(at, 0))
            of_tensor.append(slice(low, high))
            of_box.append(slice(low - at, high - at))
        return tuple(of_tensor), tuple(of_box)

    def image(self, elements: np.ndarray) -> np.ndarray:
        """Shared memory that holds the box's elements (outermost dimension first)."""
        data = np.ascontiguousarray(elements).view(np.uint8).ravel()
        image = np.empty_like(data)
        image[swizzle(np.arange(data.size), self.swizzle)] = data
        return image

    def elements(self, image: np.ndarray) -> np.ndarray:
        """The bytes of the box's elements, in order."""
        return image[swizzle(np.arange(image.size), self.swizzle)]
