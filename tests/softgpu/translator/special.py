"""Special registers, as integers in C++."""


def _axes(name: str, call: str) -> dict[str, str]:
    return {f"%{name}.{axis}": f"{call}(self).{axis}" for axis in "xyz"}


SPECIAL_REGISTERS = {
    **_axes("tid", "thread_index"),
    **_axes("ntid", "block_shape"),
    **_axes("ctaid", "block_index"),
    **_axes("nctaid", "grid_shape"),
    **_axes("clusterid", "cluster_index"),
    **_axes("nclusterid", "cluster_count"),
    **_axes("cluster_ctaid", "cluster_block_index"),
    **_axes("cluster_nctaid", "cluster_shape"),
    "%cluster_ctarank": "cluster_block_rank(self)",
    "%cluster_nctarank": "cluster_block_count(self)",
    "%is_explicit_cluster": "(cluster_block_count(self) > 1)",
    "%laneid": "lane_index(self)",
    "%warpid": "warp_index(self)",
    "%nwarpid": "warp_count(self)",
    "%smid": "multiprocessor(self)",
    "%gridid": "self.block->grid->launch_number",
    "%lanemask_eq": "(1u << lane_index(self))",
    "%lanemask_lt": "((1u << lane_index(self)) - 1)",
    "%lanemask_le": "((2u << lane_index(self)) - 1)",
    "%lanemask_gt": "~((2u << lane_index(self)) - 1)",
    "%lanemask_ge": "~((1u << lane_index(self)) - 1)",
    "%clock": "clock_register(self)",
    "%clock_hi": "(clock_register(self) >> 32)",
    "%clock64": "clock_register(self)",
    "%globaltimer": "clock_register(self)",
    "%globaltimer_lo": "clock_register(self)",
    "%globaltimer_hi": "(clock_register(self) >> 32)",
    "%dynamic_smem_size": "dynamic_shared_bytes(self)",
    "%total_smem_size": "total_shared_bytes(self)",
    # What cooperative groups keep for the barrier of the grid.
    "%envreg1": "(grid_workspace(self) >> 32)",
    "%envreg2": "grid_workspace(self)",
}
