// Checks of ops that quantize rows which they compute.
#pragma once

#include "binding/arguments.h"
#include "core/row_codes.h"

namespace halfword::binding {

class RowArguments : public Arguments {
 public:
  using Arguments::Arguments;

  // Where codes [rows, cols] and what belongs to them go; the last arguments of a schema.
  RowCodes row_codes(const std::optional<Tensor>& scale, const std::optional<Tensor>& new_scale,
                     const Tensor& codes, const std::optional<Tensor>& row_sums, int64_t rows,
                     int64_t cols, int32_t device) const {
    RowCodes out{};
    out.given_scale = optional_float(scale, "scale", device);
    if (scale.has_value() == new_scale.has_value()) {
      value_error("new_scale must be None if and only if there is a scale; got ",
                  new_scale ? "two tensors" : "None for both");
    }
    if (new_scale) {
      dense(*new_scale, "new_scale", aoti_torch_dtype_float32(), {rows}, device);
      out.scale = static_cast<float*>(new_scale->data);
    }
    dense(codes, "codes", aoti_torch_dtype_int8(), {rows, cols}, device);
    out.codes = static_cast<int8_t*>(codes.data);
    if (row_sums) {
      dense(*row_sums, "row_sums", aoti_torch_dtype_int32(), {rows}, device);
      out.row_sums = static_cast<int32_t*>(row_sums->data);
    }
    return out;
  }

  // A matrix of the dtype and shape of another; the stride of its rows.
  int64_t matrix_like(const Tensor& t, const char* name, const Tensor& model) const {
    on_device(t, name, model.device_index);
    has_dtype(t, name, model.dtype);
    has_shape(t, name, {model.sizes[0], model.sizes[1]});
    return rows_of_matrix(t, name);
  }
};

}  // namespace halfword::binding
