"""4-bit weights from and to the formats of other projects.

Plain functions over tensors: ``from_...`` takes the tensors of one layer by their names in a
checkpoint and gives an ``Int4Weight``, ``to_...`` takes that and gives the tensors.
"""

from .awq import from_awq, to_awq
from .checkpoint import Layer, load_checkpoint, load_gguf
from .compressed_tensors import from_compressed_tensors, to_compressed_tensors
from .gguf import from_gguf_q4_0, from_gguf_q4_1, to_gguf_q4_0, to_gguf_q4_1
from .gptq import from_gptq, to_gptq

__all__ = [
    "Layer",
    "from_awq",
    "from_compressed_tensors",
    "from_gguf_q4_0",
    "from_gguf_q4_1",
    "from_gptq",
    "load_checkpoint",
    "load_gguf",
    "to_awq",
    "to_compressed_tensors",
    "to_gguf_q4_0",
    "to_gguf_q4_1",
    "to_gptq",
]
