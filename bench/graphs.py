"""A step as one CUDA graph: what replaying it costs is the least that a host can spend on it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .problem import ROOM_FOR_TWINS, Outcome, Side

WARMUP_STEPS = 3  # on a side stream: lazy state is made outside the graph


def graphed(side: Side, state: Sequence[Tensor]) -> Outcome:
    """The side's step, captured once and replayed; a line that says why not, where it cannot be.

    Args:
        side: must wait for nothing, and find its tensors where they were.
        state: what the step changes. It is as before after the capture, if it is small enough for
            results to be compared.
    """
    name = f"{side.name}, CUDA graph"
    small = sum(tensor.numel() for tensor in state) < ROOM_FOR_TWINS
    saved = [tensor.clone() for tensor in state] if small else []
    try:
        graph = capture(side)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        # A capture that fails leaves its stream current.
        torch.cuda.set_stream(torch.cuda.default_stream())
        reason = str(error).partition("\n")[0]
        return f"{name}: cannot be captured ({type(error).__name__}: {reason})"
    with torch.no_grad():
        for tensor, value in zip(state, saved, strict=False):
            tensor.copy_(value)
    return Side(name, graph.replay, side.results, side.optional)


def capture(side: Side) -> torch.cuda.CUDAGraph:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARMUP_STEPS):
            side.step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        side.step()
    return graph


def on_cuda(tensors: Sequence[Tensor]) -> bool:
    return len(tensors) > 0 and tensors[0].is_cuda
