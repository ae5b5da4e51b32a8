"""What a user would take instead of the INT8 products: torch's own, fbgemm and oneDNN behind them,
OpenVINO, ONNX Runtime, torchao.

A product that is given INT8 activations is compared with those that are given them too, and one
that quantizes activations itself with those that do.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .others import installed, side_of
from .problem import Outcome, Side

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ACTIVATION_SCALE = 0.02


@dataclass
class LinearProblem:
    """y = x w^T, in floats and in codes. Activation codes have one scale, as most rivals ask."""

    m: int
    n: int
    k: int
    dtype: torch.dtype
    x: Tensor = field(init=False)  # [m, k] dtype
    w: Tensor = field(init=False)  # [n, k] dtype
    x_codes: Tensor = field(init=False)
    w_codes: Tensor = field(init=False)
    w_scale: Tensor = field(init=False)  # [n]

    def __post_init__(self) -> None:
        generator = torch.Generator("cpu").manual_seed(7)

        def codes(rows: int) -> Tensor:
            return torch.randint(-127, 128, (rows, self.k), generator=generator, dtype=torch.int8)

        self.x_codes, self.w_codes = codes(self.m), codes(self.n)
        self.x_codes[:, 0] = 127  # so that a computed scale is the one that was given
        self.w_scale = torch.rand(self.n, generator=generator) * 1e-3 + 1e-4
        self.x = (self.x_codes.float() * ACTIVATION_SCALE).to(self.dtype)
        self.w = (self.w_codes.float() * self.w_scale[:, None]).to(self.dtype)

    def activation_scales(self) -> Tensor:
        return torch.full((self.m,), ACTIVATION_SCALE)

    def largest_result(self) -> float:
        """Of any sum of absolute products."""
        return float(self.k * 127 * 127 * ACTIVATION_SCALE * self.w_scale.max())


def side(name: str, make: Callable[[], Callable[[], Any]], optional: bool = True) -> Outcome:
    """`make` prepares, and gives the function to time, which returns the product."""
    try:
        run = make()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return f"{name}: does not work here ({type(error).__name__}: {error})"
    return Side(name, run, lambda: {"y": [torch.as_tensor(run())]}, optional)


# --- given codes ----------------------------------------------------------------------------------


def int_mm(p: LinearProblem) -> Outcome:
    """torch's product of codes, then its two scales."""
    scale_x, scale_w, weight = p.activation_scales()[:, None], p.w_scale, p.w_codes.t()

    def run() -> Tensor:
        return (torch._int_mm(p.x_codes, weight) * scale_w * scale_x).to(p.dtype)

    return side("torch._int_mm, scaled", lambda: run)


def onednn_pointwise(p: LinearProblem) -> Outcome:
    """oneDNN with everything fused, as torch's export quantization calls it."""

    def make() -> Callable[[], Tensor]:
        op = torch.ops.onednn
        packed = op.qlinear_prepack(p.w_codes, [p.m, p.k])
        codes = (p.x_codes.short() + 128).to(torch.uint8)
        zeros = torch.zeros(p.n, dtype=torch.int32)
        return lambda: op.qlinear_pointwise(
            codes, ACTIVATION_SCALE, 128, packed, p.w_scale, zeros, None, 1.0, 0, p.dtype, "none",
            [], "",
        )  # fmt: skip

    return side("oneDNN qlinear_pointwise", make)


def openvino_static(p: LinearProblem) -> Outcome:
    """OpenVINO's CPU plugin, from uint8 activations of one scale; FP32 results."""

    def make(ov: Any) -> Outcome:
        op = ov.opset13
        codes = (p.x_codes.short() + 128).to(torch.uint8).numpy()
        x = op.parameter([p.m, p.k], codes.dtype)
        centred = op.subtract(op.convert(x, "f32"), op.constant(_float(128.0)))
        activations = op.multiply(centred, op.constant(_float(ACTIVATION_SCALE)))
        y = op.matmul(activations, _openvino_weight(ov, p), False, True)
        return side("OpenVINO INT8", lambda: openvino_run(ov, y, x, codes, "0"))

    return side_of("OpenVINO INT8", "openvino", make)


# --- given floats ---------------------------------------------------------------------------------


def linear_dynamic(p: LinearProblem, engine: str) -> Outcome:
    """torch's dynamically quantized linear: one scale for all activations, 7 or 8 bits."""

    def make() -> Callable[[], Tensor]:
        before = torch.backends.quantized.engine
        torch.backends.quantized.engine = engine
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                zeros = torch.zeros(p.n, dtype=torch.long)
                w = torch.quantize_per_channel(
                    p.w.float(), p.w_scale.double(), zeros, 0, torch.qint8
                )  # fmt: skip
                packed = torch.ops.quantized.linear_prepack(w, None)
        finally:
            torch.backends.quantized.engine = before
        x = p.x.float()
        return lambda: torch.ops.quantized.linear_dynamic(x, packed, False)

    return side(f"torch linear_dynamic ({engine})", make)


def onnxruntime_dynamic(p: LinearProblem) -> Outcome:
    tensors = {"B": p.w_codes.t().contiguous(), "S": p.w_scale,
               "Z": torch.zeros(p.n, dtype=torch.int8)}  # fmt: skip
    return onnxruntime_node("DynamicQuantizeMatMul", "", p.x, p.n, tensors)


def openvino_dynamic(p: LinearProblem, group: int | None) -> Outcome:
    """OpenVINO's dynamic quantization of activations, in groups of so many or in whole rows."""
    name = f"OpenVINO, activations in groups of {group}" if group else "OpenVINO, rows"

    def make(ov: Any) -> Outcome:
        values = p.x.float().numpy()
        x = ov.opset13.parameter([p.m, p.k], values.dtype)
        y = ov.opset13.matmul(x, _openvino_weight(ov, p), False, True)
        return side(name, lambda: openvino_run(ov, y, x, values, str(group or p.k)))

    return side_of(name, "openvino", make)


def torchao_dynamic(p: LinearProblem) -> Outcome:
    name = "torchao Int8DynamicActivationInt8Weight"

    def make(module: Any) -> Outcome:
        linear = torch.nn.Linear(p.k, p.n, bias=False, dtype=p.dtype)
        linear.weight.data.copy_(p.w)
        model = torch.nn.Sequential(linear).requires_grad_(False)
        module.quantize_(model, module.Int8DynamicActivationInt8WeightConfig())
        return side(name, lambda: torch.no_grad()(lambda: model(p.x)))

    return side_of(name, "torchao.quantization", make)


def torch_linear(p: LinearProblem, name: str) -> Outcome:
    x, w = p.x.to(DTYPES[name]), p.w.to(DTYPES[name])
    return side(f"torch linear, {name}", lambda: lambda: torch.nn.functional.linear(x, w))


# --- runtimes of their own ------------------------------------------------------------------------


def onnxruntime_node(
    node: str, how: str, x: Tensor, n: int, tensors: dict[str, Tensor], **attributes: int
) -> Outcome:
    """A product of FP32 activations and constant tensors that is one node of ONNX Runtime's own."""
    name = f"ONNX Runtime {node}{how}"

    def make(ort: Any) -> Outcome:
        from onnx import TensorProto, helper, numpy_helper

        constants = [numpy_helper.from_array(each.numpy(), key) for key, each in tensors.items()]
        product = helper.make_node(
            node, ["A", *tensors], ["Y"], domain="com.microsoft", **attributes
        )
        ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, [len(x), columns])
                for end, columns in (("A", x.shape[1]), ("Y", n))]  # fmt: skip
        graph = helper.make_graph([product], "linear", ends[:1], ends[1:], constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.force_spinning_stop", "1")  # with the call
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feed = {"A": x.float().numpy()}
        return side(name, lambda: lambda: session.run(None, feed)[0])

    if not installed("onnx"):
        return f"{name}: onnx is not installed"
    return side_of(name, "onnxruntime", make)


def _float(value: float) -> Any:
    import numpy

    return numpy.float32(value)


def _openvino_weight(ov: Any, p: LinearProblem) -> Any:
    codes = ov.opset13.convert(ov.opset13.constant(p.w_codes.numpy()), "f32")
    return ov.opset13.multiply(codes, ov.opset13.constant(p.w_scale[:, None].numpy()))


def openvino_run(ov: Any, y: Any, x: Any, values: Any, group: str) -> Callable[[], Any]:
    """The values are read where they lie."""
    settings = {"INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": group,
                "INFERENCE_PRECISION_HINT": "f32"}  # fmt: skip
    model = ov.Core().compile_model(ov.Model([y], [x], "linear"), "CPU", settings)
    request = model.create_infer_request()
    given = ov.Tensor(values, shared_memory=True)
    request.set_input_tensor(given)

    def run() -> Any:
        assert given.data is not None  # the request does not keep it
        request.infer()
        return request.get_output_tensor().data

    return run
