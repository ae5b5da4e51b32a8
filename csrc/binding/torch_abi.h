// The part of libtorch's stable C ABI that we use: what torch >= 2.10 exports and promises to keep.
// Declarations only, so that the build needs no torch. tests/cpp/torch_abi_drift.cpp compiles this
// beside torch's own headers: a difference is a compile error.
//
// Source: torch/csrc/stable/c/shim.h and torch/csrc/inductor/aoti_torch/c/shim.h.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct AtenTensorOpaque;
using AtenTensorHandle = AtenTensorOpaque*;
struct TorchLibraryOpaque;
using TorchLibraryHandle = TorchLibraryOpaque*;
struct StableListOpaque;
using StableListHandle = StableListOpaque*;
using AOTITorchError = int32_t;  // 0: success
using StableIValue = uint64_t;   // one boxed argument

// Registration.
AOTITorchError aoti_torch_library_init_impl(const char* name_space, const char* key,
                                            const char* file, uint32_t line,
                                            TorchLibraryHandle* result);
AOTITorchError torch_library_impl(TorchLibraryHandle library, const char* name,
                                  void (*kernel)(StableIValue* stack, uint64_t arguments,
                                                 uint64_t results),
                                  uint64_t extension_build_version);

// Tensors. A handle from a stack or a list is owned by whoever takes it.
AOTITorchError aoti_torch_delete_tensor_object(AtenTensorHandle tensor);
AOTITorchError torch_get_mutable_data_ptr(AtenTensorHandle tensor, void** result);
AOTITorchError torch_get_const_data_ptr(AtenTensorHandle tensor, const void** result);
AOTITorchError aoti_torch_get_numel(AtenTensorHandle tensor, int64_t* result);
AOTITorchError aoti_torch_get_dim(AtenTensorHandle tensor, int64_t* result);
AOTITorchError aoti_torch_get_sizes(AtenTensorHandle tensor, int64_t** result);
AOTITorchError aoti_torch_get_strides(AtenTensorHandle tensor, int64_t** result);
AOTITorchError aoti_torch_get_dtype(AtenTensorHandle tensor, int32_t* result);
AOTITorchError aoti_torch_get_device_type(AtenTensorHandle tensor, int32_t* result);
AOTITorchError aoti_torch_get_device_index(AtenTensorHandle tensor, int32_t* result);
AOTITorchError aoti_torch_empty_strided(int64_t dim, const int64_t* sizes, const int64_t* strides,
                                        int32_t dtype, int32_t device_type, int32_t device_index,
                                        AtenTensorHandle* result);

int32_t aoti_torch_device_type_cpu();
int32_t aoti_torch_device_type_cuda();
int32_t aoti_torch_dtype_float32();
int32_t aoti_torch_dtype_float64();
int32_t aoti_torch_dtype_bfloat16();
int32_t aoti_torch_dtype_float16();
int32_t aoti_torch_dtype_bool();
int32_t aoti_torch_dtype_uint8();
int32_t aoti_torch_dtype_int8();
int32_t aoti_torch_dtype_int16();
int32_t aoti_torch_dtype_int32();
int32_t aoti_torch_dtype_int64();
int32_t aoti_torch_dtype_complex64();
int32_t aoti_torch_dtype_complex128();

// Lists.
AOTITorchError torch_list_size(StableListHandle list, size_t* result);
AOTITorchError torch_list_get_item(StableListHandle list, size_t index, StableIValue* result);
AOTITorchError torch_delete_list(StableListHandle list);

// CUDA: a cudaStream_t, and the current device. Weak: null in a torch that is built for the CPU
// only.
struct CUDAGuardOpaque;
using CUDAGuardHandle = CUDAGuardOpaque*;
AOTITorchError aoti_torch_get_current_cuda_stream(int32_t device_index, void** result)
    __attribute__((weak));
AOTITorchError aoti_torch_create_cuda_guard(int32_t device_index, CUDAGuardHandle* result)
    __attribute__((weak));
AOTITorchError aoti_torch_delete_cuda_guard(CUDAGuardHandle guard) __attribute__((weak));

// Threads: obeys torch.set_num_threads.
AOTITorchError torch_parallel_for(int64_t begin, int64_t end, int64_t grain,
                                  void (*body)(int64_t begin, int64_t end, void* context),
                                  void* context);
}
