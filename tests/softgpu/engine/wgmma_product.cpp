#include "engine/wgmma_product.h"

#include <algorithm>
#include <cstring>

#include "engine/products.h"
#include "engine/settings.h"
#include "engine/thread.h"

// Accumulator register i of thread t (32-bit accumulators) is row 16 * (t / 32) + t % 32 / 4 +
// 8 * (i / 2 % 2), column 8 * (i / 4) + 2 * (t % 4) + i % 2. With f16 accumulators register i holds
// both columns of what would be registers 2 * i and 2 * i + 1. A register r of thread t is word
// t % 4 + 4 * (r / 2) of row 16 * (t / 32) + t % 32 / 4 + 8 * (r % 2).

namespace softgpu {

constexpr uint32_t kRowBytes = 32;  // of k

uint32_t depth(const WgmmaForm& form) { return kRowBytes * 8 / element_bits(form.a); }

namespace {

using Accumulators = WgmmaAccumulators;
using Product = WgmmaProduct;

// f(thread, register, half of the register, index in [kWgmmaRows][n])
template <class F>
void for_each_accumulator(const WgmmaForm& form, F f) {
  const uint32_t halves = form.c == Element::kF16 ? 2 : 1;
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    for (uint32_t i = 0; i < form.n / 2u; ++i) {
      const uint32_t row = t / 32 * kWgmmaRowsOfWarp + t % 32 / 4 + i / 2 % 2 * 8;
      f(t, i / halves, i % halves, row * form.n + i / 4 * 8 + t % 4 * 2 + i % 2);
    }
  }
}

void load_accumulators(const WgmmaForm& form, Accumulators& acc) {
  const bool whole = form.c == Element::kS32;
  (whole ? acc.whole.resize(kWgmmaRows * form.n) : acc.real.resize(kWgmmaRows * form.n));
  for_each_accumulator(form, [&](uint32_t t, uint32_t i, uint32_t half, uint32_t at) {
    uint32_t bits;
    std::memcpy(&bits, acc.registers[t * acc.per_thread + i], sizeof bits);
    if (whole) {
      acc.whole[at] = static_cast<int32_t>(bits);
    } else if (form.c == Element::kF16) {
      acc.real[at] = float_from_f16(static_cast<uint16_t>(bits >> 16 * half));
    } else {
      acc.real[at] = float_from_bits(bits);
    }
  });
}

void spoil(Accumulators& acc) {
  acc.garbage.resize(acc.registers.size());
  for (size_t i = 0; i < acc.registers.size(); ++i) {
    acc.garbage[i] = static_cast<uint32_t>(random_word());
    std::memcpy(acc.registers[i], &acc.garbage[i], sizeof(uint32_t));
  }
}

template <class T>
void widen_chunks(const std::vector<std::pair<const char*, OperandChunk>>& chunks, Element element,
                  bool transposed, uint32_t k, T* to) {
  const uint32_t count = 128 / element_bits(element);
  for (const auto& [memory, chunk] : chunks) {
    if (!transposed) {
      widen(element, memory, static_cast<int>(count), to + chunk.row * k + chunk.k);
      continue;
    }
    T line[16];
    widen(element, memory, static_cast<int>(count), line);
    for (uint32_t i = 0; i < count; ++i) to[(chunk.row + i) * k + chunk.k] = line[i];
  }
}

template <class T>
void widen_registers(const Product& product, T* to) {
  const int per_word = static_cast<int>(32 / element_bits(product.form.a));
  const uint32_t k = depth(product.form);
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    for (uint32_t r = 0; r < kWgmmaRegistersOfA; ++r) {
      const uint32_t row = t / 32 * kWgmmaRowsOfWarp + t % 32 / 4 + r % 2 * 8;
      const uint32_t word = t % 4 + r / 2 * 4;
      widen(product.form.a, product.a_registers[t * kWgmmaRegistersOfA + r], per_word,
            to + row * k + word * static_cast<uint32_t>(per_word));
    }
  }
}

// A as [kWgmmaRows][k], B as [n][k].
template <class T>
void widen_operands(const Product& product, std::vector<T>& a, std::vector<T>& b) {
  const WgmmaForm& form = product.form;
  const uint32_t k = depth(form);
  a.resize(kWgmmaRows * k);
  b.resize(form.n * k);
  if (product.a_registers.empty()) {
    widen_chunks(product.a, form.a, form.transpose_a, k, a.data());
  } else {
    widen_registers(product, a.data());
  }
  widen_chunks(product.b, form.b, form.transpose_b, k, b.data());
}

// ---- products ----

void multiply_integers(const Product& product) {
  static std::vector<int16_t> a, b;
  const WgmmaForm& form = product.form;
  widen_operands(product, a, b);
  auto& d = product.accumulators->whole;
  if (!product.scale_d) std::fill(d.begin(), d.end(), 0);
  multiply_add(a.data(), b.data(), kWgmmaRows, form.n, static_cast<int>(depth(form)), form.saturate,
               d.data(), form.n);
}

void multiply_floats(const Product& product) {
  static std::vector<float> a, b, b_by_k;
  const WgmmaForm& form = product.form;
  const uint32_t k = depth(form);
  widen_operands(product, a, b);
  b_by_k.resize(b.size());
  const float sign = form.negate_a != form.negate_b ? -1.0f : 1.0f;
  for (uint32_t j = 0; j < form.n; ++j) {
    for (uint32_t l = 0; l < k; ++l) b_by_k[l * form.n + j] = sign * b[j * k + l];
  }
  auto& d = product.accumulators->real;
  if (!product.scale_d) std::fill(d.begin(), d.end(), 0.0f);
  multiply_add(a.data(), b_by_k.data(), kWgmmaRows, form.n, static_cast<int>(k), d.data(), form.n);
  if (form.c == Element::kF16) {
    for (float& value : d) value = float_from_f16(f16_from_float(value));
  }
}

}  // namespace

void take_accumulators(const WgmmaForm& form, Accumulators& acc) {
  load_accumulators(form, acc);
  spoil(acc);
}

void check_untouched(const Accumulators& acc, Site at) {
  for (size_t i = 0; i < acc.registers.size(); ++i) {
    if (std::memcmp(acc.registers[i], &acc.garbage[i], sizeof(uint32_t)) == 0) continue;
    fail(at,
         "wgmma: accumulator register %zu of thread %zu of the warpgroup was written while a "
         "wgmma.mma_async on it was in flight",
         i % acc.per_thread, i / acc.per_thread);
  }
}

void give_accumulators_back(const WgmmaForm& form, const Accumulators& acc) {
  for_each_accumulator(form, [&](uint32_t t, uint32_t i, uint32_t half, uint32_t at) {
    char* to = static_cast<char*>(acc.registers[t * acc.per_thread + i]);
    if (form.c == Element::kF16) {
      const uint16_t bits = f16_from_float(acc.real[at]);
      std::memcpy(to + 2 * half, &bits, sizeof bits);
    } else {
      const uint32_t bits = form.c == Element::kS32 ? static_cast<uint32_t>(acc.whole[at])
                                                    : bits_of_float(acc.real[at]);
      std::memcpy(to, &bits, sizeof bits);
    }
  });
}

void run(Product& product) {
  if (product.done) return;
  product.done = true;
  if (is_integer(product.form.a)) {
    multiply_integers(product);
  } else {
    multiply_floats(product);
  }
}

}  // namespace softgpu
