"""What a user would take instead of the INT4 products: torch's own kernel, ONNX Runtime, OpenVINO,
bitsandbytes; and the products of wider weights that INT4 is to beat.

All of them get the same codes, and scales that FP16 holds, as most rivals store them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from halfword import ops

from .int8_rivals import onnxruntime_node, openvino_run, side
from .others import side_of
from .problem import Outcome

ZERO = 8  # the nibble of 0


@dataclass
class Int4Problem:
    """y = x w^T, where groups of a row of w share a scale."""

    m: int
    n: int
    k: int
    group: int
    dtype: torch.dtype
    x: Tensor = field(init=False)  # [m, k] dtype
    nibbles: Tensor = field(init=False)  # uint8 [n, k] in 0..15
    scale: Tensor = field(init=False)  # float16 [n, k / group]

    def __post_init__(self) -> None:
        generator = torch.Generator("cpu").manual_seed(7)
        self.x = torch.randn(self.m, self.k, generator=generator).to(self.dtype)
        self.nibbles = torch.randint(
            0, 16, (self.n, self.k), generator=generator, dtype=torch.uint8
        )
        scale = torch.rand(self.n, self.k // self.group, generator=generator) * 1e-2 + 1e-3
        self.scale = scale.half()

    def codes(self) -> Tensor:
        return (self.nibbles.to(torch.int8) - ZERO).contiguous()

    def packed_by_two(self) -> Tensor:
        """The even column in the low nibble."""
        return (self.nibbles[:, ::2] | (self.nibbles[:, 1::2] << 4)).contiguous()

    def weight(self) -> Tensor:
        groups = self.codes().view(self.n, -1, self.group) * self.scale.float()[:, :, None]
        return groups.view(self.n, self.k)

    def largest_result(self) -> float:
        """Of any sum of absolute products."""
        return float((self.x.float().abs() @ self.weight().abs().t()).max())


def torch_int4pack(p: Int4Problem) -> Outcome:
    """torch's kernel for 4-bit weights, which is what torchao calls."""

    def make() -> Callable[[], Tensor]:
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(p.nibbles.int(), 1)
        scales = p.scale.t().to(torch.bfloat16)
        both = torch.stack([scales, torch.zeros_like(scales)], -1).contiguous()
        x = p.x.to(torch.bfloat16)
        return lambda: torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, p.group, both)

    return side("torch _weight_int4pack_mm, bf16", make)


def onnxruntime(p: Int4Problem, level: int) -> Outcome:
    """MatMulNBits; level 4 quantizes activations, level 1 computes in FP32."""
    blocks = p.packed_by_two().view(p.n, p.k // p.group, p.group // 2)
    tensors = {"B": blocks, "S": p.scale.float().reshape(-1)}
    return onnxruntime_node(
        "MatMulNBits", ", INT8" if level == 4 else ", FP32", p.x, p.n, tensors,
        K=p.k, N=p.n, bits=4, block_size=p.group, accuracy_level=level,
    )  # fmt: skip


def openvino(p: Int4Problem, quantizes: bool) -> Outcome:
    """Compressed weights; activations quantized in the same groups, or left in FP32."""
    name = "OpenVINO INT4, " + ("INT8" if quantizes else "FP32")

    def make(ov: Any) -> Outcome:
        op = ov.opset13
        shape = ov.Shape([p.n, p.k // p.group, p.group])
        nibbles = ov.Tensor(p.packed_by_two().view(-1).numpy(), shape, ov.Type.u4)
        eight = torch.tensor([ZERO], dtype=torch.uint8).numpy()
        zero = ov.Tensor(eight, ov.Shape([1, 1, 1]), ov.Type.u4)
        centred = op.subtract(
            op.convert(op.constant(nibbles), "f16"), op.convert(op.constant(zero), "f16")
        )
        groups = op.multiply(centred, op.constant(p.scale[:, :, None].numpy()))
        whole = op.constant(torch.tensor([p.n, p.k]).numpy())
        weight = op.convert(op.reshape(groups, whole, False), "f32")
        values = p.x.float().numpy()
        x = op.parameter([p.m, p.k], values.dtype)
        y = op.matmul(x, weight, False, True)
        group = str(p.group) if quantizes else "0"
        return side(name, lambda: openvino_run(ov, y, x, values, group))

    return side_of(name, "openvino", make)


def bitsandbytes(p: Int4Problem) -> Outcome:
    """The same weight in NF4, whose 16 values are not those of INT4: quantized again, in blocks of
    as many."""
    name = "bitsandbytes NF4, bf16"

    def make(module: Any) -> Outcome:
        def run() -> Any:
            with torch.no_grad():
                return linear(x)

        x, weight = p.x.to(torch.bfloat16), p.weight().to(torch.bfloat16)
        linear = module.Linear4bit(p.k, p.n, bias=False, compute_dtype=x.dtype, device="meta")
        settings = {"blocksize": p.group, "quant_type": "nf4", "requires_grad": False}
        linear.weight = module.Params4bit(weight, **settings).to("cpu")  # which quantizes
        linear.eval()
        run()  # the first call packs the weight
        return side(name, lambda: run)

    return side_of(name, "bitsandbytes.nn", make)


def our_int8(p: Int4Problem) -> Outcome:
    """Twice the bytes, and the codes of INT4 in them: one scale a row."""

    def make() -> Callable[[], Tensor]:
        weight = ops.quantize(p.weight())
        packed = ops.pack_int8(weight.codes)
        return lambda: ops.gemm_int8(p.x, packed, None, weight.scale)

    return side("halfword INT8", make)


def torch_linear(p: Int4Problem) -> Outcome:
    x, w = p.x.to(torch.bfloat16), p.weight().to(torch.bfloat16)
    return side("torch linear, bf16", lambda: lambda: torch.nn.functional.linear(x, w))
