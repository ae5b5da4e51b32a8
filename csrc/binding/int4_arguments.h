// Checks of a matrix of 4-bit weights (core/int4.h), in the order of the schemas.
#pragma once

#include "binding/gemm_arguments.h"
#include "core/int4.h"

namespace halfword::binding {

// The layouts that this library's kernels read; kNibbles is for storage. (The type of the device
// says CPU on the software GPU too.)
inline bool is_kernel_layout(int64_t layout) {
  return kPackedLayout == Int8Layout::kPanels
             ? layout == static_cast<int64_t>(Int4Layout::kPanels)
             : layout == static_cast<int64_t>(Int4Layout::kFragments16) ||
                   layout == static_cast<int64_t>(Int4Layout::kFragments8);
}

class Int4Arguments : public GemmArguments {
 public:
  using GemmArguments::GemmArguments;

  // To pack or unpack: panels are made and undone on the CPU alone.
  Int4Layout layout(int64_t layout) const {
    const auto is = [layout](Int4Layout other) { return layout == static_cast<int64_t>(other); };
    const bool known = is(Int4Layout::kNibbles) || is(Int4Layout::kFragments16) ||
                       is(Int4Layout::kFragments8) ||
                       (is(Int4Layout::kPanels) && is_kernel_layout(layout));
    if (!known) value_error("layout must be one of this device's (core/int4.h); got ", layout);
    return static_cast<Int4Layout>(layout);
  }

  Int4Matrix weight(const Tensor& b, int64_t layout, const Tensor& scale,
                    const std::optional<Tensor>& zero_point, const std::optional<Tensor>& offset,
                    int64_t group, int64_t n, int64_t k, int32_t device) const {
    if (!is_kernel_layout(layout)) {
      value_error("b must be packed on the kind of device it is used on; got layout ", layout);
    }
    Int4Matrix p{.data = nullptr,
                 .layout = static_cast<Int4Layout>(layout),
                 .scale = nullptr,
                 .scale_dtype = Dtype::kFloat32,
                 .zero_point = nullptr,
                 .offset = nullptr,
                 .n = n,
                 .k = k,
                 .group = group};
    if (group < 1 || (group < k && group % kInt4GroupStep != 0)) {
      value_error("group_size must be a multiple of ", kInt4GroupStep, ", or a whole row; got ",
                  group);
    }
    dense(b, "b", aoti_torch_dtype_uint8(), {int4_bytes(p.layout, n, k)}, device);
    p.data = static_cast<const uint8_t*>(b.data);
    const std::vector<int64_t> shape =
        p.layout == Int4Layout::kPanels
            ? std::vector<int64_t>{(n + kInt4Panel - 1) / kInt4Panel, p.groups(), kInt4Panel}
            : std::vector<int64_t>{p.groups(), n};
    p.scale_dtype = floating(scale, "scale");
    dense(scale, "scale", scale.dtype, shape, device);
    p.scale = scale.data;
    if (zero_point) {
      dense(*zero_point, "zero_point", aoti_torch_dtype_uint8(), shape, device);
      p.zero_point = static_cast<const uint8_t*>(zero_point->data);
    }
    if (offset) {
      if (zero_point) value_error("offset must be None where there are zero points; got a tensor");
      dense(*offset, "offset", scale.dtype, shape, device);
      p.offset = offset->data;
    }
    return p;
  }
};

}  // namespace halfword::binding
