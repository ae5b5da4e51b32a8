"""A small byte-level GPT whose parameters may be fp32, bf16 or fp16."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfword.nn import Int4Linear, Int8DynamicLinear, int8_linear
from halfword.quant import Int4WeightOnly, Int8Dynamic, Int8Training

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
    """Linear layer without bias; fast for fp16 weights on a CPU too. With a recipe its products are
    INT8."""

    recipe: Int8Training | None = None

    def __init__(self, fan_in: int, fan_out: int, std: float = INIT_STD) -> None:
        super().__init__(fan_in, fan_out, bias=False)
        nn.init.normal_(self.weight, std=std)

    def forward(self, x: Tensor) -> Tensor:
        if self.recipe is not None:
            return int8_linear(x, self.weight, recipe=self.recipe)
        if slow_half(self.weight):
            return nn.functional.linear(x.float(), self.weight.float()).half()
        return super().forward(x)


class Normalize(nn.Module):
    """Layer norm without weights, which the linear layer that follows can hold; in its dtype."""

    dtype = torch.float32

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:]).to(self.dtype)


class Cache:
    """What a model keeps of the bytes that it has read, so that it reads each of them once."""

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.text: Tensor | None = None
        self._keys_values: list[tuple[Tensor, Tensor]] = []

    @property
    def length(self) -> int:
        """Bytes read."""
        return 0 if self.text is None else self.text.shape[1]

    def add_text(self, text: Tensor) -> None:
        """Note bytes ``[batch, length]`` whose keys and values have been added."""
        self.text = text if self.text is None else torch.cat((self.text, text), 1)

    def add(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer, those of new bytes behind those of the bytes before."""
        if layer == len(self._keys_values):
            batch, heads, _, head_width = k.shape
            room = (batch, heads, self.config.context, head_width)
            self._keys_values.append((k.new_empty(room), v.new_empty(room)))
        end = self.length + k.shape[2]
        all_k, all_v = (room[:, :, :end] for room in self._keys_values[layer])
        all_k[:, :, self.length :], all_v[:, :, self.length :] = k, v
        return all_k, all_v


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.heads, self.layer = config.heads, layer
        self.qkv = Linear(config.width, 3 * config.width)
        self.out = Linear(config.width, config.width, INIT_STD / (2 * config.layers) ** 0.5)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if cache is not None:
            k, v = cache.add(self.layer, k, v)
        mixed = attend(q, k, v).transpose(1, 2).reshape(batch, length, width)
        result: Tensor = self.out(mixed)
        return result


class Block(nn.Module):
    """Attention and MLP, each normalised on entry and added to the residual stream.

    The stream is FP32 whatever the weights are: in 16 bits, a sum of many small parts loses them.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.normalize = Normalize()
        self.attention = Attention(config, layer)
        self.up = Linear(config.width, 4 * config.width)
        self.down = Linear(4 * config.width, config.width, INIT_STD / (2 * config.layers) ** 0.5)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        x = x + self.attention(self.normalize(x), cache)
        hidden: Tensor = self.up(self.normalize(x))
        added: Tensor = self.down(hidden.relu().square())
        return x + added


class ByteGPT(nn.Module):
    """Predict the next byte from the ones before it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.recent = nn.Embedding(config.ngram * BYTES, config.width)
        self.position = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.normalize = Normalize()
        self.head = Linear(config.width, BYTES)
        for table in (self.recent, self.position):
            nn.init.normal_(table.weight, std=INIT_STD)

    def to_mixed(self, dtype: torch.dtype) -> "ByteGPT":
        """Give the linear layers this dtype. Embeddings stay FP32: their gradients add up one
        position at a time, and in 16 bits a frequent byte's would stop growing."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.to(dtype)
            elif isinstance(module, Normalize):
                module.dtype = dtype
        return self

    def to_int8(self, recipe: Int8Training) -> "ByteGPT":
        """Give the linear layers of the blocks INT8 products. The last layer keeps its own: it is a
        small part of the work, and its errors go straight into the loss."""
        for module in self.blocks.modules():
            if isinstance(module, Linear):
                module.recipe = recipe
        return self

    def freeze(self, recipe: Int8Dynamic | Int4WeightOnly) -> "ByteGPT":
        """Exchange the linear layers of the blocks for frozen ones with weights of fewer bits."""
        kind = Int8DynamicLinear if isinstance(recipe, Int8Dynamic) else Int4Linear
        for module in list(self.blocks.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, Linear):
                    setattr(module, name, kind.from_float(child, recipe))
        return self

    def forward(self, text: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits ``[batch, length, 256]`` of the byte after each of ``text [batch, length]``.

        With a cache, the text goes on where the one before it ended: the first of any length, then
        a byte at a time.
        """
        before = 0 if cache is None else cache.length
        if before and text.shape[1] != 1:
            raise ValueError(f"after the first text, one byte at a time; got {text.shape[1]}")
        x = self.position.weight[before : before + text.shape[1]] + self.embed(text, cache)
        for block in self.blocks:
            x = block(x, cache)
        if cache is not None:
            cache.add_text(text)
        logits: Tensor = self.head(self.normalize(x))
        return logits

    def embed(self, text: Tensor, cache: Cache | None = None) -> Tensor:
        """Sum over the last `ngram` bytes of one learnt vector per (byte, distance)."""
        length = text.shape[1]
        if cache is not None and cache.text is not None and self.config.ngram > 1:
            text = torch.cat((cache.text[:, -self.config.ngram + 1 :], text), 1)
        rows = [
            nn.functional.pad(text, (back, 0))[:, : text.shape[1]] + back * BYTES
            for back in range(self.config.ngram)
        ]
        vectors: Tensor = self.recent(torch.stack(rows, -1)[:, -length:])
        return vectors.sum(-2)

    def loss(self, text: Tensor, target: Tensor) -> Tensor:
        """Mean cross entropy in nats, computed in fp32 whatever the parameters are."""
        return nn.functional.cross_entropy(self(text).float().flatten(0, 1), target.flatten())


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention over ``[batch, heads, length, head_width]``; of the last byte only, if ``q``
    has but one."""
    if q.is_cpu and q.dtype is torch.bfloat16:
        return attend_by_products(q, k, v)
    if slow_half(q):
        return attend(q.float(), k.float(), v.float()).half()
    return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1)


def attend_by_products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Two batched products: half the time of torch's fused bf16 attention on a CPU."""
    length, head_width = q.shape[-2:]
    scores: Tensor = (q * head_width**-0.5) @ k.transpose(-1, -2)
    if length > 1:
        scores = scores + q.new_full((length, length), float("-inf")).triu(1)
    return scores.softmax(-1) @ v


def slow_half(x: Tensor) -> bool:
    """Whether torch multiplies this slowly: fp16 on a CPU, where widening to fp32 is faster."""
    return x.is_cpu and x.dtype is torch.float16
