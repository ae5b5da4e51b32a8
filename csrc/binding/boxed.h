// From torch's boxed arguments to C++ ones.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "binding/device.h"
#include "binding/torch_abi.h"

namespace halfword::binding {

// A tensor that a kernel was given: what it is, and the reference that keeps it alive.
class Tensor {
 public:
  explicit Tensor(AtenTensorHandle handle) : handle_(handle) {
    torch_get_mutable_data_ptr(handle, &data);
    aoti_torch_get_numel(handle, &numel);
    aoti_torch_get_dim(handle, &dim);
    int64_t* list = nullptr;
    aoti_torch_get_sizes(handle, &list);
    sizes = list;
    aoti_torch_get_strides(handle, &list);
    strides = list;
    aoti_torch_get_dtype(handle, &dtype);
    aoti_torch_get_device_type(handle, &device_type);
    aoti_torch_get_device_index(handle, &device_index);
  }
  Tensor(Tensor&& other) noexcept { *this = std::move(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(handle_, other.handle_);
    data = other.data;
    sizes = other.sizes;
    strides = other.strides;
    numel = other.numel;
    dim = other.dim;
    dtype = other.dtype;
    device_type = other.device_type;
    device_index = other.device_index;
    return *this;
  }
  ~Tensor() {
    if (handle_ != nullptr) aoti_torch_delete_tensor_object(handle_);
  }

  void* data = nullptr;
  const int64_t* sizes = nullptr;
  const int64_t* strides = nullptr;
  int64_t numel = 0;
  int64_t dim = 0;
  int32_t dtype = -1;
  int32_t device_type = -1;
  int32_t device_index = -1;

 private:
  AtenTensorHandle handle_ = nullptr;
};

using TensorList = std::vector<Tensor>;

// StableIValue -> C++; takes over what the value owns.
template <class T>
struct Unbox;
template <>
struct Unbox<Tensor> {
  static Tensor from(StableIValue value) {
    return Tensor(reinterpret_cast<AtenTensorHandle>(value));
  }
};
template <>
struct Unbox<int64_t> {
  static int64_t from(StableIValue value) { return static_cast<int64_t>(value); }
};
template <>
struct Unbox<bool> {
  static bool from(StableIValue value) { return (value & 0xff) != 0; }
};
template <>
struct Unbox<double> {
  static double from(StableIValue value) {
    double result;
    std::memcpy(&result, &value, sizeof result);
    return result;
  }
};
template <class T>
struct Unbox<std::optional<T>> {
  static std::optional<T> from(StableIValue value) {
    auto* boxed = reinterpret_cast<StableIValue*>(value);
    if (boxed == nullptr) return std::nullopt;
    std::optional<T> result(Unbox<T>::from(*boxed));
    delete boxed;
    return result;
  }
};
template <class T>
struct Unbox<std::vector<T>> {
  static std::vector<T> from(StableIValue value) {
    auto* list = reinterpret_cast<StableListHandle>(value);
    size_t size = 0;
    torch_list_size(list, &size);
    std::vector<T> result;
    result.reserve(size);
    for (size_t i = 0; i < size; ++i) {
      StableIValue item = 0;
      torch_list_get_item(list, i, &item);
      result.push_back(Unbox<T>::from(item));
    }
    torch_delete_list(list);
    return result;
  }
};

// The boxed form of a function of `const A&...` that returns nothing, an int or a bool.
template <auto Function>
struct Boxed;
template <class Result, class... Args, Result (*Function)(Args...)>
struct Boxed<Function> {
  template <class T>
  using Plain = std::remove_cv_t<std::remove_reference_t<T>>;

  static void call(StableIValue* stack, uint64_t, uint64_t) {
    call_with(stack, std::index_sequence_for<Args...>{});
  }
  template <size_t... I>
  static void call_with(StableIValue* stack, std::index_sequence<I...>) {
    // Braces: the arguments are unboxed in order, and all of them before the call.
    const std::tuple<Plain<Args>...> arguments{Unbox<Plain<Args>>::from(stack[I])...};
    if constexpr (std::is_void_v<Result>) {
      Function(std::get<I>(arguments)...);
    } else {
      stack[0] = static_cast<StableIValue>(Function(std::get<I>(arguments)...));
    }
  }
};

// Registers this library's kernel for an op that the Python layer has defined, or will.
template <auto Function>
bool register_kernel(const char* op) {
  constexpr uint64_t kTorch210 = (uint64_t{2} << 56) | (uint64_t{10} << 48);
  TorchLibraryHandle library = nullptr;
  if (aoti_torch_library_init_impl(kNamespace, kDispatchKey, __FILE__, __LINE__, &library) != 0) {
    return false;
  }
  return torch_library_impl(library, op, &Boxed<Function>::call, kTorch210) == 0;
}

}  // namespace halfword::binding
