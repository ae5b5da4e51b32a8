"""Loads, stores, atomics and hints (engine/memory.h, engine/translated.h)."""

from ..table import Row
from ..vocabulary import SPACES
from .types import MEMORY

LOAD = "{.sem}{.scope}{.space}{.cop}{.nc}{.eviction}{.eviction2}{.cache_hint}{.prefetch_size}"
STORE = "{.sem}{.scope}{.space}{.cop}{.eviction}{.eviction2}{.cache_hint}"
ATOMIC = "{.order}{.scope}{.space}"
NOT_PARAMETERS = SPACES[:-2]
WHERE = "Access{space, sem, scope}"
ATOMIC_WHERE = "Access{space, order, scope}"
INTEGERS = ("u32", "s32", "u64", "s64")
ORDER = {"order": ("relaxed", "acquire", "release", "acq_rel")}


def atomics(syntax: str, operands: str, update: str, vector: bool = False, **classes) -> list[Row]:
    """The atom that returns the old value and the red that does not."""
    atomic = "atomic_vector<type, vec>" if vector else "atomic<type>"
    value = "{{b}}, " if vector else ""
    meaning = f"{atomic}(self, {ATOMIC_WHERE}, a, {value}{update}, at)"
    result = "{d}" if vector else "d"
    return [
        Row(f"atom{ATOMIC}{syntax}", f"{result}, {operands}", meaning, **classes, **ORDER),
        Row(f"red{ATOMIC}{syntax}", operands, meaning, **classes, **ORDER),
    ]


ROWS = [
    # Parameters by name need no check; by address they do.
    Row("ld.param_space{.vec}.type", "{d}, [$a]", "parameter<type, vec>(a)",
        param_space=("param", "param::entry", "param::func"), type=MEMORY),
    Row("st.param_space{.vec}.type", "[$a], {b}", "set_parameter<type, vec>(a, {{b}})",
        param_space=("param", "param::func"), type=MEMORY),
    Row(f"ld{LOAD}{{.vec}}.type", "{d}, [a], policy:u64=0",
        f"load<type, vec>(self, {WHERE}, a, at)", type=MEMORY),
    Row(f"st{STORE}{{.vec}}.type", "[a], {b}, policy:u64=0",
        f"store<type, vec>(self, {WHERE}, a, {{{{b}}}}, at)", type=MEMORY, space=NOT_PARAMETERS),
    Row("ldu{.global}{.vec}.type", "{d}, [a]",
        "load<type, vec>(self, Access{Space::kGlobal}, a, at)", type=MEMORY),
    # Read-modify-write.
    *atomics(".add{.cache_hint}.type", "[a], b, policy:u64=0",
             "[&](type x) { return add(x, b); }", type=("u32", "s32", "u64", "f64")),
    *atomics(".add{.cache_hint}.type", "[a], b, policy:u64=0",
             "[&](type x) { return add_to_memory<space>(self, a, x, b); }", type=("f32",)),
    *atomics(".add.noftz{.cache_hint}.type", "[a], b, policy:u64=0",
             "[&](type x) { return add<false, false>(x, b); }",
             type=("f16", "f16x2", "bf16", "bf16x2")),
    *atomics(".which{.cache_hint}.type", "[a], b, policy:u64=0",
             "[&](type x) { return which(x, b); }", which=("min", "max"), type=INTEGERS),
    *atomics(".which{.cache_hint}.type", "[a], b, policy:u64=0",
             "[&](type x) { return type(which(x, b)); }",
             which=("and", "or", "xor"), type=("b32", "b64", "u32", "u64")),
    *atomics(".which{.cache_hint}.type", "[a], b, policy:u64=0",
             "[&](type x) { return which(x, b); }", which=("inc", "dec"), type=("u32",)),
    *atomics(".exch{.cache_hint}.type", "[a], b, policy:u64=0",
             "[&](type) { return b; }", type=("b32", "b64", "b128", "u32", "u64"))[:1],
    *atomics(".cas{.cache_hint}.type", "[a], b, c, policy:u64=0",
             "[&](type x) { return x == b ? c : x; }",
             type=("b16", "b32", "b64", "b128", "u32", "s32", "u64"))[:1],
    *atomics(".add{.cache_hint}.vec.type", "[a], {b}, policy:u64=0",
             "[](type x, type y) { return add<Rounding::kNearest, true, false>(x, y); }",
             vector=True, type=("f32",)),
    *atomics(".add.noftz{.cache_hint}.vec.type", "[a], {b}, policy:u64=0",
             "[](type x, type y) { return add<false, false>(x, y); }",
             vector=True, type=("f16", "f16x2", "bf16", "bf16x2")),
    *atomics(".which.noftz{.cache_hint}.vec.type", "[a], {b}, policy:u64=0",
             "[](type x, type y) { return which<false, false, false>(x, y); }",
             vector=True, which=("min", "max"), type=("f16", "f16x2", "bf16", "bf16x2")),
    # Hints change nothing.
    Row("prefetch{.space}.level", "[a]", "", level=("L1", "L2", "L2::evict_last",
                                                    "L2::evict_normal")),
    Row("prefetchu.L1", "[a]", ""),
    Row("applypriority{.global}.L2::evict_normal", "[a], #size", "", {"size": range(128, 129)}),
    Row("discard{.global}.L2", "[a], #size", "", {"size": range(128, 129)}),
    Row("createpolicy.fractional.eviction2{.second}.b64", "d, fraction:f32=1", "uint64_t(0)",
        second=("L2::evict_unchanged", "L2::evict_first"),
        eviction2=("L2::evict_last", "L2::evict_normal", "L2::evict_first",
                   "L2::evict_unchanged")),
    Row("createpolicy.range{.global}.eviction2{.second}.b64", "d, [a], b:u32, c:u32",
        "uint64_t(0)", second=("L2::evict_unchanged", "L2::evict_first"),
        eviction2=("L2::evict_last", "L2::evict_normal", "L2::evict_first",
                   "L2::evict_unchanged")),
    Row("createpolicy.cvt.L2.b64", "d, a:b64", "uint64_t(0)"),
]  # fmt: skip
