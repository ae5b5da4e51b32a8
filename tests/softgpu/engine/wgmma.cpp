#include "engine/wgmma.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/memory.h"
#include "engine/products.h"
#include "engine/race.h"
#include "engine/settings.h"
#include "engine/thread.h"
#include "engine/wgmma_operand.h"

// Accumulator register i of thread t (32-bit accumulators) is row 16 * (t / 32) + t % 32 / 4 +
// 8 * (i / 2 % 2), column 8 * (i / 4) + 2 * (t % 4) + i % 2. With f16 accumulators register i holds
// both columns of what would be registers 2 * i and 2 * i + 1. A register r of thread t is word
// t % 4 + 4 * (r / 2) of row 16 * (t / 32) + t % 32 / 4 + 8 * (r % 2).

namespace softgpu {

constexpr uint32_t kRows = 64;
constexpr uint32_t kRowsOfWarp = 16;
constexpr uint32_t kRowBytes = 32;  // of k
constexpr uint32_t kRegistersOfA = 4;

struct WgmmaAccumulators {
  uint32_t per_thread = 0;        // registers
  std::vector<void*> registers;   // [thread][register]
  std::vector<uint32_t> garbage;  // what they hold while in flight
  std::vector<int32_t> whole;     // [kRows][n], for integers
  std::vector<float> real;        // likewise, for floats
  uint32_t in_flight = 0;         // products
};

struct WgmmaProduct {
  WgmmaForm form;
  bool scale_d = false;
  std::vector<std::pair<const char*, OperandChunk>> a, b;  // chunks in host memory
  std::vector<const void*> a_registers;                    // [thread][register]
  std::shared_ptr<WgmmaAccumulators> accumulators;
  bool done = false;
  Site at{};
};

namespace {

using Accumulators = WgmmaAccumulators;
using Product = WgmmaProduct;

struct Arguments {
  const WgmmaForm* form;
  const WgmmaOperands* operands;
};

uint32_t depth(const WgmmaForm& form) { return kRowBytes * 8 / element_bits(form.a); }

// f(thread, register, half of the register, index in [kRows][n])
template <class F>
void for_each_accumulator(const WgmmaForm& form, F f) {
  const uint32_t halves = form.c == Element::kF16 ? 2 : 1;
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    for (uint32_t i = 0; i < form.n / 2u; ++i) {
      const uint32_t row = t / 32 * kRowsOfWarp + t % 32 / 4 + i / 2 % 2 * 8;
      f(t, i / halves, i % halves, row * form.n + i / 4 * 8 + t % 4 * 2 + i % 2);
    }
  }
}

void load_accumulators(const WgmmaForm& form, Accumulators& acc) {
  const bool whole = form.c == Element::kS32;
  (whole ? acc.whole.resize(kRows * form.n) : acc.real.resize(kRows * form.n));
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

void store_accumulators(const WgmmaForm& form, const Accumulators& acc) {
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

void spoil(Accumulators& acc) {
  acc.garbage.resize(acc.registers.size());
  for (size_t i = 0; i < acc.registers.size(); ++i) {
    acc.garbage[i] = static_cast<uint32_t>(random_word());
    std::memcpy(acc.registers[i], &acc.garbage[i], sizeof(uint32_t));
  }
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

// ---- operands ----

// f(memory, chunk, a thread of a warp that reads it)
template <class F>
void for_each_reader(const Product& product, Thread* const* threads, F f) {
  for (const auto& [memory, chunk] : product.a) {
    // An MN-major chunk never crosses a warp's sixteen rows.
    f(memory, *threads[chunk.row / kRowsOfWarp * kWarp]);
  }
  for (const auto& [memory, chunk] : product.b) {
    for (uint32_t w = 0; w < kWarpGroup / kWarp; ++w) f(memory, *threads[w * kWarp]);
  }
}

std::vector<std::pair<const char*, OperandChunk>> find_operand(Thread& reader,
                                                               const WgmmaOperand& operand,
                                                               Site at) {
  std::vector<std::pair<const char*, OperandChunk>> found;
  for (const OperandChunk& chunk : chunks_of(operand, at)) {
    found.emplace_back(reach(reader, {Space::kShared}, chunk.address, 16, 16, Use::kRead, at),
                       chunk);
  }
  return found;
}

void begin_reading(const Product& product, Thread* const* threads) {
  if (!settings.race) return;
  for_each_reader(product, threads, [&](const char* memory, Thread& reader) {
    race::access(reader, memory, 16, Use::kRead, {Space::kShared}, product.at);
    race::check_proxy(reader, memory, 16, "wgmma", product.at);
    race::begin_async_read(reader, memory, 16, product.at);
  });
}

void end_reading(const Product& product, Thread* const* threads) {
  if (!settings.race) return;
  for_each_reader(product, threads, [&](const char* memory, Thread& reader) {
    race::end_async_read(reader, memory, 16, product.at);
  });
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
    for (uint32_t r = 0; r < kRegistersOfA; ++r) {
      const uint32_t row = t / 32 * kRowsOfWarp + t % 32 / 4 + r % 2 * 8;
      const uint32_t word = t % 4 + r / 2 * 4;
      widen(product.form.a, product.a_registers[t * kRegistersOfA + r], per_word,
            to + row * k + word * static_cast<uint32_t>(per_word));
    }
  }
}

// A as [kRows][k], B as [n][k].
template <class T>
void widen_operands(const Product& product, std::vector<T>& a, std::vector<T>& b) {
  const WgmmaForm& form = product.form;
  const uint32_t k = depth(form);
  a.resize(kRows * k);
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
  multiply_add(a.data(), b.data(), kRows, form.n, static_cast<int>(depth(form)), form.saturate,
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
  multiply_add(a.data(), b_by_k.data(), kRows, form.n, static_cast<int>(k), d.data(), form.n);
  if (form.c == Element::kF16) {
    for (float& value : d) value = float_from_f16(f16_from_float(value));
  }
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

// Products on the same accumulators happen in order; so here do all.
void run_all(WarpGroup& group) {
  for (auto& products : group.groups) {
    for (auto& product : products) run(*product);
  }
  for (auto& product : group.open) run(*product);
}

// ---- issue ----

void check_form(const WgmmaForm& form, Site at) {
  const bool bytes = element_bits(form.a) == 8;
  const bool n_fits = bytes ? form.n == 8 || form.n == 24 || form.n % 16 == 0 : form.n % 8 == 0;
  if (form.n == 0 || form.n > 256 || !n_fits) fail(at, "wgmma: n = %u is not supported", form.n);
  if ((form.transpose_a || form.transpose_b) && element_bits(form.a) != 16) {
    fail(at, "wgmma: only 16-bit operands can be transposed");
  }
}

void check_agreement(Thread* const* threads, void* const* arguments, Site at) {
  const auto of = [&](uint32_t t) { return static_cast<const Arguments*>(arguments[t])->operands; };
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    const WgmmaOperands &mine = *of(t), &first = *of(0);
    const bool same_a = mine.a_registers != nullptr || mine.a_descriptor == first.a_descriptor;
    if (!same_a || mine.b_descriptor != first.b_descriptor || mine.scale_d != first.scale_d) {
      fail(at, "wgmma: threads 0 and %u of the warpgroup differ in a descriptor or in scale-d", t);
    }
    if (!threads[t]->wgmma_fenced) {
      fail(at, "wgmma: no wgmma.fence between the last access to the registers and this product");
    }
  }
}

std::shared_ptr<Accumulators> accumulators_for(WarpGroup& group, const WgmmaForm& form,
                                               void* const* arguments, Site at) {
  const auto of = [&](uint32_t t) { return static_cast<const Arguments*>(arguments[t])->operands; };
  auto& slot = group.accumulators[of(0)->accumulators[0]];
  const uint32_t per_thread = form.n / (form.c == Element::kF16 ? 4 : 2);
  if (slot != nullptr) {
    if (slot->per_thread != per_thread) {
      fail(at, "wgmma: these accumulators are in flight in a product of another shape");
    }
    check_untouched(*slot, at);
    return slot;
  }
  slot = std::make_shared<Accumulators>();
  slot->per_thread = per_thread;
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    void* const* registers = of(t)->accumulators;
    slot->registers.insert(slot->registers.end(), registers, registers + per_thread);
  }
  load_accumulators(form, *slot);
  spoil(*slot);
  return slot;
}

void find_operands(Product& product, Thread* const* threads, void* const* arguments) {
  const auto of = [&](uint32_t t) { return static_cast<const Arguments*>(arguments[t])->operands; };
  const WgmmaForm& form = product.form;
  const uint32_t k = depth(form);
  Thread& reader = *threads[0];
  const WgmmaOperands& first = *of(0);
  product.b =
      find_operand(reader, {form.b, form.n, k, form.transpose_b, first.b_descriptor}, product.at);
  if (first.a_registers == nullptr) {
    product.a =
        find_operand(reader, {form.a, kRows, k, form.transpose_a, first.a_descriptor}, product.at);
    return;
  }
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    const void* const* registers = of(t)->a_registers;
    product.a_registers.insert(product.a_registers.end(), registers, registers + kRegistersOfA);
  }
}

void issue(Block&, WarpGroup& group, Thread* const* threads, void* const* arguments, Site at) {
  const auto& first = *static_cast<const Arguments*>(arguments[0]);
  check_form(*first.form, at);
  check_agreement(threads, arguments, at);
  auto product = std::make_shared<Product>();
  product->form = *first.form;
  product->scale_d = first.operands->scale_d;
  product->at = at;
  find_operands(*product, threads, arguments);
  begin_reading(*product, threads);
  product->accumulators = accumulators_for(group, product->form, arguments, at);
  ++product->accumulators->in_flight;
  group.open.push_back(product);
  if (!lands_late()) run_all(group);
}

void commit(Block&, WarpGroup& group, Thread* const*, void* const*, Site) {
  group.groups.push_back(std::exchange(group.open, {}));
}

void finish(WarpGroup& group, Product& product, Thread* const* threads, Site at) {
  run(product);
  end_reading(product, threads);
  Accumulators& acc = *product.accumulators;
  if (--acc.in_flight != 0) return;
  check_untouched(acc, at);
  store_accumulators(product.form, acc);
  group.accumulators.erase(acc.registers[0]);
}

void wait(Block&, WarpGroup& group, Thread* const* threads, void* const* arguments, Site at) {
  const uint32_t groups_left = *static_cast<const uint32_t*>(arguments[0]);
  while (group.groups.size() > groups_left) {
    const auto products = std::move(group.groups.front());
    group.groups.pop_front();
    for (const auto& product : products) finish(group, *product, threads, at);
  }
  for (uint32_t w = 0; w < kWarpGroup / kWarp; ++w) race::join(threads + w * kWarp, kWarp);
  if (!group.groups.empty() || !group.open.empty()) return;
  for (uint32_t t = 0; t < kWarpGroup; ++t) threads[t]->wgmma_fenced = false;
}

void fence(Warp& warp, uint32_t, void* const*, Site) {
  for (Thread* thread : warp.lane) thread->wgmma_fenced = true;
}

}  // namespace

void wgmma(Thread& self, const WgmmaForm& form, const WgmmaOperands& operands, Site at) {
  Arguments arguments{&form, &operands};
  meet_in_warp_group(self, "wgmma.mma_async.sync.aligned", issue, &arguments, at);
}

void wgmma_fence(Thread& self, Site at) {
  meet_in_warp(self, kFullMask, "wgmma.fence.sync.aligned", fence, nullptr, at);
}

void wgmma_commit_group(Thread& self, Site at) {
  meet_in_warp_group(self, "wgmma.commit_group.sync.aligned", commit, nullptr, at);
}

void wgmma_wait_group(Thread& self, uint32_t groups_left, Site at) {
  meet_in_warp_group(self, "wgmma.wait_group.sync.aligned", wait, &groups_left, at);
}

}  // namespace softgpu
