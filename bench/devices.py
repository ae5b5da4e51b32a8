"""Facts about a CUDA device, for a report: what it is, and how it was clocked."""

import os
import subprocess
from typing import Any

import torch

CLOCKS = {
    "sm_mhz": "clocks.sm",
    "memory_mhz": "clocks.mem",
    "temperature_c": "temperature.gpu",
    "power_w": "power.draw",
}
FACTS = {
    "driver": "driver_version",
    "power_limit_w": "power.limit",
    "largest_sm_mhz": "clocks.max.sm",
    "largest_memory_mhz": "clocks.max.mem",
}
QUERY_LIMIT_S = 20


def query(fields: dict[str, str], gpu: str | None = None) -> dict[str, float | str | None]:
    """What nvidia-smi says; None for what it does not know, and for all where it is not there."""
    command = ["nvidia-smi", f"--query-gpu={','.join(fields.values())}",
               "--format=csv,noheader,nounits", *([f"--id={gpu}"] if gpu else [])]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=QUERY_LIMIT_S
        )
    except (OSError, subprocess.SubprocessError):
        return dict.fromkeys(fields)
    values = [word.strip() for word in (done.stdout.splitlines() or [""])[0].split(",")]
    if len(values) != len(fields):
        return dict.fromkeys(fields)
    return {name: number(value) for name, value in zip(fields, values, strict=True)}


def number(text: str) -> float | str | None:
    """A number where it is one; None for nvidia-smi's ways to say that it does not know."""
    try:
        return float(text)
    except ValueError:
        return None if not text or text.startswith("[") else text


def gpu_of(device: torch.device) -> str | None:
    """For nvidia-smi, which counts devices that CUDA_VISIBLE_DEVICES hides: an index would not do.
    None where there is only one."""
    if torch.cuda.device_count() == 1 and "CUDA_VISIBLE_DEVICES" not in os.environ:
        return None
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return None if uuid is None else f"GPU-{uuid}"


def describe(device: torch.device) -> dict[str, Any]:
    """Name, size, versions, limits, and the clocks now."""
    properties, gpu = torch.cuda.get_device_properties(device), gpu_of(device)
    return {
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "l2_bytes": getattr(properties, "L2_cache_size", None),
        "cuda": torch.version.cuda,
        **query(FACTS, gpu),
        "clocks_at_start": query(CLOCKS, gpu),
    }


def clocks(device: torch.device) -> dict[str, float | str | None]:
    """The clocks now."""
    return query(CLOCKS, gpu_of(device))
