// What the host tells the kernels of a product with 4-bit weights.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "core/host_device.h"
#include "cuda/gemm_int8_launch.h"
#include "cuda/gemm_output.h"
#include "cuda/gemm_w4a8_plan.h"

namespace halfword {

// A part is what one scale holds for and one sum of 32 bits takes: a group, or kExactK columns of a
// longer one. All of it in k32s, of which the last one may lack columns.
struct GemmParts {
  int k32s;
  int group;

  static constexpr int kLongest = GemmW4A8Params::kExactK / 32;
  // A sum of so many products, of a code and a weight less its zero point, is at most 2^22.
  static constexpr int kShort = (1 << 22) / (128 * 16) / 32;

  HALFWORD_INLINE int in_group() const { return (group + kLongest - 1) / kLongest; }
  HALFWORD_INLINE int count() const {
    if (k32s == 0) return 0;
    const int last = (k32s - 1) / group;
    return last * in_group() + (k32s - last * group + kLongest - 1) / kLongest;
  }
};

// One of them; from the first on, step by step.
struct GemmPart {
  int index = 0;
  int group = 0;
  int begin = 0;
  int of_group = 0;  // k32s of the group before it

  HALFWORD_INLINE int length(const GemmParts& parts) const {
    const int left = parts.group - of_group;
    return left < GemmParts::kLongest ? left : GemmParts::kLongest;
  }
  HALFWORD_INLINE void advance(const GemmParts& parts) {
    const int done = length(parts);
    ++index, begin += done, of_group += done;
    if (of_group == parts.group) ++group, of_group = 0;
  }
};

// Rows of a table with a value for each column of a part's or group's sums. It begins at a multiple
// of 16 bytes; its rows may begin anywhere.
struct GemmTable {
  const void* data;  // or null
  int64_t rows;
  int64_t columns;
  int size;  // of an element, in bytes
};

struct GemmW4A8KernelParams {
  GemmOutput output;
  GemmPacks packs;
  GemmOperand a;
  GemmOperand b;  // two columns a byte
  int64_t k;
  GemmParts parts;
  bool short_parts;  // none is longer than kShort
  GemmTable scale;
  GemmTable zero_point;  // of bytes
  GemmTable offset;      // as scale
  GemmTable a_sums;      // with offsets: of FP32, a row for each part
  Dtype scale_dtype;
  int64_t m_tiles;
  int64_t n_tiles;
  int64_t steps;
};

// The sums of a's rows over each part, [parts][pitch], as FP32, which takes them exactly.
struct GemmASumsParams {
  GemmOperand a;
  int64_t k;
  GemmParts parts;
  float* sums;
  int64_t pitch;
};
cudaError_t launch_gemm_w4a8_sums(const GemmASumsParams& params, cudaStream_t stream);

// Tile kTile of kGemmW4A8Tiles. Instantiated in gemm_w4a8_few_rows.cu and gemm_w4a8_many_rows.cu.
template <int kTile>
cudaError_t launch_gemm_w4a8(const GemmW4A8KernelParams& params, cudaStream_t stream);

}  // namespace halfword
