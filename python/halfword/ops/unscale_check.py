"""Overflow check, unscaling and global norm of a list of gradients, in one read."""

from collections.abc import Sequence

from torch import Tensor

from ._library import call, define, mark_written

_OP = define(
    "unscale_check(Tensor(a!)[] grads, Tensor inv_scale, Tensor(b!) found_inf, "
    "Tensor(c!)? norm, bool write) -> ()",
    fake=lambda grads, inv_scale, found_inf, norm, write: None,
)


def unscale_check(
    grads: Sequence[Tensor],
    inv_scale: Tensor,
    found_inf: Tensor,
    *,
    write: bool = True,
    norm: Tensor | None = None,
) -> None:
    """Is any unscaled gradient inf or NaN? Optionally write them unscaled; optionally their norm.

    ``u = grad * inv_scale``; ``found_inf = 1`` if any ``u`` is inf or NaN;
    ``norm = sqrt(sum(u ** 2))`` over the whole list.

    Args:
        grads: float32, bfloat16 or float16 tensors of any shapes and strides, mixed as you like.
            Replaced by ``u``, rounded to their dtype, if ``write``.
        inv_scale: 1 / loss scale; float32, one element, on the gradients' device.
        found_inf: float32, one element. Set to 1 on overflow and otherwise left alone, so that
            several calls can share it: clear it before the first.
        write: whether to write the gradients back. Without it this is a pure read.
        norm: float32, one element, overwritten with the norm; ``None`` for no norm.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: a device differs, a scalar has not one element, or a gradient to be written
            overlaps itself in memory (an expanded tensor).

    Numerics: products in FP32. With ``write`` the value tested is the one written, after rounding.
        The norm adds in a fixed tree (FP32 in a tile, double across tiles; see
        csrc/ops/unscale_check.h): the same bits for every number of threads, instruction set and
        device. A finite sum too large for FP32 gives ``norm = inf`` and leaves ``found_inf`` alone.
    Gradient: none.
    Moves: one read of the gradients, and one write of them if ``write``.
    Source: Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2.
    """
    grads = list(grads)
    call(_OP, grads, inv_scale, found_inf, norm, write)
    mark_written(grads if write else [], [found_inf], [] if norm is None else [norm])
