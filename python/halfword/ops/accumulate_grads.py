"""Gradient accumulation in FP32."""

from collections.abc import Sequence

from torch import Tensor

from ._library import call, define, mark_written

_OP = define(
    "accumulate_grads(Tensor(a!)[] main_grads, Tensor[] grads, float alpha) -> ()",
    fake=lambda main_grads, grads, alpha: None,
)


def accumulate_grads(
    main_grads: Sequence[Tensor], grads: Sequence[Tensor], *, alpha: float = 1.0
) -> None:
    """Add gradients to FP32 main gradients: ``main = fma(alpha, grad, main)``, over a list.

    Args:
        main_grads: float32 tensors of any strides, updated in place.
        grads: as many tensors, each of the shape of its main gradient; float32, bfloat16 or
            float16, any strides.
        alpha: finite factor, rounded to float32.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: lengths, shapes or devices differ, ``alpha`` is not finite, or a main gradient
            overlaps itself in memory.

    Numerics: one fused multiply-add an element in FP32; the same bits on every backend.
    Gradient: none.
    Moves: 6 bytes read and 4 written an element of a 16-bit gradient.
    """
    main_grads = list(main_grads)
    if not main_grads and not grads:
        return
    call(_OP, main_grads, list(grads), alpha)
    mark_written(main_grads)
