"""Quantized and dequantized in one pass: what training sees of a quantizer."""

from typing import Any

import torch
from torch import Tensor

from ..quant.spec import Spec
from ._library import call, define
from ._matrix import as_matrix, matrix_shape
from .fake_quantize_backward import fake_quantize_backward
from .quantize import check_shape, seed_tensor

_OP = define(
    "fake_quantize(Tensor x, int block_rows, int block_cols, int mapping, int bits, Tensor? seed, "
    "Tensor? scale, Tensor? zero_point, Tensor(a!)? new_scale, Tensor(b!)? new_zero_point, "
    "Tensor(c!) out) -> ()",
    fake=lambda *_: None,
)


def fake_quantize(
    x: Tensor,
    spec: Spec = Spec(),  # noqa: B008 - a constant
    *,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    seed: int | Tensor | None = None,
    grad_factor: float = 1.0,
) -> Tensor:
    """What is left of ``x`` after it was quantized: ``dequantize(quantize(x, spec))`` in one pass.

    For training that sees the quantizer of a later, quantized model (QAT). Scales are computed from
    ``x``, or given; given ones can be learned (LSQ), and so can a zero point (LSQ+).

    Args:
        x: float32, bfloat16 or float16, of any shape and strides.
        spec: bits, which elements share a scale, mapping and rounding.
        scale: float32, of shape ``spec.scale_shape(x.shape)``; computed if ``None``.
        zero_point: of the shape of ``scale``, with a ``scale`` and an affine ``spec``. int32 codes;
            or float32, a learned one, which is rounded to the nearest code.
        seed: of stochastic rounding; see ``quantize``.
        grad_factor: what d_scale and d_zero_point are multiplied by. LSQ takes
            ``1 / sqrt(N * Q)``: N elements share the scale, Q is the largest code.

    Returns:
        A tensor of the shape and dtype of ``x``, contiguous.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape or device is not the one above, ``zero_point`` lacks or should not be
            there, ``seed`` is given to a ``spec`` that rounds to nearest, or a ``scale`` of log2
            requires a gradient, which it has not.

    Numerics: the bits of ``dequantize(*quantize(x, spec)[:3], spec, dtype=x.dtype)``, on every
        backend. Sums of the gradient follow a tree, see ``fake_quantize_backward``.
    Gradient: of ``x`` straight through: with computed scales that of the output, though an affine
        code may have been clamped by half a step; with given ones 0 where the code was clamped. Of
        a ``scale`` and a float ``zero_point``: see ``fake_quantize_backward``; straight through the
        rounding of the latter. Once; there is no gradient of the gradient.
    Moves: ``x`` read once, or twice where scales are computed: on CUDA, and where a core's cache
        does not hold a block; one write. Columns that are not consecutive are copied first.
    Source: Bengio et al., "Estimating or propagating gradients through stochastic neurons", 2013;
        Esser et al., "Learned step size quantization", ICLR 2020; Bhalgat et al., "LSQ+", CVPR
        workshops 2020.
    """
    scale_shape = spec.scale_shape(x.shape)
    check_shape("fake_quantize", scale, "scale", scale_shape)
    check_shape("fake_quantize", zero_point, "zero_point", scale_shape)
    if spec.mapping == "log2" and scale is not None and scale.requires_grad:
        raise ValueError(
            "fake_quantize: scale must not require a gradient with log2; got one that does"
        )
    seed = seed_tensor("fake_quantize", seed, spec, x.device)
    if scale is None and zero_point is None:
        return _Computed.apply(x, spec, seed)  # type: ignore[no-any-return, no-untyped-call]
    arguments = (x, scale, zero_point, spec, seed, grad_factor)
    return _Given.apply(*arguments)  # type: ignore[no-any-return, no-untyped-call]


def _run(
    x: Tensor, spec: Spec, scale: Tensor | None, zero_point: Tensor | None, seed: Tensor | None
) -> Tensor:
    matrix = as_matrix(x)
    new_scale = new_zero_point = None
    if scale is None:
        blocks = spec.scale_shape(x.shape)
        new_scale = x.new_empty(blocks, dtype=torch.float32)
        if spec.mapping_code == 1:
            new_zero_point = x.new_empty(blocks, dtype=torch.int32)
    out = x.new_empty(matrix_shape(x.shape))
    call(
        _OP,
        matrix,
        *spec.blocks(*matrix.shape),
        spec.mapping_code,
        spec.bits,
        seed,
        None if scale is None else scale.contiguous(),
        None if zero_point is None else zero_point.contiguous(),
        new_scale,
        new_zero_point,
        out,
    )  # fmt: skip
    return out.view(x.shape)


class _Computed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, spec: Spec, seed: Tensor | None) -> Tensor:
        return _run(x, spec, None, None, seed)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None, None]:
        return d_out, None, None


class _Given(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor | None,
        zero_point: Tensor | None,
        spec: Spec,
        seed: Tensor | None,
        grad_factor: float,
    ) -> Tensor:
        if zero_point is not None and zero_point.dtype == torch.float32:
            lowest, highest = spec.code_range
            zero_point = zero_point.round().clamp(lowest, highest).to(torch.int32)
        ctx.spec, ctx.grad_factor = spec, grad_factor
        ctx.save_for_backward(x, scale, zero_point, seed)
        return _run(x, spec, scale, zero_point, seed)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, zero_point, seed = ctx.saved_tensors
        d_x, d_scale, d_zero_point = fake_quantize_backward(
            d_out, x, scale, zero_point, ctx.spec, seed=seed,
            learned=(ctx.needs_input_grad[1], ctx.needs_input_grad[2]),
        )  # fmt: skip
        if ctx.grad_factor != 1.0:
            d_scale = None if d_scale is None else d_scale * ctx.grad_factor
            d_zero_point = None if d_zero_point is None else d_zero_point * ctx.grad_factor
        return d_x, d_scale, d_zero_point, None, None, None
