"""Fused optimizers: drop-ins for their torch counterparts, with FP32 masters of 16-bit models."""

from .adam import Adam, AdamW
from .masters import join_master, split_master

__all__ = ["Adam", "AdamW", "join_master", "split_master"]
