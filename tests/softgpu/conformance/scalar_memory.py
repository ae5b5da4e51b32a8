"""Loads, stores and read-modify-write, on memory that each thread has for itself."""

from . import scalar_reference as exact
from .scalar_bits import conditional
from .scalar_case import cases
from .scalar_convert import parts

SPACES = ("global", "shared")
INTEGERS = ("u32", "s32", "u64", "s64")
TYPES = ("u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "b64", "u64", "s64", "f32", "f64")
GLOBAL_FORMS = (
    "ld.global.ca.u32", "ld.global.cg.u32", "ld.global.cs.u32", "ld.global.lu.u32",
    "ld.global.cv.u32", "ld.global.nc.u32", "ld.global.nc.L1::no_allocate.u32",
    "ld.global.L1::evict_last.u32", "ld.global.L2::128B.u32", "ld.global.nc.L2::256B.u32",
    "ld.weak.global.u32", "ld.volatile.global.u32", "ld.relaxed.gpu.global.u32",
    "ld.acquire.sys.global.u32", "ld.u32", "ldu.global.u32",
)  # fmt: skip
STORES = (
    "st.global.wb.b32", "st.global.cg.b32", "st.global.cs.b32", "st.global.wt.b32",
    "st.global.L1::no_allocate.b32", "st.volatile.global.b32", "st.relaxed.cta.global.b32",
    "st.release.gpu.global.b32", "st.b32",
)  # fmt: skip


def same(_, a):
    return a


def add_floats(case, a, b):
    """In global memory atom.add.f32 flushes subnormals, before and after."""
    if case.operands[0] != "f32" or case.memory == "shared":
        return exact.add(a, b)
    total = exact.add(exact.flush(case.form, a), exact.flush(case.form, b))
    return exact.flush(case.form, exact.rounded(case.form, total, "rn"))


def add_two(_, memory, a, b):
    """The words of a .v2.f32 add, numbers only: two times what add_floats says."""
    form = exact.FORMATS["f32"]
    old = parts(memory, 2, 32)
    total = 0
    for i, (x, y) in enumerate(zip(old, (a, b), strict=True)):
        both = [exact.flush(form, exact.decode(form, bits)) for bits in (x, y)]
        result = exact.rounded(form, exact.add(*both), "rn")
        bits = 0x7FFFFFFF if result is exact.NAN else exact.encode(form, exact.flush(form, result))
        total |= bits << 32 * i
    return *old, total


def least(_, a, b):
    return min(a, b)


def greatest(_, a, b):
    return max(a, b)


def logic(op):
    return lambda _, a, b: conditional(op, a, b)


def atomics(op, type_, update, **options):
    """atom in both spaces, giving the old value; and red."""
    operands = options.pop("operands", f"{type_} {type_}")
    arguments = ", ".join(f"%{i + 2}" for i in range(operands.count(" ")))
    arguments_of_red = ", ".join(f"%{i + 1}" for i in range(operands.count(" ")))
    made = []
    for space in SPACES:
        made += cases(f"atom.{space}.{op}", f"{type_} {type_}", operands,
                      lambda k, a, *b: (a, update(k, a, *b)), memory=space, written=True,
                      text=f"atom.{space}.{op} %0, [%1], {arguments};", **options)  # fmt: skip
        if not op.startswith(("exch", "cas")):
            made += cases(f"red.{space}.{op}", type_, operands, update, memory=space,
                          written=True, text=f"red.{space}.{op} [%0], {arguments_of_red};",
                          **options)  # fmt: skip
    return made


CASES = [
    *cases("ld.{space}.{t}", "{t}", "{t}", same, t=TYPES, space=("shared",), memory="shared",
           text="ld.{space}.{t} %0, [%1];"),
    *cases("ld.{space}.{t}", "{t}", "{t}", same, t=TYPES, space=("global",), memory="global",
           text="ld.{space}.{t} %0, [%1];"),
    *cases("{form}", "u32", "u32", same, form=GLOBAL_FORMS, memory="global",
           text="{form} %0, [%1];"),
    *cases("ld.global.v2.b32", "b32 b32", "b64", lambda _, a: parts(a, 2, 32), memory="global",
           text="ld.global.v2.b32 {{%0, %1}}, [%2];"),
    *cases("ld.global.v4.s8", "s8 s8 s8 s8", "b32", lambda _, a: parts(a, 4, 8), memory="global",
           text="ld.global.v4.s8 {{%0, %1, %2, %3}}, [%4];"),
    *cases("ld.shared.v4.u16", "u16 u16 u16 u16", "b64", lambda _, a: parts(a, 4, 16),
           memory="shared", text="ld.shared.v4.u16 {{%0, %1, %2, %3}}, [%4];"),
    *cases("{form}", "b32", "b32 b32", lambda _, a, b: b, form=STORES, memory="global",
           written=True, text="{form} [%0], %1;"),
    *cases("st.shared.u8 keeps the neighbours", "b32", "b32 b32",
           lambda _, a, b: a & ~0xFF00 | (b & 0xFF) << 8, memory="shared", written=True,
           text="st.shared.u8 [%0+1], %1;"),
    *cases("st.global.v2.b32", "b64", "b64 b32 b32", lambda _, a, b, c: c << 32 | b,
           memory="global", written=True, text="st.global.v2.b32 [%0], {{%1, %2}};"),
    # Read-modify-write.
    *(case for t in INTEGERS[:3] for case in atomics(f"add.{t}", t, lambda _, a, b: a + b)),
    *(case for t in ("f32", "f64") for case in atomics(f"add.{t}", t, add_floats)),
    *(
        case
        for t in ("f16", "f16x2", "bf16", "bf16x2")
        for case in atomics(f"add.noftz.{t}", t, add_floats, arch=90)
    ),
    *(
        case
        for t in INTEGERS
        for op, update in (("min", least), ("max", greatest))
        for case in atomics(f"{op}.{t}", t, update)
    ),
    *(
        case
        for t in ("b32", "b64")
        for op in ("and", "or", "xor")
        for case in atomics(f"{op}.{t}", t, logic(op))
    ),
    *atomics("inc.u32", "u32", lambda _, a, b: 0 if a >= b else a + 1),
    *atomics("dec.u32", "u32", lambda _, a, b: b if a == 0 or a > b else a - 1),
    *(case for t in ("b32", "b64") for case in atomics(f"exch.{t}", t, lambda _, a, b: b)),
    *(
        case
        for t in ("b16", "b32", "b64")
        for case in atomics(f"cas.{t}", t, lambda _, a, b, c: c if a == b else a,
                            operands=f"{t} {t} {t}")
    ),
    # Two at once.
    *cases("atom.global.v2.f32.add", "b32 b32 b64", "b64 b32 b32", add_two, arch=90,
           memory="global", written=True,
           text="atom.global.v2.f32.add {{%0, %1}}, [%2], {{%3, %4}};"),
]  # fmt: skip
