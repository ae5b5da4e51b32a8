#include "ops/histogram.h"

#include "binding/arguments.h"

namespace halfword::binding {
namespace {

const Arguments kCheck("histogram");

void histogram(const Tensor& x, const Tensor& counts, const double& low, const double& high,
               const bool& absolute) {
  const int32_t device = x.device_index;
  kCheck.on_device(x, "x", device);
  const Dtype dtype = kCheck.floating(x, "x");
  kCheck.contiguous(x, "x");
  kCheck.on_device(counts, "counts", device);
  kCheck.has_dtype(counts, "counts", aoti_torch_dtype_int64());
  if (counts.dim != 1 || counts.numel < 1 || counts.numel > HistogramParams::kMaxBins) {
    kCheck.value_error("counts must be one dimension of 1 to 2^24 bins; got ", shape_text(counts));
  }
  kCheck.contiguous(counts, "counts");
  kCheck.apart(counts, "counts", x, "x");

  HistogramParams p{};
  p.low = static_cast<float>(low);
  p.high = static_cast<float>(high);
  p.width_inverse = static_cast<float>(counts.numel) / (p.high - p.low);
  if (!std::isfinite(p.low)) kCheck.value_error("low must be a finite float32; got ", low);
  if (!std::isfinite(p.high) || !(p.high > p.low) || !(p.width_inverse > 0.0f) ||
      !std::isfinite(p.width_inverse)) {
    kCheck.value_error("high must be a finite float32 above low, with bins / (high - low) finite; ",
                       "got ", high, " with low ", low);
  }
  p.x = x.data;
  p.numel = x.numel;
  p.dtype = dtype;
  p.absolute = absolute;
  p.counts = static_cast<int64_t*>(counts.data);
  p.bins = counts.numel;
  run(p, device);
}

const bool registered = register_kernel<histogram>("histogram");

}  // namespace
}  // namespace halfword::binding
