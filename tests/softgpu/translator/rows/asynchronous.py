"""Asynchronous copies and mbarriers (engine/async_copy.h, tma.h, mbarrier.h)."""

from ..table import Row

DIMENSIONS = ("1d", "2d", "3d", "4d", "5d")
SHARED = ("shared", "shared::cta", "shared::cluster")
OWN = ("shared", "shared::cta")
COMPLETE = "mbarrier::complete_tx::bytes"
BITWISE = ("and", "or", "xor")
ARITHMETIC = ("add", "min", "max", "inc", "dec")
REDUCED = ("u32", "s32", "u64", "s64", "f16", "bf16", "f32", "f64")
ELEMENTS = {"bulk_op": ARITHMETIC + BITWISE, "element": (*REDUCED, "b32", "b64")}
BOX = "TensorBox{map, c_count, {c}}"
ARRIVAL = "{.release}{.relaxed}{.scope}.where.b64"
WAIT = "{.acquire}{.relaxed}{.scope}.where.b64"

ROWS = [
    # cp.async. The last operand is how many bytes are read, or whether none is.
    Row("cp.async.how.where.global{.prefetch_size}", "[to], [from], #size",
        "cp_async(self, uint32_t(to), from, size, size, at)", {"size": (4, 8, 16)},
        how=("ca", "cg"), where=OWN),
    Row("cp.async.how.where.global{.prefetch_size}", "[to], [from], #size, b:any",
        "cp_async(self, uint32_t(to), from, size, bytes_to_read(size, b), at)",
        {"size": (4, 8, 16)}, how=("ca", "cg"), where=OWN),
    Row("cp.async.how.where.global.cache_hint{.prefetch_size}", "[to], [from], #size, policy:u64",
        "cp_async(self, uint32_t(to), from, size, size, at)", {"size": (4, 8, 16)},
        how=("ca", "cg"), where=OWN),
    Row("cp.async.how.where.global.cache_hint{.prefetch_size}",
        "[to], [from], #size, b:any, policy:u64",
        "cp_async(self, uint32_t(to), from, size, bytes_to_read(size, b), at)",
        {"size": (4, 8, 16)}, how=("ca", "cg"), where=OWN),
    Row("cp.async.commit_group", "", "cp_async_commit_group(self, at)"),
    Row("cp.async.wait_group", "#n", "cp_async_wait_group(self, n, at)"),
    Row("cp.async.wait_all", "", "cp_async_wait_all(self, at)"),
    Row("cp.async.mbarrier.arrive{.noinc}.where.b64", "[a]",
        "cp_async_mbarrier_arrive(self, uint32_t(a), noinc, at)", where=OWN),
    # Bulk copies.
    Row(f"cp.async.bulk.where.global.{COMPLETE}{{.cache_hint}}",
        "[to], [from], size:u32, [mbarrier], policy:u64=0",
        "bulk_load(self, uint32_t(to), from, size, uint32_t(mbarrier), Multicast{}, at)",
        where=SHARED),
    Row(f"cp.async.bulk.where.global.{COMPLETE}.multicast::cluster{{.cache_hint}}",
        "[to], [from], size:u32, [mbarrier], mask:u16, policy:u64=0",
        "bulk_load(self, uint32_t(to), from, size, uint32_t(mbarrier), Multicast{true, mask}, at)",
        where=SHARED),
    Row("cp.async.bulk.global.shared::cta.bulk_group{.cache_hint}",
        "[to], [from], size:u32, policy:u64=0", "bulk_store(self, to, uint32_t(from), size, at)"),
    Row(f"cp.async.bulk.shared::cluster.shared::cta.{COMPLETE}",
        "[to], [from], size:u32, [mbarrier]",
        "bulk_copy(self, uint32_t(to), uint32_t(from), size, uint32_t(mbarrier), at)"),
    Row("cp.reduce.async.bulk.global.shared::cta.bulk_group{.cache_hint}.bulk_op{.noftz}.element",
        "[to], [from], size:u32, policy:u64=0",
        "bulk_reduce(self, bulk_op, element, to, uint32_t(from), size, at)", **ELEMENTS),
    Row(f"cp.reduce.async.bulk.shared::cluster.shared::cta.{COMPLETE}.bulk_op.element",
        "[to], [from], size:u32, [mbarrier]",
        "bulk_reduce_cluster(self, bulk_op, element, uint32_t(to), uint32_t(from), size, "
        "uint32_t(mbarrier), at)", **ELEMENTS),
    Row("cp.async.bulk.prefetch.L2.global{.cache_hint}", "[from], size:u32, policy:u64=0",
        "bulk_prefetch(self, from, size, at)"),
    # Tensor copies.
    Row(f"cp.async.bulk.tensor.dimensions.where.global{{.tile}}.{COMPLETE}{{.cache_hint}}",
        "[to], [map, {c}], [mbarrier], policy:u64=0",
        f"tensor_load(self, uint32_t(to), {BOX}, uint32_t(mbarrier), Multicast{{}}, at)",
        dimensions=DIMENSIONS, where=SHARED),
    Row(f"cp.async.bulk.tensor.dimensions.where.global{{.tile}}.{COMPLETE}.multicast::cluster"
        "{.cache_hint}", "[to], [map, {c}], [mbarrier], mask:u16, policy:u64=0",
        f"tensor_load(self, uint32_t(to), {BOX}, uint32_t(mbarrier), Multicast{{true, mask}}, at)",
        dimensions=DIMENSIONS, where=SHARED),
    Row("cp.async.bulk.tensor.dimensions.global.shared::cta{.tile}.bulk_group{.cache_hint}",
        "[map, {c}], [from], policy:u64=0", f"tensor_store(self, {BOX}, uint32_t(from), at)",
        dimensions=DIMENSIONS),
    Row("cp.reduce.async.bulk.tensor.dimensions.global.shared::cta.bulk_op{.tile}.bulk_group"
        "{.cache_hint}", "[map, {c}], [from], policy:u64=0",
        f"tensor_reduce(self, bulk_op, {BOX}, uint32_t(from), at)",
        dimensions=DIMENSIONS, bulk_op=ARITHMETIC + BITWISE),
    Row("cp.async.bulk.prefetch.tensor.dimensions.L2.global{.tile}{.cache_hint}",
        "[map, {c}], policy:u64=0", f"tensor_prefetch(self, {BOX}, at)", dimensions=DIMENSIONS),
    Row("prefetch{.map_space}.tensormap", "[a]", "tensormap_prefetch(self, a, at)",
        map_space=("param", "const")),
    Row("cp.async.bulk.commit_group", "", "bulk_commit_group(self, at)"),
    Row("cp.async.bulk.wait_group{.read}", "#n", "bulk_wait_group(self, n, read, at)"),
    Row(f"st.async{{.weak}}{{.shared::cluster}}.{COMPLETE}{{.vec}}.type", "[to], {b}, [mbarrier]",
        "store_vector_async<type>(self, uint32_t(to), {b}, uint32_t(mbarrier), at)",
        type=("b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64")),
    # mbarriers.
    Row("mbarrier.init.where.b64", "[a], b:u32", "mbarrier_init(self, uint32_t(a), b, at)",
        where=OWN),
    Row("mbarrier.inval.where.b64", "[a]", "mbarrier_inval(self, uint32_t(a), at)", where=OWN),
    *(
        row
        for op, drop in (("arrive", "false"), ("arrive_drop", "true"))
        for form in (f"ArriveForm{{relaxed, no_complete, {drop}}}",)
        for row in (
            Row(f"mbarrier.{op}{ARRIVAL}", "d, [a], b:u32=1",
                f"mbarrier_arrive(self, {form.replace('no_complete', 'false')}, uint32_t(a), b, "
                "at)", where=SHARED),
            Row(f"mbarrier.{op}.noComplete{ARRIVAL}", "d, [a], b:u32",
                f"mbarrier_arrive(self, {form.replace('no_complete', 'true')}, uint32_t(a), b, at)",
                where=OWN),
            Row(f"mbarrier.{op}.expect_tx{ARRIVAL}", "d, [a], b:u32",
                f"mbarrier_arrive_expect_tx(self, {form.replace('no_complete', 'false')}, "
                "uint32_t(a), b, at)", where=SHARED),
        )
    ),
    Row("mbarrier.expect_tx{.relaxed}{.scope}.where.b64", "[a], b:u32",
        "mbarrier_expect_tx(self, uint32_t(a), b, at)", where=SHARED),
    Row("mbarrier.complete_tx{.relaxed}{.scope}.where.b64", "[a], b:u32",
        "mbarrier_complete_tx(self, uint32_t(a), b, at)", where=SHARED),
    Row(f"mbarrier.test_wait{WAIT}", "d, [a], b:b64",
        "mbarrier_test_wait(self, relaxed, uint32_t(a), b, at)", where=OWN),
    Row(f"mbarrier.test_wait.parity{WAIT}", "d, [a], b:u32",
        "mbarrier_test_wait_parity(self, relaxed, uint32_t(a), b, at)", where=OWN),
    Row(f"mbarrier.try_wait{WAIT}", "d, [a], b:b64, hint:u32=0",
        "mbarrier_try_wait(self, relaxed, uint32_t(a), b, at)", where=OWN),
    Row(f"mbarrier.try_wait.parity{WAIT}", "d, [a], b:u32, hint:u32=0",
        "mbarrier_try_wait_parity(self, relaxed, uint32_t(a), b, at)", where=OWN),
    Row("mbarrier.pending_count.b64", "d, a", "mbarrier_pending_count(self, a, at)"),
]  # fmt: skip
