#include "ops/pack_int8.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("pack_int8");

void pack_int8(const Tensor& b, const Tensor& packed, const Tensor& sums) {
  const int32_t device = b.device_index;
  kCheck.on_device(b, "b", device);
  kCheck.has_dtype(b, "b", aoti_torch_dtype_int8());
  const int64_t row_stride = kCheck.rows_of_matrix(b, "b");
  const int64_t n = b.sizes[0], k = b.sizes[1];
  kCheck.dense(packed, "packed", aoti_torch_dtype_uint8(), {packed_bytes(kPackedLayout, n, k)},
               device);
  kCheck.dense(sums, "sums", aoti_torch_dtype_int32(), {n}, device);
  kCheck.apart(packed, "packed", b, "b");
  kCheck.apart(sums, "sums", b, "b");
  kCheck.apart(sums, "sums", packed, "packed");
  const PackInt8Params p{.b = static_cast<const int8_t*>(b.data),
                         .row_stride = row_stride,
                         .n = n,
                         .k = k,
                         .packed = static_cast<uint8_t*>(packed.data),
                         .sums = static_cast<int32_t*>(sums.data)};
  run(p, device);
}

const bool registered = register_kernel<pack_int8>("pack_int8");

}  // namespace
}  // namespace halfword::binding
