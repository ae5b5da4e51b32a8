#include "ops/unpack_int4.h"

#include "binding/int4_arguments.h"

namespace halfword::binding {
namespace {

const Int4Arguments kCheck("unpack_int4");

void unpack_int4(const Tensor& packed, const int64_t& layout, const Tensor& codes) {
  const int32_t device = packed.device_index;
  kCheck.on_device(packed, "packed", device);
  kCheck.has_dtype(packed, "packed", aoti_torch_dtype_uint8());
  UnpackInt4Params p{};
  p.layout = kCheck.layout(layout);
  kCheck.on_device(codes, "codes", device);
  kCheck.has_dtype(codes, "codes", aoti_torch_dtype_int8());
  kCheck.rows_of_matrix(codes, "codes");
  kCheck.contiguous(codes, "codes");
  p.n = codes.sizes[0];
  p.k = codes.sizes[1];
  kCheck.has_shape(packed, "packed", {int4_bytes(p.layout, p.n, p.k)});
  kCheck.contiguous(packed, "packed");
  kCheck.apart(codes, "codes", packed, "packed");
  p.packed = static_cast<const uint8_t*>(packed.data);
  p.codes = static_cast<int8_t*>(codes.data);
  run(p, device);
}

const bool registered = register_kernel<unpack_int4>("unpack_int4");

}  // namespace
}  // namespace halfword::binding
