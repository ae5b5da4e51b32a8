"""Text written by a model, made safe to print."""

from collections.abc import Callable

import torch
from torch import Tensor

from .model import ByteGPT, Cache
from .side import Side


def generate(side: Side, prompt: str, length: int, temperature: float, seed: int) -> bytes:
    """`prompt` and `length` more bytes; the most likely ones if the temperature is 0."""
    generator = torch.Generator().manual_seed(seed)  # its own: sampling never disturbs a resume

    def drawn(logits: Tensor) -> Tensor:
        chances = (logits.float().cpu() / temperature).softmax(-1)
        return torch.multinomial(chances, 1, generator=generator).to(logits.device)

    text = torch.tensor([list(prompt.encode())], device=side.config.torch_device)
    found = extend(side.model, text, length, drawn if temperature > 0 else most_likely)
    return bytes(found[0].tolist())


def most_likely(logits: Tensor) -> Tensor:
    """The byte ``[batch, 1]`` with the largest of ``logits [batch, 256]``."""
    return logits.argmax(-1, keepdim=True)


@torch.no_grad()
def extend(
    model: ByteGPT, text: Tensor, length: int, choose: Callable[[Tensor], Tensor] = most_likely
) -> Tensor:
    """Texts ``[batch, some]`` and `length` more bytes of each.

    Keys and values of what was read are kept. When the model has read as many bytes as it can, it
    starts again from the last half of them.
    """
    context = model.config.context
    cache, unread = Cache(model.config), text[:, -context:]
    for _ in range(length):
        if cache.length + unread.shape[1] > context:
            cache, unread = Cache(model.config), text[:, -(context // 2) :]
        unread = choose(model(unread, cache)[:, -1])
        text = torch.cat((text, unread), 1)
    return text


def printable(text: bytes) -> str:
    """The text with every byte a terminal could act on written as an escape."""
    characters = text.decode(errors="backslashreplace")
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in characters
    )
