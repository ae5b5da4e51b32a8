"""What was built, what this machine has, and whether every kernel computes the right thing here.

Imports neither torch nor the kernels until it runs, so that it can report what keeps them from
loading.
"""

from __future__ import annotations

import importlib
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._checks import CHECKS, first_fault
from ._version import __version__

OLDEST_TORCH = (2, 10)
INSTALL_TORCH = 'pip install "torch>=2.10"'
REINSTALL = "pip install --force-reinstall --no-deps halfword (or, in a checkout: pip install -e .)"
WITH_CUDA = "HALFWORD_CUDA=ON pip install . in a checkout (needs nvcc on PATH)"
NEW_DRIVER = "update the NVIDIA driver"
REPORT_BUG = "report it, with the output of: python -m halfword doctor --json"
NOT_VECTORIZED = ("update_scale",)  # a few scalars: one kernel for every instruction set
WITH_DOT_PRODUCTS = ("gemm_int8",)  # kernels for the instruction sets that have them for bytes
WITH_BFLOAT16 = ("gemm_w4a16",)  # and for the one that has them for bfloat16

Report = dict[str, Any]


# --- what loads -----------------------------------------------------------------------------------


def examine() -> Report:
    """The whole report; its ``problems`` is a list of ``what`` and ``fix``."""
    start = time.perf_counter()
    report: Report = {
        "halfword": __version__,
        "location": str(Path(__file__).parent),
        "python": platform.python_version(),
        "system": platform.platform(),
        "torch": None,
        "build": None,
        "problems": [],
        "notes": [],
    }
    for step in (examine_torch, examine_build, examine_isa, examine_cuda, examine_kernels):
        try:
            step(report)
        except Exception as error:  # a doctor who faints helps nobody
            problem(report, f"{step.__name__}: {type(error).__name__}: {error}", REPORT_BUG)
    report["seconds"] = round(time.perf_counter() - start, 2)
    report["ok"] = not report["problems"]
    redacted: Report = redact(report)
    return redacted


def problem(report: Report, what: str, fix: str) -> None:
    report["problems"].append({"what": what, "fix": fix})


def examine_torch(report: Report) -> None:
    """Is torch there, and not too old?"""
    try:
        torch = importlib.import_module("torch")
    except Exception as error:  # an OSError, where its libraries are broken
        problem(report, f"torch cannot be imported: {error}", INSTALL_TORCH)
        return
    version = str(torch.__version__)
    report["torch"] = {
        "version": version,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "oldest": ".".join(map(str, OLDEST_TORCH)),
    }
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_TORCH:
        problem(report, f"torch {version} is older than {report['torch']['oldest']}", INSTALL_TORCH)


def examine_build(report: Report) -> None:
    """Does the native part load, and how was it built?"""
    if report["torch"] is None:
        return
    try:
        core = importlib.import_module("halfword._core")
    except Exception as error:
        what = f"the kernels cannot be loaded: {type(error).__name__}: {error}"
        problem(report, what, INSTALL_TORCH if report["problems"] else REINSTALL)
        return
    report["build"] = dict(core.build_info())
    report["cpu"] = {"machine": platform.machine(), "features": dict(core.cpu_features())}


def examine_isa(report: Report) -> None:
    """Which instruction set is used, and who chose it?"""
    if report["build"] is None:
        return
    core = importlib.import_module("halfword._core")
    supported, wanted = list(core.supported_isas()), os.environ.get("HALFWORD_ISA")
    reason = f"HALFWORD_ISA={wanted}" if wanted in supported else "the best of this machine"
    report["isa"] = {"in_use": core.isa(), "reason": reason, "supported": supported}
    if wanted is not None and wanted not in supported:
        what = f"HALFWORD_ISA must be one of {', '.join(supported)} on this machine; got {wanted!r}"
        problem(report, what, f"unset HALFWORD_ISA (or: export HALFWORD_ISA={supported[-1]})")


def examine_cuda(report: Report) -> None:
    """Do build, torch, driver and devices fit together?"""
    if report["build"] is None:
        return
    torch = importlib.import_module("torch")
    built, devices = report["build"]["cuda"], torch.cuda.is_available()
    report["cuda"] = {"built_for": None}
    if not built:
        what = "this build has no CUDA part"
        if devices:
            problem(report, f"{what}, but torch sees a CUDA device", WITH_CUDA)
        else:
            report["notes"].append({"what": what, "fix": WITH_CUDA})
        return
    info = importlib.import_module("halfword._cuda").device_info()
    report["cuda"] = info
    if devices and info["error"]:
        problem(report, f"CUDA: {info['error']}", NEW_DRIVER)
    if info["driver"] and major(info["driver"]) < major(info["built_for"]):
        what = f"the driver knows CUDA {info['driver']}; built with {info['built_for']}"
        problem(report, what, NEW_DRIVER)
    for device in info["devices"]:
        if not runs_on(info["archs"], device["capability"]):
            need, have = "sm_{}{}".format(*device["capability"]), ", ".join(info["archs"])
            what = f"{device['name']} is {need}; the kernels are for {have}"
            problem(report, what, "hide it: export CUDA_VISIBLE_DEVICES= with the others' numbers")


def major(version: str) -> int:
    return int(version.partition(".")[0])


def runs_on(archs: Sequence[str], capability: tuple[int, int]) -> bool:
    """sm_XY runs on X.Z with Z >= Y, sm_XYa on X.Y only, compute_XY on anything from X.Y."""
    for arch in archs:
        kind, _, number = arch.partition("_")
        exact, digits = number.endswith("a"), number.rstrip("af")
        have = (int(digits[:-1]), int(digits[-1]))
        if kind == "compute" and capability >= have:
            return True
        if capability == have or (
            not exact and capability[0] == have[0] and capability[1] >= have[1]
        ):
            return True
    return False


def redact(value: Any) -> Any:
    """The same without the path of the home directory."""
    if isinstance(value, dict):
        return {redact(key): redact(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact(each) for each in value]
    if isinstance(value, str):
        home = Path.home()
        for path in {str(home), str(home.resolve())} - {"/"}:
            value = value.replace(path, "~")
    return value


# --- what it computes -----------------------------------------------------------------------------


def examine_kernels(report: Report) -> None:
    """Run every op on every instruction set, and CUDA device, against a short formula."""
    if report["build"] is None:
        return
    torch = importlib.import_module("torch")
    core = importlib.import_module("halfword._core")
    package = importlib.import_module("halfword.ops")
    used, report["kernels"] = core.isa(), {}
    for name in filter(str.islower, package.__all__):  # not what an op returns
        results: dict[str, str] = {}
        report["kernels"][name] = {"kernel": kernel_of(name, used), "results": results}
        try:
            for isa in report["isa"]["supported"] if name in CHECKS else ():
                core.set_isa(isa)
                results[isa] = first_fault(getattr(package, name), CHECKS[name]) or "ok"
        finally:
            core.set_isa(used)
        good = [isa for isa, result in results.items() if result == "ok"]
        fix = f"export HALFWORD_ISA={good[-1]}, and {REPORT_BUG}" if good else REPORT_BUG
        for device in cuda_devices(torch) if name in CHECKS else ():
            with torch.device(device):  # where a check makes its tensors
                results[device] = first_fault(getattr(package, name), CHECKS[name]) or "ok"
            if results[device] != "ok":
                problem(report, f"{name} on {device}: {results[device]}", REPORT_BUG)
        for isa in sorted(results.keys() & set(report["isa"]["supported"]) - set(good)):
            problem(report, f"{name} on {isa}: {results[isa]}", fix)


def kernel_of(op: str, isa: str) -> str:
    """The kernel that an op uses with an instruction set."""
    if op in NOT_VECTORIZED:
        return op
    if op in WITH_DOT_PRODUCTS:
        without = {"avx512": "avx2", "avx512bf16": "avx512vnni"}
    elif op in WITH_BFLOAT16:
        without = {"avxvnni": "avx2", "avx512vnni": "avx512"}
    else:
        without = {"avxvnni": "avx2", "avx512vnni": "avx512", "avx512bf16": "avx512"}
    return f"{op}_{without.get(isa, isa)}"


def cuda_devices(torch: Any) -> list[str]:
    """The devices that torch sees and the kernels are loaded for."""
    if not importlib.import_module("halfword._cuda").is_loaded():
        return []
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
