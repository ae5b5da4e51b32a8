"""FP16 and BF16 arithmetic, one value or two (engine/halves.h)."""

from ..table import Row
from .types import HALVES

F16 = ("f16", "f16x2")
BF16 = ("bf16", "bf16x2")

ROWS = [
    *(
        row
        for op, name in (("add", "add"), ("sub", "subtract"), ("mul", "multiply"))
        for row in (
            Row(f"{op}{{.rn}}{{.ftz}}{{.sat}}.type", "d, a, b", f"{name}<ftz, sat>(a, b)",
                type=F16),
            Row(f"{op}{{.rn}}.type", "d, a, b", f"{name}<false, false>(a, b)", type=BF16),
        )
    ),
    Row("fma.rn{.ftz}{.sat}.type", "d, a, b, c", "fused<ftz, sat, false>(a, b, c)", type=F16),
    Row("fma.rn{.ftz}.relu.type", "d, a, b, c", "fused<ftz, false, true>(a, b, c)", type=F16),
    Row("fma.rn{.relu}.type", "d, a, b, c", "fused<false, false, relu>(a, b, c)", type=BF16),
    Row("neg{.ftz}.type", "d, a", "negate<ftz>(a)", type=HALVES),
    Row("abs{.ftz}.type", "d, a", "absolute<ftz>(a)", type=HALVES),
    Row("min{.ftz}{.NaN}.type", "d, a, b", "minimum<ftz, NaN, false>(a, b)", type=HALVES),
    Row("max{.ftz}{.NaN}.type", "d, a, b", "maximum<ftz, NaN, false>(a, b)", type=HALVES),
    Row("min{.ftz}{.NaN}.xorsign.abs.type", "d, a, b", "minimum<ftz, NaN, true>(a, b)",
        type=HALVES),
    Row("max{.ftz}{.NaN}.xorsign.abs.type", "d, a, b", "maximum<ftz, NaN, true>(a, b)",
        type=HALVES),
    Row("tanh.approx.type", "d, a", "approximate<false>(a, std::tanh)", type=HALVES),
    Row("ex2.approx{.ftz}.type", "d, a", "approximate<ftz>(a, std::exp2)", type=HALVES),
]  # fmt: skip
