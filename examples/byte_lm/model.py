"""A small byte-level GPT whose parameters may be fp32, bf16 or fp16."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfword.nn import int8_linear
from halfword.quant import Int8Training

from .config import BYTES

INIT_STD = 0.02  # GPT-2's


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a `ByteGPT`."""

    layers: int
    width: int
    heads: int
    context: int  # bytes seen at once
    ngram: int  # last bytes read directly by the input embedding


class Linear(nn.Linear):
    """Linear layer without bias, in the dtype of its weight; fast for fp16 weights on a CPU too.

    With a recipe its products are INT8, of operands in that dtype.
    """

    recipe: Int8Training | None = None

    def __init__(self, fan_in: int, fan_out: int, std: float = INIT_STD) -> None:
        super().__init__(fan_in, fan_out, bias=False)
        nn.init.normal_(self.weight, std=std)

    def forward(self, x: Tensor) -> Tensor:
        if self.recipe is not None:
            return int8_linear(x.to(self.weight.dtype), self.weight, recipe=self.recipe)
        if slow_half(self.weight):
            return nn.functional.linear(x.float(), self.weight.float()).half()
        return nn.functional.linear(x.to(self.weight.dtype), self.weight)


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = Linear(config.width, 3 * config.width)
        self.out = Linear(config.width, config.width, INIT_STD / (2 * config.layers) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = attend(q, k, v).transpose(1, 2).reshape(batch, length, width)
        result: Tensor = self.out(mixed)
        return result


class Block(nn.Module):
    """Attention and MLP, each normalised on entry and added to the residual stream.

    The stream is FP32 whatever the weights are: in 16 bits, a sum of many small parts loses them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.up = Linear(config.width, 4 * config.width)
        self.down = Linear(4 * config.width, config.width, INIT_STD / (2 * config.layers) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(normalize(x))
        hidden: Tensor = self.up(normalize(x))
        added: Tensor = self.down(hidden.relu().square())
        return x + added


class ByteGPT(nn.Module):
    """Predict the next byte from the ones before it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.recent = nn.Embedding(config.ngram * BYTES, config.width)
        self.position = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.head = Linear(config.width, BYTES)
        for table in (self.recent, self.position):
            nn.init.normal_(table.weight, std=INIT_STD)

    def to_mixed(self, dtype: torch.dtype) -> "ByteGPT":
        """Give the linear layers this dtype. Embeddings stay FP32: their gradients add up one
        position at a time, and in 16 bits a frequent byte's would stop growing."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.to(dtype)
        return self

    def to_int8(self, recipe: Int8Training) -> "ByteGPT":
        """Give the linear layers of the blocks INT8 products. The last layer keeps its own: it is a
        small part of the work, and its errors go straight into the loss."""
        for module in self.blocks.modules():
            if isinstance(module, Linear):
                module.recipe = recipe
        return self

    def forward(self, text: Tensor) -> Tensor:
        """Logits ``[batch, length, 256]`` of the byte after each of ``text [batch, length]``."""
        x = self.position.weight[: text.shape[1]] + self.embed(text)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(normalize(x))
        return logits

    def embed(self, text: Tensor) -> Tensor:
        """Sum over the last `ngram` bytes of one learnt vector per (byte, distance)."""
        length = text.shape[1]
        rows = [
            nn.functional.pad(text, (back, 0))[:, :length] + back * BYTES
            for back in range(self.config.ngram)
        ]
        vectors: Tensor = self.recent(torch.stack(rows, -1))
        return vectors.sum(-2)

    def loss(self, text: Tensor, target: Tensor) -> Tensor:
        """Mean cross entropy in nats, computed in fp32 whatever the parameters are."""
        return nn.functional.cross_entropy(self(text).float().flatten(0, 1), target.flatten())


def normalize(x: Tensor) -> Tensor:
    """Layer norm without weights: the linear layer that follows can hold them."""
    return nn.functional.layer_norm(x, x.shape[-1:])


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention over ``[batch, heads, length, head_width]``."""
    if q.is_cpu and q.dtype is torch.bfloat16:
        return attend_by_products(q, k, v)
    if slow_half(q):
        return attend(q.float(), k.float(), v.float()).half()
    return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def attend_by_products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Two batched products: half the time of torch's fused bf16 attention on a CPU."""
    length, head_width = q.shape[-2:]
    future = q.new_full((length, length), float("-inf")).triu(1)
    scores: Tensor = (q * head_width**-0.5) @ k.transpose(-1, -2) + future
    return scores.softmax(-1) @ v


def slow_half(x: Tensor) -> bool:
    """Whether torch multiplies this slowly: fp16 on a CPU, where widening to fp32 is faster."""
    return x.is_cpu and x.dtype is torch.float16
