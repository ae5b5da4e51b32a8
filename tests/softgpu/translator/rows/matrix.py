"""Matrices of a warp and of a warpgroup (engine/matrix.h, mma.h, wgmma.h)."""

from ..table import Row

NUMBER = {"number": ("x1", "x2", "x4")}
OWN = ("shared", "shared::cta")
INTEGER_SHAPES = ("m16n8k16", "m16n8k32", "m16n8k64", "m8n8k16", "m8n8k32")
FLOAT_SHAPES = ("m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32")
BYTES = ("s8", "u8")
INTEGERS = (*BYTES, "s4", "u4")
FLOATS = ("f16", "bf16", "tf32", "e4m3", "e5m2")
FRAGMENTS = "{d}, {a:b32}, {b:b32}, {c:b32}"
WGMMA_SHAPES = tuple(f"m64n{n}k{k}" for k in (8, 16, 32) for n in range(8, 257, 8))
WGMMA = "wgmma.mma_async.sync.aligned.wgmma_shape"
ELEMENTS = "wgmma_shape, a_element, b_element, c_element"

ROWS = [
    Row("ldmatrix.sync.aligned.m8n8.number{.trans}.where.b16", "{d}, [a]",
        "load_matrices<number>(self, trans, uint32_t(a), at)", where=OWN, **NUMBER),
    Row("stmatrix.sync.aligned.m8n8.number{.trans}.where.b16", "[a], {b:b32}",
        "store_matrices<number>(self, trans, uint32_t(a), {b}, at)", where=OWN, **NUMBER),
    Row("movmatrix.sync.aligned.m8n8.trans.b16", "d, a:b32", "movmatrix(self, a, at)"),
    Row("mma.sync.aligned.shape.row.col{.satfinite}.c_element.a_element.b_element.s32", FRAGMENTS,
        "product<uint32_t, d_count>(self, MmaForm{shape, a_element, b_element, c_element, "
        "satfinite}, {a}, {b}, {c}, at)",
        shape=INTEGER_SHAPES, a_element=INTEGERS, b_element=INTEGERS, c_element=("s32",)),
    Row("mma.sync.aligned.shape.row.col.c_element.a_element.b_element.c_again", FRAGMENTS,
        "product<uint32_t, d_count>(self, MmaForm{shape, a_element, b_element, c_element, false}, "
        "{a}, {b}, {c}, at)", shape=FLOAT_SHAPES, a_element=FLOATS, b_element=FLOATS,
        c_element=("f32", "f16"), c_again=("f32", "f16")),
    Row("mma.sync.aligned.m8n8k4.row.col{.rn}.c_element.f64.f64.f64",
        "{d}, {a:b64}, {b:b64}, {c:b64}",
        "product<uint64_t, d_count>(self, MmaForm{8, 8, 4, c_element, c_element, c_element, "
        "false}, {a}, {b}, {c}, at)", c_element=("f64",)),
    # wgmma: the accumulators are written later, so they are passed by address.
    Row(f"{WGMMA}{{.satfinite}}.c_element.a_element.b_element", "{&acc}, a:b64, b:b64, p:pred",
        f"issue_wgmma(self, WgmmaForm{{{ELEMENTS}, satfinite}}, {{acc}}, a, b, p, at)",
        wgmma_shape=WGMMA_SHAPES, c_element=("s32",), a_element=BYTES, b_element=BYTES),
    Row(f"{WGMMA}{{.satfinite}}.c_element.a_element.b_element", "{&acc}, {&a}, b:b64, p:pred",
        f"issue_wgmma(self, WgmmaForm{{{ELEMENTS}, satfinite}}, {{acc}}, {{a}}, b, p, at)",
        wgmma_shape=WGMMA_SHAPES, c_element=("s32",), a_element=BYTES, b_element=BYTES),
    Row(f"{WGMMA}.c_element.a_element.b_element", "{&acc}, a:b64, b:b64, p:pred, #na, #nb, "
        "#ta=0, #tb=0", f"issue_wgmma(self, WgmmaForm{{{ELEMENTS}, false, na < 0, nb < 0, "
        "ta != 0, tb != 0}, {acc}, a, b, p, at)",
        wgmma_shape=WGMMA_SHAPES, c_element=("f32", "f16"), a_element=FLOATS, b_element=FLOATS),
    Row(f"{WGMMA}.c_element.a_element.b_element", "{&acc}, {&a}, b:b64, p:pred, #na, #nb, #tb=0",
        f"issue_wgmma(self, WgmmaForm{{{ELEMENTS}, false, na < 0, nb < 0, false, tb != 0}}, "
        "{acc}, {a}, b, p, at)",
        wgmma_shape=WGMMA_SHAPES, c_element=("f32", "f16"), a_element=FLOATS, b_element=FLOATS),
    Row("wgmma.fence.sync.aligned", "", "wgmma_fence(self, at)"),
    Row("wgmma.commit_group.sync.aligned", "", "wgmma_commit_group(self, at)"),
    Row("wgmma.wait_group.sync.aligned", "#n", "wgmma_wait_group(self, n, at)"),
]  # fmt: skip
