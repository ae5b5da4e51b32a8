"""What modifiers stand for in a row that does not say otherwise, and what they mean in C++."""

CPP_TYPES = {
    "pred": "bool",
    "b8": "uint8_t", "u8": "uint8_t", "s8": "int8_t",
    "b16": "uint16_t", "u16": "uint16_t", "s16": "int16_t", "f16": "Half", "bf16": "BFloat",
    "b32": "uint32_t", "u32": "uint32_t", "s32": "int32_t", "f32": "float",
    "f16x2": "Half2", "bf16x2": "BFloat2", "u16x2": "UShort2", "s16x2": "Short2",
    "b64": "uint64_t", "u64": "uint64_t", "s64": "int64_t", "f64": "double",
    "b128": "Bits128", "tf32": "TFloat", "e4m3x2": "E4M3x2", "e5m2x2": "E5M2x2",
}  # fmt: skip
WIDE = {"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64", "u64": "b128", "s64": "b128"}

SPACES = ("global", "shared", "shared::cta", "shared::cluster", "local", "const",
          "param", "param::entry", "param::func")  # fmt: skip

# What classes stand for in every row that does not say otherwise.
CLASSES = {
    "rnd": ("rn", "rz", "rm", "rp"),
    "sem": ("weak", "relaxed", "acquire", "release", "acq_rel", "sc", "volatile"),
    "scope": ("cta", "cluster", "gpu", "sys"),
    "space": SPACES,
    "vec": ("v2", "v4", "v8"),
    # Hints, which change no result.
    "cop": ("ca", "cg", "cs", "lu", "cv", "wb", "wt"),
    "eviction": ("L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last",
                 "L1::no_allocate"),
    "eviction2": ("L2::evict_normal", "L2::evict_first", "L2::evict_last"),
    "cache_hint": ("L2::cache_hint",),
    "prefetch_size": ("L2::64B", "L2::128B", "L2::256B"),
}  # fmt: skip

_ELEMENTS = {
    name: f"Element::k{name.capitalize()}"
    for name in ("s4", "u4", "s8", "u8", "s32", "u32", "s64", "u64", "b32", "b64", "e4m3", "e5m2",
                 "f16", "bf16", "tf32", "f32", "f64")
}  # fmt: skip
_EXTENTS = {
    f"m{m}n{n}k{k}": f"{m}, {n}, {k}"
    for m in (8, 16) for n in (8,) for k in (4, 8, 16, 32, 64)
}  # fmt: skip
_WIDTHS = {f"m64n{n}k{k}": str(n) for n in range(8, 257, 8) for k in (8, 16, 32)}

CONSTANTS = {
    "rnd": {
        None: "Rounding::kNearest",
        "rn": "Rounding::kNearest", "rna": "Rounding::kNearestAway", "rz": "Rounding::kZero",
        "rm": "Rounding::kDown", "rp": "Rounding::kUp",
        "rni": "Rounding::kNearest", "rzi": "Rounding::kZero",
        "rmi": "Rounding::kDown", "rpi": "Rounding::kUp",
    },
    "space": {
        None: "Space::kGeneric", "global": "Space::kGlobal", "shared": "Space::kShared",
        "shared::cta": "Space::kShared", "shared::cluster": "Space::kShared",
        "local": "Space::kLocal", "const": "Space::kConstant", "param": "Space::kParameter",
        "param::entry": "Space::kParameter", "param::func": "Space::kParameter",
    },
    "sem": {
        None: "Ordering::kWeak", "weak": "Ordering::kWeak", "volatile": "Ordering::kVolatile",
        "relaxed": "Ordering::kRelaxed", "acquire": "Ordering::kAcquire",
        "release": "Ordering::kRelease", "acq_rel": "Ordering::kAcquireRelease",
        "sc": "Ordering::kAcquireRelease",
    },
    "scope": {
        None: "Scope::kDevice", "cta": "Scope::kBlock", "cluster": "Scope::kCluster",
        "gpu": "Scope::kDevice", "sys": "Scope::kSystem",
    },
    "mode": {"wrap": "Past::kWrap", "clamp": "Past::kClamp"},
    "half": {"lo": "0", "hi": "1"},
    "op": {"and": "LogicOp::kAnd", "or": "LogicOp::kOr", "xor": "LogicOp::kXor"},
    "special": {
        "f4e": "Permute::kForward4", "b4e": "Permute::kBackward4", "rc8": "Permute::kReplicate8",
        "ecl": "Permute::kEdgeLeft", "ecr": "Permute::kEdgeRight",
        "rc16": "Permute::kReplicate16",
    },
    "order": {
        None: "Ordering::kRelaxed", "relaxed": "Ordering::kRelaxed",
        "acquire": "Ordering::kAcquire", "release": "Ordering::kRelease",
        "acq_rel": "Ordering::kAcquireRelease",
    },
    "level": {"cta": "Scope::kBlock", "gl": "Scope::kDevice", "sys": "Scope::kSystem"},
    "which": {
        "add": "add", "min": "minimum", "max": "maximum", "and": "bit_and", "or": "bit_or",
        "xor": "bit_xor", "inc": "wrapping_increment", "dec": "wrapping_decrement",
    },
    "way": {"up": "Shuffle::kUp", "down": "Shuffle::kDown", "bfly": "Shuffle::kButterfly",
            "idx": "Shuffle::kIndex"},
    "bulk_op": {op: f"BulkOp::k{op.capitalize()}"
                for op in ("add", "min", "max", "inc", "dec", "and", "or", "xor")},
    "cmp": {
        **{c: f"Compare::k{name}" for c, name in (
            ("eq", "Equal"), ("ne", "NotEqual"), ("lt", "Less"), ("le", "LessEqual"),
            ("gt", "Greater"), ("ge", "GreaterEqual"), ("lo", "Less"), ("ls", "LessEqual"),
            ("hi", "Greater"), ("hs", "GreaterEqual"), ("num", "Numbers"), ("nan", "Nan"))},
        **{f"{c}u": f"Compare::k{name}OrNan" for c, name in (
            ("eq", "Equal"), ("ne", "NotEqual"), ("lt", "Less"), ("le", "LessEqual"),
            ("gt", "Greater"), ("ge", "GreaterEqual"))},
    },
    "class": {
        "finite": "FloatClass::kFinite", "infinite": "FloatClass::kInfinite",
        "number": "FloatClass::kNumber", "notanumber": "FloatClass::kNotANumber",
        "normal": "FloatClass::kNormal", "subnormal": "FloatClass::kSubnormal",
    },
    "packed": {f"{s}{n}": f"{n}, {str(s == 's').lower()}" for s in "us" for n in (2, 4, 8, 16)},
    "number": {"x1": "1", "x2": "2", "x4": "4"},
    "shape": _EXTENTS,
    "wgmma_shape": _WIDTHS,
    "element": _ELEMENTS, "a_element": _ELEMENTS, "b_element": _ELEMENTS, "c_element": _ELEMENTS,
    "vec": {None: "1", "v2": "2", "v4": "4", "v8": "8"},
}  # fmt: skip
