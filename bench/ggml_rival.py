"""llama.cpp instead of the INT4 products: one matrix product on the CPU backend of its ggml.

It is called through ctypes, in the libraries that llama-cpp-python builds and installs. A weight in
blocks of Q4_0 is put where llama.cpp puts it: in the first kind of memory that has a product for
it, which may hold it in another order. Activations are quantized in the call, in blocks of 32.
"""

import ctypes
import importlib.util
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from ctypes import c_bool, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from itertools import takewhile
from pathlib import Path

import torch
from torch import Tensor

from halfword.ops import Int4Weight
from halfword.quant.formats import to_gguf_q4_0

from .int4_rivals import Int4Problem, side
from .others import installed
from .problem import Outcome

NAME = "llama.cpp Q4_0, INT8"
F32, Q4_0 = 0, 2  # enum ggml_type
CPU = 0  # enum ggml_backend_dev_type
TENSORS = 16  # room for their descriptions, and to spare


class Parameters(ctypes.Structure):
    """struct ggml_init_params"""

    _fields_ = (("mem_size", c_size_t), ("mem_buffer", c_void_p), ("no_alloc", c_bool))


LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)
SILENCE = LogCallback(lambda *_: None)  # for as long as ggml may call it

SIGNATURES = {  # what is returned, and what is taken
    "ggml_log_set": (None, LogCallback, c_void_p),
    "ggml_init": (c_void_p, Parameters),
    "ggml_free": (None, c_void_p),
    "ggml_tensor_overhead": (c_size_t,),
    "ggml_graph_overhead": (c_size_t,),
    "ggml_new_tensor_2d": (c_void_p, c_void_p, c_int, c_int64, c_int64),
    "ggml_mul_mat": (c_void_p, c_void_p, c_void_p, c_void_p),
    "ggml_new_graph": (c_void_p, c_void_p),
    "ggml_build_forward_expand": (None, c_void_p, c_void_p),
    "ggml_get_data": (c_void_p, c_void_p),
    "ggml_backend_dev_by_type": (c_void_p, c_int),
    "ggml_backend_dev_init": (c_void_p, c_void_p, c_char_p),
    "ggml_backend_dev_buffer_type": (c_void_p, c_void_p),
    "ggml_backend_dev_supports_op": (c_bool, c_void_p, c_void_p),
    "ggml_backend_dev_backend_reg": (c_void_p, c_void_p),
    "ggml_backend_reg_get_proc_address": (c_void_p, c_void_p, c_char_p),
    "ggml_backend_alloc_ctx_tensors_from_buft": (c_void_p, c_void_p, c_void_p),
    "ggml_backend_buffer_free": (None, c_void_p),
    "ggml_backend_tensor_set": (None, c_void_p, c_void_p, c_size_t, c_size_t),
    "ggml_backend_cpu_set_n_threads": (None, c_void_p, c_int),
    "ggml_backend_graph_compute": (c_int, c_void_p, c_void_p),
    "ggml_backend_free": (None, c_void_p),
}


@cache
def library() -> ctypes.CDLL:
    """ggml, found without an import of llama_cpp, which needs more packages."""
    spec = importlib.util.find_spec("llama_cpp")
    assert spec is not None
    assert spec.origin is not None
    ggml = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "libggml.so"))
    for name, (returned, *taken) in SIGNATURES.items():
        function = getattr(ggml, name)
        function.restype, function.argtypes = returned, taken
    ggml.ggml_log_set(SILENCE, None)
    return ggml


def buffer_types(device: int) -> list[int]:
    """Kinds of memory for weights, the plain one last; the others are in the order of a kernel."""
    ggml = library()
    plain = ggml.ggml_backend_dev_buffer_type(device)
    registry = ggml.ggml_backend_dev_backend_reg(device)
    name = b"ggml_backend_dev_get_extra_bufts"
    address = ggml.ggml_backend_reg_get_proc_address(registry, name)
    if not address:
        return [plain]
    kinds = ctypes.CFUNCTYPE(ctypes.POINTER(c_void_p), c_void_p)(address)(device)
    return [*takewhile(bool, kinds), plain]  # NULL ends them


class Product:
    """x [m, k] by the blocks of a weight [n, k], into the same memory at every call."""

    def __init__(self, x: Tensor, blocks: Tensor, n: int) -> None:
        self.ggml = ggml = library()
        self.release = ExitStack()
        weakref.finalize(self, self.release.close)
        (m, k), device = x.shape, ggml.ggml_backend_dev_by_type(CPU)
        self.backend = ggml.ggml_backend_dev_init(device, None)
        self.release.callback(ggml.ggml_backend_free, self.backend)
        ggml.ggml_backend_cpu_set_n_threads(self.backend, torch.get_num_threads())
        kinds = buffer_types(device)
        for kind in kinds:
            weights, rest = self.context(), self.context()
            weight = ggml.ggml_new_tensor_2d(weights, Q4_0, k, n)
            self.allocate(weights, kind)
            given = ggml.ggml_new_tensor_2d(rest, F32, k, m)
            y = ggml.ggml_mul_mat(rest, weight, given)
            if ggml.ggml_backend_dev_supports_op(device, y):
                break
        self.graph = ggml.ggml_new_graph(rest)
        ggml.ggml_build_forward_expand(self.graph, y)
        self.allocate(rest, kinds[-1])
        for tensor, values in ((weight, blocks), (given, x)):
            ggml.ggml_backend_tensor_set(tensor, values.data_ptr(), 0, values.nbytes)
        floats = (c_float * (m * n)).from_address(ggml.ggml_get_data(y))
        self.y = torch.frombuffer(floats, dtype=torch.float32).view(m, n)

    def __call__(self) -> Tensor:
        status = self.ggml.ggml_backend_graph_compute(self.backend, self.graph)
        if status:
            raise RuntimeError(f"ggml_backend_graph_compute returns {status}")
        return self.y

    def context(self) -> int:
        """Room for descriptions; values lie elsewhere."""
        size = TENSORS * self.ggml.ggml_tensor_overhead() + self.ggml.ggml_graph_overhead()
        context: int = self.ggml.ggml_init(Parameters(size, None, True))
        self.release.callback(self.ggml.ggml_free, context)
        return context

    def allocate(self, context: int, kind: int) -> None:
        """Memory of one kind for the values of a context."""
        buffer = self.ggml.ggml_backend_alloc_ctx_tensors_from_buft(context, kind)
        if not buffer:
            raise MemoryError("ggml_backend_alloc_ctx_tensors_from_buft returns NULL")
        self.release.callback(self.ggml.ggml_backend_buffer_free, buffer)


def llama_cpp(p: Int4Problem) -> Outcome:
    """A group of more than 32 becomes blocks with the same scale."""

    def make() -> Callable[[], Tensor]:
        weight = Int4Weight(p.codes(), p.scale, None, None, p.group)
        return Product(p.x.float(), to_gguf_q4_0(weight), p.n)

    if not installed("llama_cpp"):
        return f"{NAME}: llama_cpp is not installed"
    return side(NAME, make)
