"""Lists of parameter shapes: what a step of a real model goes over, and the two extremes."""

Shape = tuple[int, ...]

GPT2_SMALL_PARAMETERS = 124_439_808  # as published; the shapes below must add up to it


def gpt2_small() -> list[Shape]:
    """The 148 parameter tensors of GPT-2 small, in the order of its checkpoint."""
    vocabulary, context, width, blocks = 50257, 1024, 768, 12
    norm: list[Shape] = [(width,), (width,)]  # weight, bias

    def linear(inputs: int, outputs: int) -> list[Shape]:
        return [(inputs, outputs), (outputs,)]

    attention = [*norm, *linear(width, 3 * width), *linear(width, width)]
    mlp = [*norm, *linear(width, 4 * width), *linear(4 * width, width)]
    return [(vocabulary, width), (context, width), *blocks * (attention + mlp), *norm]


def many_small(count: int = 1000, size: int = 64) -> list[Shape]:
    """Where the cost of a call and of a tensor is all there is."""
    return [(size,)] * count


def one_large(size: int = 2**26) -> list[Shape]:
    """Where the cost of an element is all there is."""
    return [(size,)]


def few_odd() -> list[Shape]:
    """A few tensors with vectors, tails and a scalar: enough to compare two implementations."""
    return [(64, 100), (4099,), (3, 5, 7), (1,)]
