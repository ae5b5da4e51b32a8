"""Facts of the build and of the CPU, and the choice of instruction set."""

def build_info() -> dict[str, str]:
    """How the library was built: compiler, build type, CUDA."""

def cpu_features() -> dict[str, bool]:
    """Which of the features that kernels use this CPU has."""

def supported_isas() -> list[str]:
    """Instruction sets this machine can run, best last."""

def isa() -> str:
    """The instruction set in use."""

def set_isa(name: str) -> None:
    """Use this instruction set from now on. ValueError if the machine lacks it."""

def forget_adam_plan(number: int) -> None:
    """Free the plan of this number, if there is one."""
