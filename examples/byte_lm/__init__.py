"""Train a byte-level GPT on real text in fp32, bf16 or fp16: ``python -m examples.byte_lm``."""
