"""Lists of types that many rows share."""

INTEGERS = ("u16", "s16", "u32", "s32", "u64", "s64")
SHORT = ("u16", "s16", "u32", "s32")
PAIRS = ("u16x2", "s16x2")
SIGNED = ("s16", "s32", "s64")
BITS = ("b16", "b32", "b64")
WORDS = ("b32", "b64")
HALVES = ("f16", "bf16", "f16x2", "bf16x2")
FLOATS = ("f32", "f64")
MEMORY = (
    "b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "b64", "u64", "s64", "f32", "f64",
    "b128",
)  # fmt: skip
