"""Lists of parameter shapes: what a step of a real model goes over, and the two extremes."""

Shape = tuple[int, ...]

# As published; the shapes below must add up to it.
GPT2_SMALL_PARAMETERS = 124_439_808
LLAMA_1B_PARAMETERS = 1_235_814_400


def gpt2_small() -> list[Shape]:
    """The 148 parameter tensors of GPT-2 small, in the order of its checkpoint."""
    vocabulary, context, width, blocks = 50257, 1024, 768, 12
    norm: list[Shape] = [(width,), (width,)]  # weight, bias

    def linear(inputs: int, outputs: int) -> list[Shape]:
        return [(inputs, outputs), (outputs,)]

    attention = [*norm, *linear(width, 3 * width), *linear(width, width)]
    mlp = [*norm, *linear(width, 4 * width), *linear(4 * width, width)]
    return [(vocabulary, width), (context, width), *blocks * (attention + mlp), *norm]


def llama_1b() -> list[Shape]:
    """The 146 parameter tensors of Llama-3.2-1B, in the order of its checkpoint. The output layer
    is the embedding."""
    vocabulary, width, inner, blocks = 128256, 2048, 8192, 16
    keys = 8 * 64  # heads for keys and values, times their width
    attention: list[Shape] = [(width, width), (keys, width), (keys, width), (width, width)]
    mlp: list[Shape] = [(inner, width), (inner, width), (width, inner)]
    norms: list[Shape] = [(width,), (width,)]
    return [(vocabulary, width), *blocks * (attention + mlp + norms), (width,)]


def billion() -> list[Shape]:
    """10^9 parameters, and 0.02 % more, in 300 equal matrices."""
    return [(2048, 1628)] * 300


def many_small(count: int = 1000, size: int = 64) -> list[Shape]:
    """Where the cost of a call and of a tensor is all there is."""
    return [(size,)] * count


def one_large(size: int = 2**26) -> list[Shape]:
    """Where the cost of an element is all there is."""
    return [(size,)]


def few_odd() -> list[Shape]:
    """A few tensors with vectors, tails and a scalar: enough to compare two implementations."""
    return [(64, 100), (4099,), (3, 5, 7), (1,)]
