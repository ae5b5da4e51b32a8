"""What the state dict of a 4-bit layer may hold."""

from collections.abc import Mapping

import torch
from torch import Tensor

FIELDS = ("weight_nibbles", "weight_scale", "weight_zero_point", "weight_offset", "input_order")
FLOATS = (torch.float32, torch.bfloat16, torch.float16)


def group_of(size: int | None, columns: int) -> int:
    """So many columns of a row share a scale: never more than there are, and never none."""
    return min(size or columns, columns) or 1


def check_state(
    state: Mapping[str, Tensor], outputs: int, inputs: int, group: int, prefix: str = ""
) -> None:
    """A TypeError or ValueError that names the tensor which is none of such a layer."""
    scales = (outputs, -(-inputs // group))
    shapes = {
        "weight_nibbles": (outputs, -(-inputs // 2)),
        "weight_scale": scales,
        "weight_zero_point": scales,
        "weight_offset": scales,
        "input_order": (inputs,),
        "bias": (outputs,),
    }
    dtypes = {
        "weight_nibbles": (torch.uint8,),
        "weight_scale": FLOATS,
        "weight_zero_point": (torch.uint8,),
        "weight_offset": (state["weight_scale"].dtype,),
        "input_order": (torch.int32,),
        "bias": FLOATS,
    }
    for name, tensor in state.items():
        who = f"Int4Linear: {prefix}{name} must"
        if tensor.dtype not in dtypes[name]:
            *known, got = (str(d).removeprefix("torch.") for d in (*dtypes[name], tensor.dtype))
            raise TypeError(f"{who} be {' or '.join(known)}; got {got}")
        if tensor.shape != shapes[name]:
            raise ValueError(f"{who} have shape {list(shapes[name])}; got {list(tensor.shape)}")
        if name != "bias" and tensor.device != state["weight_nibbles"].device:
            where = state["weight_nibbles"].device
            raise ValueError(f"{who} be on {where}; got a tensor on {tensor.device}")
        if name == "weight_offset" and "weight_zero_point" in state:
            raise ValueError(f"{who} be absent where there are zero points; got a tensor")
        if not tensor.is_meta:
            _check_values(who, name, tensor)


def _check_values(who: str, name: str, tensor: Tensor) -> None:
    """Waits for the device."""
    if name in ("weight_scale", "weight_offset") and not tensor.isfinite().all():
        raise ValueError(f"{who} be finite; got NaN or inf")
    if name == "weight_zero_point" and tensor.numel() and (most := int(tensor.max())) > 16:
        raise ValueError(f"{who} be 0 to 16; got {most}")
    if name == "input_order":
        columns = torch.arange(len(tensor), dtype=tensor.dtype, device=tensor.device)
        if not torch.equal(tensor.sort().values, columns):
            raise ValueError(f"{who} have each column of the input once; got another list")
