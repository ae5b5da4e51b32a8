"""The CUDA library: its kernels for a torch that has CUDA, and what it says of devices."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch

from . import _core

_PATH = Path(_core.__file__).with_name("libhalfword_cuda.so")


class _Device(ctypes.Structure):
    """``HalfwordCudaDevice`` of csrc/cuda/device_info.cu."""

    _fields_ = (
        ("name", ctypes.c_char * 256),
        ("major", ctypes.c_int32),
        ("minor", ctypes.c_int32),
        ("memory", ctypes.c_uint64),
    )


def library_path() -> Path:
    """Where the library is, if this build has it."""
    return _PATH


def is_built() -> bool:
    """Whether this build of halfword has its CUDA part."""
    return _PATH.exists()


def load() -> None:
    """Register the kernels with torch, if both sides have CUDA."""
    if torch.version.cuda is not None and is_built():
        _library()


def is_loaded() -> bool:
    """Whether the library, and with it the kernels, is in this process."""
    return _library.cache_info().currsize > 0


def forget_adam_plan(number: int) -> None:
    """Free the plan of this number, if there is one."""
    if is_loaded():
        _library().halfword_forget_adam_plan(ctypes.c_int64(number))


def device_info() -> dict[str, Any]:
    """What the CUDA part was built for, and the driver and devices of this machine.

    Returns:
        ``built_for``: CUDA version, ``None`` without a CUDA part;
        ``archs``: architectures it has code for;
        ``driver``: the newest CUDA version the driver knows, ``None`` without a driver;
        ``devices``: a dict of ``name``, ``capability`` and ``memory`` (bytes) for each;
        ``error``: why there are no devices, or ``None``.
    """
    build = _core.build_info()
    info: dict[str, Any] = {
        "built_for": build["cuda"] or None,
        "archs": build["cuda_archs"].split(", ") if build["cuda_archs"] else [],
        "driver": None,
        "devices": [],
        "error": None,
    }
    if not is_built():
        return info | {"error": "halfword was built without its CUDA part"}
    library = _library()
    info["built_for"] = _version(library.halfword_cuda_runtime_version())
    info["driver"] = _version(library.halfword_cuda_driver_version())
    count = ctypes.c_int32()
    status = library.halfword_cuda_device_count(ctypes.byref(count))
    for index in range(count.value):
        device = _Device()
        status = library.halfword_cuda_device(index, ctypes.byref(device))
        if status == 0:
            info["devices"].append(_describe(device))
    if status != 0:
        info["error"] = library.halfword_cuda_error_text(status).decode()
    return info


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_PATH))
    library.halfword_cuda_error_text.restype = ctypes.c_char_p
    return library


def _version(number: int) -> str | None:
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def _describe(device: _Device) -> dict[str, Any]:
    return {
        "name": device.name.decode(),
        "capability": (device.major, device.minor),
        "memory": device.memory,
    }
