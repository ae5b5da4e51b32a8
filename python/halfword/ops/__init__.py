"""The low-level ops: kernels as they are, for code that brings its own tensors."""

from .accumulate_grads import accumulate_grads
from .adam_step import adam_step
from .unscale_check import unscale_check
from .update_scale import update_scale

__all__ = ["accumulate_grads", "adam_step", "unscale_check", "update_scale"]
