#include "ops/pack_int4.h"

#include "binding/int4_arguments.h"

namespace halfword::binding {
namespace {

const Int4Arguments kCheck("pack_int4");

void pack_int4(const Tensor& codes, const int64_t& layout, const Tensor& packed) {
  const int32_t device = codes.device_index;
  kCheck.on_device(codes, "codes", device);
  kCheck.has_dtype(codes, "codes", aoti_torch_dtype_int8());
  PackInt4Params p{};
  p.row_stride = kCheck.rows_of_matrix(codes, "codes");
  p.codes = static_cast<const int8_t*>(codes.data);
  p.n = codes.sizes[0];
  p.k = codes.sizes[1];
  p.layout = kCheck.layout(layout);
  kCheck.dense(packed, "packed", aoti_torch_dtype_uint8(), {int4_bytes(p.layout, p.n, p.k)},
               device);
  kCheck.apart(packed, "packed", codes, "codes");
  p.packed = static_cast<uint8_t*>(packed.data);
  run(p, device);
}

const bool registered = register_kernel<pack_int4>("pack_int4");

}  // namespace
}  // namespace halfword::binding
