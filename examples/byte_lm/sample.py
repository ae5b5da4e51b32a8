"""Text written by the model, made safe to print."""

import torch

from .side import Side


@torch.no_grad()
def generate(side: Side, prompt: str, length: int, temperature: float, seed: int) -> bytes:
    """`prompt` and `length` more bytes; the most likely ones if the temperature is 0."""
    device = side.config.torch_device
    generator = torch.Generator().manual_seed(seed)  # its own: sampling never disturbs a resume
    text = torch.tensor([list(prompt.encode())], device=device)
    for _ in range(length):
        logits = side.model(text[:, -side.config.context :])[0, -1].float().cpu()
        if temperature > 0:
            chances = (logits / temperature).softmax(-1)
            byte = torch.multinomial(chances, 1, generator=generator)
        else:
            byte = logits.argmax(-1, keepdim=True)
        text = torch.cat((text, byte.to(device)[None]), 1)
    return bytes(text[0].tolist())


def printable(text: bytes) -> str:
    """The text with every byte a terminal could act on written as an escape."""
    characters = text.decode(errors="backslashreplace")
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in characters
    )
