#include "ops/requantize.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("requantize");

const int32_t* ints(const Tensor& t, const char* name, int32_t device) {
  kCheck.on_device(t, name, device);
  kCheck.has_dtype(t, name, aoti_torch_dtype_int32());
  kCheck.contiguous(t, name);
  return static_cast<const int32_t*>(t.data);
}

ColumnInt column_ints(const Tensor& t, const char* name, int64_t cols, int32_t device) {
  const int32_t* values = ints(t, name, device);
  if (t.dim != 0 && (t.dim != 1 || t.numel != cols)) {
    kCheck.value_error(name, " must have shape [] or [", cols, "]; got ", shape_text(t));
  }
  return {values, t.dim == 1};
}

void check_shifts(const Tensor& shift) {
  const auto* values = static_cast<const int32_t*>(shift.data);
  for (int64_t i = 0; i < shift.numel; ++i) {
    if (values[i] < -31 || values[i] > 31) {
      kCheck.value_error("shift must lie in [-31, 31]; got ", values[i]);
    }
  }
}

void requantize(const Tensor& acc, const Tensor& multiplier, const Tensor& shift,
                const std::optional<Tensor>& zero_point, const int64_t& lowest,
                const int64_t& highest, const Tensor& codes) {
  const int32_t device = acc.device_index;
  RequantizeParams p{};
  p.acc = ints(acc, "acc", device);
  if (acc.dim != 2) kCheck.value_error("acc must be a matrix; got shape ", shape_text(acc));
  p.rows = acc.sizes[0];
  p.cols = acc.sizes[1];
  p.multiplier = column_ints(multiplier, "multiplier", p.cols, device);
  p.shift = column_ints(shift, "shift", p.cols, device);
  if (kHostReadsTensors) check_shifts(shift);
  if (zero_point) {
    kCheck.one_element(*zero_point, "zero_point", aoti_torch_dtype_int32(), device);
    p.zero_point = static_cast<const int32_t*>(zero_point->data);
  }
  if (lowest < INT8_MIN || lowest > INT8_MAX) {
    kCheck.value_error("lowest must lie in [-128, 127]; got ", lowest);
  }
  if (highest < lowest || highest > INT8_MAX) {
    kCheck.value_error("highest must lie in [lowest, 127]; got ", highest);
  }
  kCheck.dense(codes, "codes", aoti_torch_dtype_int8(), {p.rows, p.cols}, device);
  p.lowest = static_cast<int32_t>(lowest);
  p.highest = static_cast<int32_t>(highest);
  p.codes = static_cast<int8_t*>(codes.data);
  if (acc.numel > 0) run(p, device);
}

const bool registered = register_kernel<requantize>("requantize");

}  // namespace
}  // namespace halfword::binding
