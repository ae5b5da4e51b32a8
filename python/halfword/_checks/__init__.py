"""The doctor's checks: each op against a short formula, on the device that is current."""

from __future__ import annotations

from . import products, quantizers, training
from .check import Check, first_fault

__all__ = ["CHECKS", "first_fault"]

CHECKS: dict[str, Check] = {
    "absmax": quantizers.check_absmax,
    "accumulate_grads": training.check_accumulate,
    "adam_step": training.check_adam,
    "dequantize": quantizers.check_dequantize,
    "fake_quantize": quantizers.check_fake_quantize,
    "fake_quantize_backward": quantizers.check_fake_quantize_backward,
    "gemm_int8": products.check_gemm_int8,
    "gemm_w4a8": products.check_gemm_w4a8,
    "gemm_w4a16": products.check_gemm_w4a16,
    "hadamard": quantizers.check_hadamard,
    "histogram": quantizers.check_histogram,
    "norm_quantize": quantizers.check_norm_quantize,
    "pack_int4": products.check_pack_int4,
    "pack_int8": products.check_pack_int8,
    "quantize": quantizers.check_quantize,
    "quantize_dual": quantizers.check_quantize_dual,
    "requantize": quantizers.check_requantize,
    "silu_mul_quantize": quantizers.check_silu_mul,
    "unpack_int4": products.check_unpack_int4,
    "unscale_check": training.check_unscale,
    "update_scale": training.check_update_scale,
}
