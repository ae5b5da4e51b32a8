"""FP32 and FP64 arithmetic (engine/floating.h)."""

from ..table import Row

F32 = "{.rnd}{.ftz}{.sat}.f32"

ROWS = [
    *(
        row
        for op, name in (("add", "add"), ("sub", "subtract"), ("mul", "multiply"))
        for row in (
            Row(f"{op}{F32}", "d, a, b", f"{name}<rnd, ftz, sat>(a, b)"),
            Row(f"{op}{{.rnd}}.f64", "d, a, b", f"{name}<rnd>(a, b)"),
        )
    ),
    *(
        row
        for op in ("fma", "mad")
        for row in (
            Row(f"{op}.rnd{{.ftz}}{{.sat}}.f32", "d, a, b, c", "fused<rnd, ftz, sat>(a, b, c)"),
            Row(f"{op}.rnd.f64", "d, a, b, c", "fused<rnd>(a, b, c)"),
        )
    ),
    Row("div.rnd{.ftz}.f32", "d, a, b", "divide<rnd, ftz, false>(a, b)"),
    Row("div.rnd.f64", "d, a, b", "divide<rnd>(a, b)"),
    Row("rcp.rnd{.ftz}.f32", "d, a", "divide<rnd, ftz, false>(1.0f, a)"),
    Row("rcp.rnd.f64", "d, a", "divide<rnd>(1.0, a)"),
    Row("sqrt.rnd{.ftz}.f32", "d, a", "square_root<rnd, ftz>(a)"),
    Row("sqrt.rnd.f64", "d, a", "square_root<rnd>(a)"),
    # Approximations: here as good as the host's library.
    Row("div.approx{.ftz}.f32", "d, a, b", "divide_approximately<ftz>(a, b)"),
    Row("div.full{.ftz}.f32", "d, a, b", "divide_approximately<ftz>(a, b)"),
    Row("rcp.approx{.ftz}.f32", "d, a", "divide<Rounding::kNearest, ftz, false>(1.0f, a)"),
    Row("rcp.approx.ftz.f64", "d, a", "reciprocal_of_high_word(a)"),
    Row("sqrt.approx{.ftz}.f32", "d, a", "square_root<Rounding::kNearest, ftz>(a)"),
    Row("rsqrt.approx{.ftz}.f32", "d, a", "reciprocal_square_root<ftz>(a)"),
    Row("rsqrt.approx{.ftz}.f64", "d, a", "reciprocal_square_root(a)"),
    Row("ex2.approx{.ftz}.f32", "d, a", "approximate<ftz>(a, std::exp2)"),
    Row("lg2.approx{.ftz}.f32", "d, a", "approximate<ftz>(a, std::log2)"),
    Row("sin.approx{.ftz}.f32", "d, a", "approximate<ftz>(a, std::sin)"),
    Row("cos.approx{.ftz}.f32", "d, a", "approximate<ftz>(a, std::cos)"),
    Row("tanh.approx.f32", "d, a", "approximate<false>(a, std::tanh)"),
    # Signs, order and classes.
    Row("abs{.ftz}.f32", "d, a", "absolute<ftz>(a)"),
    Row("abs.f64", "d, a", "absolute(a)"),
    Row("neg{.ftz}.f32", "d, a", "negate<ftz>(a)"),
    Row("neg.f64", "d, a", "negate(a)"),
    Row("copysign.type", "d, a, b", "std::copysign(b, a)", type=("f32", "f64")),
    Row("min{.ftz}{.NaN}.f32", "d, a, b", "minimum<ftz, NaN, false>(a, b)"),
    Row("max{.ftz}{.NaN}.f32", "d, a, b", "maximum<ftz, NaN, false>(a, b)"),
    Row("min{.ftz}{.NaN}.xorsign.abs.f32", "d, a, b", "minimum<ftz, NaN, true>(a, b)"),
    Row("max{.ftz}{.NaN}.xorsign.abs.f32", "d, a, b", "maximum<ftz, NaN, true>(a, b)"),
    Row("min.f64", "d, a, b", "minimum(a, b)"),
    Row("max.f64", "d, a, b", "maximum(a, b)"),
    Row("testp.class.type", "d, a", "is_class<class>(a)", type=("f32", "f64"),
        **{"class": ("finite", "infinite", "number", "notanumber", "normal", "subnormal")}),
]  # fmt: skip
