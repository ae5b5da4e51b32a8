// Checks that ops share, each with its message.
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/boxed.h"
#include "binding/check.h"
#include "core/dtype.h"
#include "core/layout.h"

namespace halfword::binding {

inline std::string dtype_name(int32_t dtype) {
  const struct {
    int32_t code;
    const char* name;
  } known[] = {
      {aoti_torch_dtype_float32(), "float32"},     {aoti_torch_dtype_float64(), "float64"},
      {aoti_torch_dtype_bfloat16(), "bfloat16"},   {aoti_torch_dtype_float16(), "float16"},
      {aoti_torch_dtype_bool(), "bool"},           {aoti_torch_dtype_uint8(), "uint8"},
      {aoti_torch_dtype_int8(), "int8"},           {aoti_torch_dtype_int16(), "int16"},
      {aoti_torch_dtype_int32(), "int32"},         {aoti_torch_dtype_int64(), "int64"},
      {aoti_torch_dtype_complex64(), "complex64"}, {aoti_torch_dtype_complex128(), "complex128"}};
  for (const auto& entry : known) {
    if (entry.code == dtype) return entry.name;
  }
  return "another dtype";
}

inline std::string shape_text(const Tensor& t) {
  std::string text = "[";
  for (int64_t d = 0; d < t.dim; ++d) text += (d ? ", " : "") + std::to_string(t.sizes[d]);
  return text + "]";
}

// `name[i]` for an item of a list.
inline std::string item_name(const char* name, size_t i) {
  return std::string(name) + "[" + std::to_string(i) + "]";
}

inline std::optional<Dtype> as_dtype(int32_t code) {
  static const int32_t float32 = aoti_torch_dtype_float32();
  static const int32_t bfloat16 = aoti_torch_dtype_bfloat16();
  static const int32_t float16 = aoti_torch_dtype_float16();
  if (code == float32) return Dtype::kFloat32;
  if (code == bfloat16) return Dtype::kBFloat16;
  if (code == float16) return Dtype::kFloat16;
  return std::nullopt;
}

inline size_t dtype_size(int32_t dtype) {
  const struct {
    int32_t code;
    size_t bytes;
  } known[] = {{aoti_torch_dtype_int8(), 1},     {aoti_torch_dtype_uint8(), 1},
               {aoti_torch_dtype_bool(), 1},     {aoti_torch_dtype_bfloat16(), 2},
               {aoti_torch_dtype_float16(), 2},  {aoti_torch_dtype_int16(), 2},
               {aoti_torch_dtype_float32(), 4},  {aoti_torch_dtype_int32(), 4},
               {aoti_torch_dtype_float64(), 8},  {aoti_torch_dtype_int64(), 8},
               {aoti_torch_dtype_complex64(), 8}};
  for (const auto& entry : known) {
    if (entry.code == dtype) return entry.bytes;
  }
  return 16;
}

// The addresses that a tensor reaches, from the first to past the last; none if it is empty.
inline std::pair<const char*, const char*> extent_of(const Tensor& t) {
  const auto* begin = static_cast<const char*>(t.data);
  if (t.numel == 0) return {begin, begin};
  int64_t last = 0;
  for (int64_t d = 0; d < t.dim; ++d) last += (t.sizes[d] - 1) * t.strides[d];
  return {begin, begin + static_cast<size_t>(last + 1) * dtype_size(t.dtype)};
}

// `the CPU`, `cuda:1`.
inline std::string device_text(int32_t type, int32_t index) {
  if (type == aoti_torch_device_type_cpu()) return "the CPU";
  if (type == aoti_torch_device_type_cuda()) return "cuda:" + std::to_string(index);
  return "another device";
}

// True for the layout that torch.empty makes: the common case, told without an allocation.
inline bool is_contiguous(const Tensor& t) {
  if (t.numel == 0) return true;
  int64_t expected = 1;
  for (int64_t d = t.dim - 1; d >= 0; --d) {
    if (t.sizes[d] != 1 && t.strides[d] != expected) return false;
    expected *= t.sizes[d];
  }
  return true;
}

class Arguments : public Checker {
 public:
  using Checker::Checker;

  // On this library's device, and on the one of `model`.
  void on_device(const Tensor& t, const char* name, size_t i, const Tensor& model) const {
    if (on_this(t) && t.device_index == model.device_index) return;
    value_error(item_name(name, i), " must be on ", device_text(device_type(), model.device_index),
                ", where the list's other tensors are; got a tensor on ",
                device_text(t.device_type, t.device_index));
  }

  Dtype floating(const Tensor& t, const char* name, size_t i) const {
    const std::optional<Dtype> dtype = as_dtype(t.dtype);
    if (!dtype) {
      type_error(item_name(name, i), " must be float32, bfloat16 or float16; got ",
                 dtype_name(t.dtype));
    }
    return *dtype;
  }

  void has_dtype(const Tensor& t, const char* name, size_t i, int32_t dtype) const {
    if (t.dtype != dtype) {
      type_error(item_name(name, i), " must be ", dtype_name(dtype), "; got ", dtype_name(t.dtype));
    }
  }

  void same_length(const TensorList& list, const char* name, const TensorList& model,
                   const char* model_name) const {
    if (list.size() != model.size()) {
      value_error(name, " must have as many tensors as ", model_name, " (", model.size(), "); got ",
                  list.size());
    }
  }

  void same_shape(const Tensor& t, const char* name, const Tensor& model, const char* model_name,
                  size_t i) const {
    bool same = t.dim == model.dim;
    for (int64_t d = 0; same && d < t.dim; ++d) same = t.sizes[d] == model.sizes[d];
    if (!same) {
      value_error(item_name(name, i), " must have the shape of ", item_name(model_name, i), ", ",
                  shape_text(model), "; got ", shape_text(t));
    }
  }

  void writable(const Tensor& t, const char* name, size_t i) const {
    if (!is_contiguous(t) && may_overlap_itself(t.sizes, t.strides, t.dim)) {
      value_error(item_name(name, i), " must not overlap itself in memory, because it is written; ",
                  "got an expanded or overlapping view");
    }
  }

  // A scalar that device `device` reads or writes.
  void one_element(const Tensor& t, const char* name, int32_t dtype, int32_t device) const {
    if (!on_this(t) || t.device_index != device) {
      value_error(name, " must be on ", device_text(device_type(), device), "; got a tensor on ",
                  device_text(t.device_type, t.device_index));
    }
    if (t.dtype != dtype) {
      type_error(name, " must be ", dtype_name(dtype), "; got ", dtype_name(t.dtype));
    }
    if (t.numel != 1) value_error(name, " must have one element; got ", t.numel);
  }

  const float* optional_float(const std::optional<Tensor>& t, const char* name,
                              int32_t device) const {
    if (!t) return nullptr;
    one_element(*t, name, aoti_torch_dtype_float32(), device);
    return static_cast<const float*>(t->data);
  }

  // For a single tensor: on this library's device number `device`,
  void on_device(const Tensor& t, const char* name, int32_t device) const {
    if (on_this(t) && t.device_index == device) return;
    value_error(name, " must be on ", device_text(device_type(), device), "; got a tensor on ",
                device_text(t.device_type, t.device_index));
  }
  // of one dtype,
  void has_dtype(const Tensor& t, const char* name, int32_t dtype) const {
    if (t.dtype != dtype) {
      type_error(name, " must be ", dtype_name(dtype), "; got ", dtype_name(t.dtype));
    }
  }
  // or of one of the three floating ones,
  Dtype floating(const Tensor& t, const char* name) const {
    const std::optional<Dtype> dtype = as_dtype(t.dtype);
    if (!dtype) {
      type_error(name, " must be float32, bfloat16 or float16; got ", dtype_name(t.dtype));
    }
    return *dtype;
  }
  // of one shape,
  void has_shape(const Tensor& t, const char* name, const std::vector<int64_t>& sizes) const {
    if (std::vector<int64_t>(t.sizes, t.sizes + t.dim) == sizes) return;
    std::string wanted;
    for (const int64_t size : sizes) wanted += (wanted.empty() ? "" : ", ") + std::to_string(size);
    value_error(name, " must have shape [", wanted, "]; got ", shape_text(t));
  }
  // laid out as torch.empty does,
  void contiguous(const Tensor& t, const char* name) const {
    if (!is_contiguous(t)) value_error(name, " must be contiguous; got strides of another layout");
  }
  // all of these at once,
  void dense(const Tensor& t, const char* name, int32_t dtype, const std::vector<int64_t>& sizes,
             int32_t device) const {
    on_device(t, name, device);
    has_dtype(t, name, dtype);
    has_shape(t, name, sizes);
    contiguous(t, name);
  }
  // or a matrix whose rows are consecutive elements, however far apart: the stride of the rows.
  int64_t rows_of_matrix(const Tensor& t, const char* name) const {
    if (t.dim != 2) value_error(name, " must be a matrix; got shape ", shape_text(t));
    if (t.sizes[1] > 1 && t.strides[1] != 1) {
      value_error(name, " must have consecutive columns; got column stride ", t.strides[1]);
    }
    return t.sizes[0] > 1 ? t.strides[0] : t.sizes[1];
  }
  // Memory that is written must not be memory that is read.
  void apart(const Tensor& written, const char* written_name, const Tensor& read,
             const char* read_name) const {
    const auto [begin, end] = extent_of(written);
    const auto [other_begin, other_end] = extent_of(read);
    if (begin < other_end && other_begin < end) {
      value_error(written_name, " must not overlap ", read_name,
                  " in memory; got overlapping views");
    }
  }

 private:
  static bool on_this(const Tensor& t) { return t.device_type == device_type(); }
};

// Strides of tensors of one shape as a layout to walk, or null where all are dense in one order.
// A null tensor takes the strides of the first.
inline std::unique_ptr<Layout> common_layout(const std::vector<const Tensor*>& tensors) {
  const Tensor& first = *tensors.front();
  const std::vector<int64_t> sizes(first.sizes, first.sizes + first.dim);
  std::vector<std::vector<int64_t>> strides;
  strides.reserve(tensors.size());
  for (const Tensor* t : tensors) {
    const Tensor& source = t ? *t : first;
    strides.emplace_back(source.strides, source.strides + source.dim);
  }
  auto layout = std::make_unique<Layout>(coalesce(sizes, std::move(strides)));
  return layout->is_flat() ? nullptr : std::move(layout);
}

}  // namespace halfword::binding
