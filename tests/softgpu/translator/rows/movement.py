"""Moving values between registers, and addresses between spaces."""

from ..table import Row
from .types import BITS, FLOATS, INTEGERS

WIDTHS = ("u32", "u64")

ROWS = [
    Row("mov.type", "d, a", "a",
        type=("pred", *BITS, *INTEGERS, *FLOATS, "f16", "bf16", "f16x2", "bf16x2", "b128")),
    Row("mov.type", "{d}, a", "unpack<d_count>(a)", type=(*BITS, "b128")),
    Row("mov.type", "d, {a:type.part}", "pack<type>({a})", type=(*BITS, "b128")),
    # Every address but one of shared memory is the host's, and the same in its space and generic.
    Row("cvta.space.type", "d, a", "a", space=("global", "local", "const", "param"), type=WIDTHS),
    Row("cvta.to.space.type", "d, a", "a", space=("global", "local", "const", "param"),
        type=WIDTHS),
    Row("cvta.space.type", "d, a", "generic_from_shared(self, a, at)",
        space=("shared", "shared::cta", "shared::cluster"), type=WIDTHS),
    Row("cvta.to.space.type", "d, a", "shared_from_generic(self, a, at)",
        space=("shared", "shared::cta", "shared::cluster"), type=WIDTHS),
    Row("isspacep.global", "d, a:u64", "is_global(self, a)"),
    Row("isspacep.shared_space", "d, a:u64", "is_shared(self, a)",
        shared_space=("shared", "shared::cta", "shared::cluster")),
    Row("mapa{.shared::cluster}.type", "d, a:u32, b:u32", "map_shared_rank(self, a, b, at)",
        type=("u32",)),
    Row("mapa.shared::cluster.u64", "d, a:u64, b:u32",
        "uint64_t(map_shared_rank(self, uint32_t(a), b, at))"),
    Row("mapa.u64", "d, a:u64, b:u32", "generic_from_shared(self, map_shared_rank(self, uint32_t("
        "shared_from_generic(self, a, at)), b, at), at)"),
    Row("getctarank.shared::cluster.type", "d, a:u32", "rank_of_shared(self, a)", type=WIDTHS),
]  # fmt: skip
