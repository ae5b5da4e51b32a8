"""A linear layer whose three products are INT8, as a function."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812  (everybody's name for it)

from ..ops.absmax import absmax
from ..ops.gemm_int8 import gemm_int8
from ..ops.hadamard import hadamard
from ..ops.quantize import Quantized, quantize
from ..ops.quantize_dual import quantize_dual
from ..quant.recipes import Int8Training
from ..quant.spec import Spec

_NEAREST = Spec()
_STOCHASTIC = Spec(rounding="stochastic")
_COLUMNS = Spec(axis="column")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def int8_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    recipe: Int8Training = Int8Training(),  # noqa: B008  (frozen)
) -> Tensor:
    """``x @ weight.T + bias`` with INT8 products, forward and backward.

    The rows of both operands of a product are quantized, symmetrically, with a scale each. So ``x``
    and ``dy`` have one scale a token and ``weight`` one an output channel; in ``dy @ weight``,
    ``weight`` has one an input channel; in ``dy.T @ x`` both have one a channel.

    Args:
        x: ``[..., in_features]``; float32, bfloat16 or float16. Under autocast it gets autocast's
            dtype first, as in torch's linear layers.
        weight: ``[out_features, in_features]`` of one of these dtypes, not necessarily that of
            ``x``. Its gradient has its dtype (or its ``grad_dtype``). If it has an attribute
            ``main_grad``, float32 and of its shape, the gradient is added to that in the product,
            and ``weight.grad`` stays as it is: whatever waits for ``.grad``, as DDP does, does not
            see this gradient.
        bias: ``[out_features]`` of one of these dtypes, or None.
        recipe: which products are INT8, and how. One that is not has the dtype of ``x``.

    Returns:
        ``[..., out_features]`` of the dtype of ``x``.

    Raises:
        TypeError: a dtype is not one of the above.
        ValueError: shapes do not fit, or ``x`` has fewer columns than the recipe has outliers.

    Numerics: sums of codes are exact, and every result is rounded to its dtype once. A NaN or inf
        in a row makes its scale NaN, and with it all results that the row takes part in.
    Gradient: of ``x``, ``weight`` and ``bias``, once. What is kept for it of ``x`` are INT8 codes
        and a scale a column, or ``x`` itself if the recipe has no ``grad_weight``; of ``weight``,
        which is quantized again, nothing.
    """
    x = as_autocast(x)
    main_grad = getattr(weight, "main_grad", None)
    _check(x, weight, bias, main_grad, recipe)
    plan = _Plan(
        recipe,
        keeps_x=torch.is_grad_enabled() and weight.requires_grad,
        grad_dtype=_grad_dtype(weight),
    )
    tokens = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    apply: Any = _Int8Linear.apply
    y: Tensor = apply(tokens, weight, bias, main_grad, plan)
    return y.view(*x.shape[:-1], weight.shape[0])


class _Plan(NamedTuple):
    """What a call knows beside its tensors."""

    recipe: Int8Training
    keeps_x: bool  # for the gradient of the weight
    grad_dtype: torch.dtype  # of that gradient


class _Int8Linear(torch.autograd.Function):
    """Of a matrix of tokens. Every product is a @ b.T, of operands whose rows are quantized:

    y = x @ (w).T    dx = dy @ (w.T).T    dw = dy.T @ (x.T).T
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        main_grad: Tensor | None,
        plan: _Plan,
    ) -> Tensor:
        recipe = plan.recipe
        main, residual = x, None
        if recipe.output and recipe.outliers:
            main, residual = _split_outliers(x, weight, recipe.outliers)
        keeps_codes = plan.keeps_x and recipe.grad_weight
        rows, columns = _operands(x, recipe, recipe.output and main is x, keeps_codes)
        if main is not x:
            rows, _ = _operands(main, recipe, True, False)
        if rows is not None:
            weight_rows, _ = _operands(weight, recipe, True, False)
            y = _product(rows, weight_rows, bias=bias, residual=residual, out_dtype=x.dtype)
        else:
            y = F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))
        if columns is not None:
            ctx.save_for_backward(weight, columns.codes, columns.scale)
        else:
            ctx.save_for_backward(weight, x if plan.keeps_x else None, None)
        ctx.plan = plan
        ctx.main_grad = main_grad  # not among the saved: every backward writes it
        ctx.bias_dtype = None if bias is None else bias.dtype
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        dy = dy.contiguous()  # so that no sum depends on its strides
        weight, x, x_scale = ctx.saved_tensors
        recipe, grad_dtype, main_grad = ctx.plan.recipe, ctx.plan.grad_dtype, ctx.main_grad
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        dx = dw = db = None
        rows, columns = _operands(
            dy,
            recipe,
            of_x and recipe.grad_input,
            of_weight and recipe.grad_weight,
            _STOCHASTIC if recipe.stochastic_grad else _NEAREST,
        )
        if rows is not None:
            _, weight_columns = _operands(weight, recipe, False, True)
            dx = _product(rows, weight_columns, out_dtype=dy.dtype)
        elif of_x:
            dx = dy @ weight.to(dy.dtype)
        if columns is not None:
            x_columns = Quantized(x, x_scale, None)
            if main_grad is None:
                dw = _product(columns, x_columns, out_dtype=grad_dtype)
            else:
                _product(columns, x_columns, out=main_grad, beta=1.0)
        elif of_weight:
            dw = (dy.t() @ x).to(grad_dtype)
            if main_grad is not None:
                main_grad.add_(dw)
                dw = None
        if of_bias:
            db = dy.sum(0, dtype=torch.float32).to(ctx.bias_dtype)
        return dx, dw, db, None, None


def _operands(
    x: Tensor, recipe: Int8Training, of_rows: bool, of_columns: bool, spec: Spec = _NEAREST
) -> tuple[Quantized | None, Quantized | None]:
    """The rows of ``x`` and those of ``x.T``, quantized; None for those not asked for."""
    if of_columns and recipe.hadamard is None:
        rows, columns = quantize_dual(x, spec)
        return rows if of_rows else None, columns
    return (
        quantize(_rotate(x, recipe.hadamard), spec) if of_rows else None,
        quantize(_rotate(x.t(), recipe.hadamard), spec) if of_columns else None,
    )


def _rotate(x: Tensor, block: int | None) -> Tensor:
    """The rows transformed; zeros that complete the last block change no product of two rows."""
    if block is None:
        return x
    return hadamard(F.pad(x, (0, -x.shape[-1] % block)), block)


def _product(a: Quantized, b: Quantized | None, **options: Any) -> Tensor:
    assert b is not None
    return gemm_int8(a.codes, b.codes, a.scale, b.scale, **options)


def _split_outliers(x: Tensor, weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``x`` with zeros for its `count` largest columns, and what these add to ``x @ weight.T``."""
    columns = absmax(x, _COLUMNS).topk(count, sorted=False).indices
    product = x[:, columns] @ weight[:, columns].to(x.dtype).t()
    return x.index_fill(1, columns, 0), product


def as_autocast(x: Tensor) -> Tensor:
    """What autocast does to the input of a linear layer."""
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and x.dtype in DTYPES:
        return x.to(torch.get_autocast_dtype(kind))
    return x


def _grad_dtype(weight: Tensor) -> torch.dtype:
    """The dtype that autograd wants of the weight's gradient."""
    if torch.compiler.is_compiling():
        return weight.dtype  # which the tracer cannot ask; autograd converts it
    return getattr(weight, "grad_dtype", None) or weight.dtype


def check_input(name: str, x: Tensor, columns: int) -> None:
    """The rules for the input of a layer."""
    _check_dtype(name, "x", x)
    if x.dim() == 0 or x.shape[-1] != columns:
        raise ValueError(f"{name}: x must have {columns} columns; got shape {list(x.shape)}")


def _check(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    main_grad: Tensor | None,
    recipe: Int8Training,
) -> None:
    if weight.dim() != 2:
        raise ValueError(f"int8_linear: weight must be a matrix; got shape {list(weight.shape)}")
    outputs, inputs = weight.shape
    check_input("int8_linear", x, inputs)
    _check_dtype("int8_linear", "weight", weight)
    if bias is not None:
        _check_dtype("int8_linear", "bias", bias)
        _check_shape("bias", bias, (outputs,))
    if recipe.outliers > inputs:
        raise ValueError(
            f"int8_linear: recipe must have at most {inputs} outliers, one a column of x; "
            f"got {recipe.outliers}"
        )
    if main_grad is not None:
        if main_grad.dtype != torch.float32:
            raise TypeError(f"int8_linear: weight.main_grad must be float32; got {main_grad.dtype}")
        _check_shape("weight.main_grad", main_grad, weight.shape)


def _check_dtype(function: str, name: str, tensor: Tensor) -> None:
    if tensor.dtype not in DTYPES:
        raise TypeError(
            f"{function}: {name} must be float32, bfloat16 or float16; got {tensor.dtype}"
        )


def _check_shape(name: str, tensor: Tensor, shape: Sequence[int]) -> None:
    if tensor.shape != tuple(shape):
        raise ValueError(
            f"int8_linear: {name} must have shape {list(shape)}; got {list(tensor.shape)}"
        )
