"""Train a byte-level GPT in fp32, bf16, fp16 or INT8: ``python -m examples.byte_lm``."""
