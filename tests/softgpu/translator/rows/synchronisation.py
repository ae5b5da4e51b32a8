"""Barriers and fences (engine/barriers.h, engine/race.h)."""

from ..table import Row

CTA = "{.cta}"

ROWS = [
    *(
        row
        for start, aligned in (("bar", "true"), ("barrier", "aligned"))
        for suffix in (f"{CTA}" if start == "bar" else f"{CTA}{{.aligned}}",)
        for row in (
            Row(f"{start}.sync{suffix}", "a:u32, b:u32=0",
                f"block_sync(self, a, b, {aligned}, at)"),
            Row(f"{start}.arrive{suffix}", "a:u32, b:u32",
                f"block_arrive(self, a, b, {aligned}, at)"),
            Row(f"{start}.red{suffix}.popc.u32", "d, a:u32, p:pred",
                f"block_sync_count(self, a, 0, {aligned}, p, at)"),
            Row(f"{start}.red{suffix}.popc.u32", "d, a:u32, b:u32, p:pred",
                f"block_sync_count(self, a, b, {aligned}, p, at)"),
            *(
                row
                for which in ("and", "or")
                for row in (
                    Row(f"{start}.red{suffix}.{which}.pred", "d, a:u32, p:pred",
                        f"block_sync_{which}(self, a, 0, {aligned}, p, at)"),
                    Row(f"{start}.red{suffix}.{which}.pred", "d, a:u32, b:u32, p:pred",
                        f"block_sync_{which}(self, a, b, {aligned}, p, at)"),
                )
            ),
        )
    ),
    Row("bar.warp.sync", "mask:u32", "warp_sync(self, mask, at)"),
    Row("barrier.cluster.arrive{.release}{.aligned}", "", "cluster_arrive(self, true, at)"),
    Row("barrier.cluster.arrive.relaxed{.aligned}", "", "cluster_arrive(self, false, at)"),
    Row("barrier.cluster.wait{.acquire}{.aligned}", "", "cluster_wait(self, at)"),
    # Fences.
    Row("membar.level", "", "race::fence(self, level)", level=("cta", "gl", "sys")),
    Row("fence{.sem}.scope", "", "race::fence(self, scope)",
        sem=("sc", "acq_rel", "acquire", "release")),
    Row("fence.mbarrier_init.release.cluster", "", "fence_mbarrier_init(self, at)"),
    Row("fence.proxy.async{.where}", "", "fence_proxy_async(self, at)",
        where=("global", "shared::cta", "shared::cluster")),
    Row("fence.proxy.alias", "", ""),
    Row("fence.proxy.tensormap::generic.release.scope", "", "race::fence(self, scope)"),
    Row("fence.proxy.tensormap::generic.acquire.scope", "[a], #size",
        "race::fence(self, scope)", {"size": range(128, 129)}),
]  # fmt: skip
