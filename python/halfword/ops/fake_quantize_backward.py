"""The gradients of fake quantization."""

from torch import Tensor

from ..quant.spec import Spec
from ._library import call, define
from ._matrix import matrix_shape
from .quantize import check_shape, seed_tensor

_OP = define(
    "fake_quantize_backward(Tensor d_out, Tensor x, int block_rows, int block_cols, int mapping, "
    "int bits, Tensor? seed, Tensor scale, Tensor? zero_point, Tensor(a!) d_x, "
    "Tensor(b!)? d_scale, Tensor(c!)? d_zero_point) -> ()",
    fake=lambda *_: None,
)


def fake_quantize_backward(
    d_out: Tensor,
    x: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    spec: Spec = Spec(),  # noqa: B008 - a constant
    *,
    seed: int | Tensor | None = None,
    learned: tuple[bool, bool] = (True, True),
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Gradients of ``fake_quantize`` with given scales, all in one pass over ``x`` and ``d_out``.

    With ``t = x / scale`` as the forward has it, and ``r`` the code without its zero point:

    ===============  =================  =============================
    gradient         inside the range   where the code was clamped
    ===============  =================  =============================
    ``d_x``          ``d_out``          0
    ``d_scale``      ``d_out * (r - t)``  ``d_out * r``, summed over the block
    ``d_zero_point`` 0                  ``d_out * -scale``, the same
    ===============  =================  =============================

    Args:
        d_out: gradient of the output, of x's shape and dtype.
        x: float32, bfloat16 or float16, as in the forward.
        scale: float32, of shape ``spec.scale_shape(x.shape)``.
        zero_point: int32 codes of the shape of ``scale``, with an affine ``spec``.
        spec: that of the forward.
        seed: that of the forward, for stochastic rounding.
        learned: whether d_scale and d_zero_point are wanted, where they exist.

    Returns:
        ``(d_x, d_scale, d_zero_point)``: d_x of x's dtype; float32 of the shape of ``scale``, or
        ``None`` where they are not wanted or do not exist: d_zero_point without a zero point,
        both with log2.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a shape or device is not the one above, ``zero_point`` lacks or should not be
            there, or ``seed`` is not there exactly where rounding is stochastic.

    Numerics: the code is the forward's, bit for bit. Products are added in a fixed tree, FP32 over
        up to 4096 consecutive elements of a row by 32 lanes, double above (see
        csrc/ops/fake_quantize_backward.h): the same bits for every number of threads, instruction
        set and device. NaN in ``x`` has the code of 0, and with a scale of 0, NaN or inf ``t`` is
        0: inside the range. log2: what is below the least value passes, what is above the largest
        is clamped.
    Gradient: none.
    Moves: ``x`` and ``d_out`` read, d_x written, once. Copies first where they are not contiguous.
    Source: Esser et al., "Learned step size quantization", ICLR 2020; Bhalgat et al., "LSQ+", CVPR
        workshops 2020.
    """
    scale_shape = spec.scale_shape(x.shape)
    check_shape("fake_quantize_backward", d_out, "d_out", tuple(x.shape))
    check_shape("fake_quantize_backward", scale, "scale", scale_shape)
    check_shape("fake_quantize_backward", zero_point, "zero_point", scale_shape)
    if spec.rounding == "stochastic" and seed is None:
        raise ValueError("fake_quantize_backward: seed must be that of the forward; got None")
    shape = matrix_shape(x.shape)
    d_x = x.new_empty(shape)
    make = scale.new_zeros if x.numel() == 0 else scale.new_empty
    d_scale = make(scale_shape) if learned[0] and spec.mapping != "log2" else None
    d_zero_point = make(scale_shape) if learned[1] and spec.mapping_code == 1 else None
    call(
        _OP,
        d_out.detach().reshape(shape).contiguous(),
        x.detach().reshape(shape).contiguous(),
        *spec.blocks(*shape),
        spec.mapping_code,
        spec.bits,
        seed_tensor("fake_quantize_backward", seed, spec, x.device),
        scale.detach().contiguous(),
        None if zero_point is None else zero_point.contiguous(),
        d_x,
        d_scale,
        d_zero_point,
    )  # fmt: skip
    return d_x.view(x.shape), d_scale, d_zero_point
