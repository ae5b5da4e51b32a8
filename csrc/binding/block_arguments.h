// Checks that ops on matrices cut in blocks share.
#pragma once

#include <algorithm>

#include "binding/arguments.h"
#include "core/blocks.h"
#include "core/quantize_math.h"
#include "ops/quantize.h"

namespace halfword::binding {

template <class T>
T* data_of(const std::optional<Tensor>& t) {
  return t ? static_cast<T*>(t->data) : nullptr;
}

class BlockArguments : public Arguments {
 public:
  using Arguments::Arguments;

  Blocks blocks_of(const Tensor& matrix, int64_t block_rows, int64_t block_cols) const {
    return blocks_of(matrix.sizes[0], matrix.sizes[1], {"block_rows", block_rows},
                     {"block_cols", block_cols});
  }

  // A block is no larger than its matrix.
  struct Size {
    const char* name;
    int64_t value;
  };
  Blocks blocks_of(int64_t rows, int64_t cols, Size block_rows, Size block_cols) const {
    for (const Size& size : {block_rows, block_cols}) {
      if (size.value < 1) value_error(size.name, " must be >= 1; got ", size.value);
    }
    return {rows, cols, std::min(block_rows.value, std::max<int64_t>(rows, 1)),
            std::min(block_cols.value, std::max<int64_t>(cols, 1))};
  }

  Mapping mapping(int64_t code) const {
    if (code < 0 || code > static_cast<int64_t>(Mapping::kLog2)) {
      value_error("mapping must be 0 (symmetric), 1 (affine) or 2 (log2); got ", code);
    }
    return static_cast<Mapping>(code);
  }

  int code_bits(int64_t bits) const {
    if (bits < 2 || bits > 8) value_error("bits must be 2 to 8; got ", bits);
    return static_cast<int>(bits);
  }

  // A tensor with one element a block. An empty matrix has no blocks, whatever it is given.
  void one_a_block(const Tensor& t, const char* name, int32_t dtype, const Blocks& blocks,
                   int32_t device) const {
    on_device(t, name, device);
    has_dtype(t, name, dtype);
    contiguous(t, name);
    if (blocks.count() > 0 && t.numel != blocks.count()) {
      value_error(name, " must have one element a block, ", blocks.count(), "; got ", t.numel);
    }
  }

  const int64_t* seed(const std::optional<Tensor>& seed, Mapping mapping, int32_t device) const {
    if (!seed) return nullptr;
    one_element(*seed, "seed", aoti_torch_dtype_int64(), device);
    if (mapping == Mapping::kLog2) {
      value_error("seed must be None with log2, which rounds to nearest; got a tensor");
    }
    return static_cast<const int64_t*>(seed->data);
  }

  // What is to be quantized, and how.
  QuantizeParams quantizer(const Tensor& x, int64_t block_rows, int64_t block_cols,
                           int64_t mapping_code, int64_t bits,
                           const std::optional<Tensor>& seed_tensor) const {
    QuantizeParams p{};
    p.x = x.data;
    p.dtype = floating(x, "x");
    p.row_stride = rows_of_matrix(x, "x");
    p.blocks = blocks_of(x, block_rows, block_cols);
    p.mapping = mapping(mapping_code);
    p.bits = code_bits(bits);
    p.seed = seed(seed_tensor, p.mapping, x.device_index);
    return p;
  }

  // Scales and zero points of a quantizer whose blocks and mapping are known: given, or to be
  // computed.
  void scales(QuantizeParams* p, const std::optional<Tensor>& scale,
              const std::optional<Tensor>& zero_point, const std::optional<Tensor>& new_scale,
              const std::optional<Tensor>& new_zero_point, int32_t device) const {
    const bool affine = p->mapping == Mapping::kAffine;
    const auto check = [&](const std::optional<Tensor>& t, const char* name, bool wanted,
                           const char* when, int32_t dtype) {
      if (t.has_value() != wanted) {
        value_error(name, wanted ? " must be a tensor " : " must be None ", when, "; got ",
                    t ? "a tensor" : "None");
      }
      if (t) one_a_block(*t, name, dtype, p->blocks, device);
    };
    const bool given = scale.has_value();
    check(scale, "scale", given, "", aoti_torch_dtype_float32());
    check(zero_point, "zero_point", given && affine,
          !affine ? "with a mapping that has none"
          : given ? "with a scale"
                  : "without a scale",
          aoti_torch_dtype_int32());
    check(new_scale, "new_scale", !given, given ? "with a given scale" : "without a given scale",
          aoti_torch_dtype_float32());
    check(new_zero_point, "new_zero_point", !given && affine,
          "if and only if a zero point is to be computed", aoti_torch_dtype_int32());
    p->given_scale = data_of<const float>(scale);
    p->given_zero_point = data_of<const int32_t>(zero_point);
    p->scale = data_of<float>(new_scale);
    p->zero_point = data_of<int32_t>(new_zero_point);
  }
};

}  // namespace halfword::binding
