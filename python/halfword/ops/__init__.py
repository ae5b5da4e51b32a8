"""The low-level ops: kernels as they are, for code that brings its own tensors."""

from .absmax import absmax
from .accumulate_grads import accumulate_grads
from .adam_step import adam_step
from .dequantize import dequantize
from .fake_quantize import fake_quantize
from .fake_quantize_backward import fake_quantize_backward
from .gemm_int8 import gemm_int8
from .gemm_w4a8 import gemm_w4a8
from .gemm_w4a16 import gemm_w4a16
from .hadamard import hadamard
from .histogram import histogram
from .norm_quantize import NormQuantized, norm_quantize
from .pack_int4 import Int4Layout, Int4Weight, PackedInt4, pack_int4
from .pack_int8 import PackedInt8, pack_int8
from .quantize import Quantized, quantize
from .quantize_dual import quantize_dual
from .requantize import requantize
from .silu_mul_quantize import silu_mul_quantize
from .unpack_int4 import unpack_int4
from .unscale_check import unscale_check
from .update_scale import update_scale

__all__ = [
    "Int4Layout",
    "Int4Weight",
    "NormQuantized",
    "PackedInt4",
    "PackedInt8",
    "Quantized",
    "absmax",
    "accumulate_grads",
    "adam_step",
    "dequantize",
    "fake_quantize",
    "fake_quantize_backward",
    "gemm_int8",
    "gemm_w4a8",
    "gemm_w4a16",
    "hadamard",
    "histogram",
    "norm_quantize",
    "pack_int4",
    "pack_int8",
    "quantize",
    "quantize_dual",
    "requantize",
    "silu_mul_quantize",
    "unpack_int4",
    "unscale_check",
    "update_scale",
]
