"""Linear layers, [out_features, in_features], shared by benchmarks and tests."""

LLAMA_8B = {
    "Llama-3.1-8B qkv": (6144, 4096),
    "Llama-3.1-8B o": (4096, 4096),
    "Llama-3.1-8B gate, up": (28672, 4096),
    "Llama-3.1-8B down": (4096, 14336),
}
GPT2 = {
    "GPT-2 qkv": (2304, 768),
    "GPT-2 proj": (768, 768),
    "GPT-2 fc": (3072, 768),
    "GPT-2 out": (768, 3072),
}
# Where kernels for multiples of 64 fall off.
ODD = {
    "odd N, K": (4095, 4097),
    "unaligned (vLLM)": (1280, 3420),
    "narrow": (100, 4096),
}
SQUARE = (4096, 4096)
