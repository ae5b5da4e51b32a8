"""The lists of shapes that the rows go over, by device."""

from tests.cases.models import billion, few_odd, gpt2_small, llama_1b, many_small

from .problem import Shapes


def lists_for(device: str, tiny: bool) -> dict[str, Shapes]:
    """Whole models: those that a CPU steps in seconds, or those that fill a GPU. The first is the
    one that tells most."""
    if device == "cpu":
        return {"GPT-2 small": few_odd() if tiny else gpt2_small()}
    return {
        "Llama-3.2-1B": few_odd() if tiny else llama_1b(),
        "GPT-2 small": few_odd() if tiny else gpt2_small(),
        "10^9 in 300 tensors": few_odd() if tiny else billion(),
    }


def small_lists_for(device: str, tiny: bool) -> dict[str, Shapes]:
    """Many tensors of 64 elements: what a call and a tensor cost."""
    counts = {10: 10} if tiny else dict.fromkeys([1000] if device == "cpu" else [1000, 10_000])
    return {f"{count} x 64": many_small(count) for count in counts}
