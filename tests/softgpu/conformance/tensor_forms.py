"""The forms of mma and wgmma: what tensor_generate.py makes kernels of, and the tests run."""

from dataclasses import dataclass
from itertools import product

BITS = {"s4": 4, "u4": 4, "s8": 8, "u8": 8, "e4m3": 8, "e5m2": 8, "f16": 16, "bf16": 16,
        "tf32": 32, "f32": 32, "s32": 32, "f64": 64}  # fmt: skip


@dataclass(frozen=True)
class MmaForm:
    """``mma.sync.aligned.m{m}n8k{k}.row.col{.satfinite}.{c}.{a}.{b}.{c}``."""

    m: int
    k: int
    a: str
    b: str
    c: str
    saturate: bool = False

    @property
    def word(self) -> int:
        """Bytes of a register."""
        return 8 if self.a == "f64" else 4

    @property
    def a_registers(self) -> int:
        return self.m * self.k * BITS[self.a] // (8 * self.word * 32)

    @property
    def b_registers(self) -> int:
        return 8 * self.k * BITS[self.b] // (8 * self.word * 32)

    @property
    def c_registers(self) -> int:
        return self.m * 8 * BITS[self.c] // (8 * self.word * 32)

    def __str__(self) -> str:
        saturate = "-satfinite" if self.saturate else ""
        return f"m{self.m}n8k{self.k}-{self.c}-{self.a}-{self.b}{saturate}"


def _integer_forms() -> list[MmaForm]:
    shapes = {"8": ((8, 16), (16, 16), (16, 32)), "4": ((8, 32), (16, 32), (16, 64))}
    return [
        MmaForm(m, k, a + width, b + width, "s32", saturate)
        for width, of_width in shapes.items()
        for (m, k), a, b, saturate in product(of_width, "su", "su", (False, True))
    ]


MMA_FORMS = [
    *_integer_forms(),
    *(MmaForm(16, k, "f16", "f16", c) for k in (8, 16) for c in ("f16", "f32")),
    *(MmaForm(16, k, "bf16", "bf16", "f32") for k in (8, 16)),
    *(MmaForm(16, k, "tf32", "tf32", "f32") for k in (4, 8)),
    MmaForm(8, 4, "f64", "f64", "f64"),
]


@dataclass(frozen=True)
class WgmmaForm:
    """``wgmma.mma_async.sync.aligned.m64n{n}k{k}{.satfinite}.{c}.{a}.{b}`` and its immediates."""

    n: int
    a: str
    b: str
    c: str
    saturate: bool = False
    a_in_registers: bool = False
    transpose_a: bool = False
    transpose_b: bool = False
    negate_a: bool = False
    negate_b: bool = False

    @property
    def k(self) -> int:
        return 256 // BITS[self.a]

    @property
    def registers(self) -> int:
        return self.n * BITS[self.c] // 64

    def __str__(self) -> str:
        flags = "".join(
            f"-{name}"
            for name in (
                *("saturate", "a_in_registers", "transpose_a"),
                *("transpose_b", "negate_a", "negate_b"),
            )
            if getattr(self, name)
        )
        return f"n{self.n}-{self.c}-{self.a}-{self.b}{flags}"


BYTE_WIDTHS = [8, 16, 24, *range(32, 257, 16)]
WIDTHS = list(range(8, 257, 8))
SOME = (8, 72, 256)  # the least, an odd number of eights, the most

WGMMA_FORMS = [
    *(WgmmaForm(n, "s8", "s8", "s32") for n in BYTE_WIDTHS),
    *(WgmmaForm(n, "f16", "f16", "f32") for n in WIDTHS),
    *(WgmmaForm(64, a, b, "s32", saturate) for a, b, saturate in product(
        ("s8", "u8"), ("s8", "u8"), (False, True)) if (a, b, saturate) != ("s8", "s8", False)),
    *(WgmmaForm(n, "f16", "f16", "f16") for n in SOME),
    *(WgmmaForm(n, "bf16", "bf16", "f32") for n in SOME),
    *(WgmmaForm(n, "tf32", "tf32", "f32") for n in SOME),
    *(WgmmaForm(64, a, b, "f32") for a, b in product(("e4m3", "e5m2"), repeat=2)),
    *(WgmmaForm(64, "s8", "u8", "s32", a_in_registers=True) for _ in range(1)),
    *(WgmmaForm(n, "f16", "f16", "f32", a_in_registers=True, transpose_b=t)
      for n, t in ((16, False), (64, True))),
    *(WgmmaForm(n, "bf16", "bf16", "f32", transpose_a=ta, transpose_b=tb)
      for n in (64, 128) for ta, tb in ((True, False), (False, True), (True, True))),
    WgmmaForm(32, "f16", "f16", "f32", negate_a=True),
    WgmmaForm(32, "f16", "f16", "f32", negate_a=True, negate_b=True),
]  # fmt: skip
