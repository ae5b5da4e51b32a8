#include "engine/wgmma.h"

#include <utility>

#include "engine/memory.h"
#include "engine/race.h"
#include "engine/settings.h"
#include "engine/thread.h"
#include "engine/wgmma_operand.h"
#include "engine/wgmma_product.h"

namespace softgpu {
namespace {

using Accumulators = WgmmaAccumulators;
using Product = WgmmaProduct;

struct Arguments {
  const WgmmaForm* form;
  const WgmmaOperands* operands;
};

const WgmmaOperands& operands_of(void* const* arguments, uint32_t thread) {
  return *static_cast<const Arguments*>(arguments[thread])->operands;
}

// ---- operands ----

// f(memory, a thread of a warp that reads it)
template <class F>
void for_each_reader(const Product& product, Thread* const* threads, F f) {
  for (const auto& [memory, chunk] : product.a) {
    // An MN-major chunk never crosses a warp's sixteen rows.
    f(memory, *threads[chunk.row / kWgmmaRowsOfWarp * kWarp]);
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
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    const WgmmaOperands &mine = operands_of(arguments, t), &first = operands_of(arguments, 0);
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
  auto& slot = group.accumulators[operands_of(arguments, 0).accumulators[0]];
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
    void* const* registers = operands_of(arguments, t).accumulators;
    slot->registers.insert(slot->registers.end(), registers, registers + per_thread);
  }
  take_accumulators(form, *slot);
  return slot;
}

void find_operands(Product& product, Thread* const* threads, void* const* arguments) {
  const WgmmaForm& form = product.form;
  const uint32_t k = depth(form);
  Thread& reader = *threads[0];
  const WgmmaOperands& first = operands_of(arguments, 0);
  product.b =
      find_operand(reader, {form.b, form.n, k, form.transpose_b, first.b_descriptor}, product.at);
  if (first.a_registers == nullptr) {
    product.a = find_operand(reader, {form.a, kWgmmaRows, k, form.transpose_a, first.a_descriptor},
                             product.at);
    return;
  }
  for (uint32_t t = 0; t < kWarpGroup; ++t) {
    const void* const* registers = operands_of(arguments, t).a_registers;
    product.a_registers.insert(product.a_registers.end(), registers,
                               registers + kWgmmaRegistersOfA);
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
  give_accumulators_back(product.form, acc);
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

void check_no_wgmma_in_flight(Thread& self) {
  const uint32_t index = self.number / kWarpGroup;
  if (index >= self.block->warp_groups.size()) return;
  const WarpGroup& group = self.block->warp_groups[index];
  const auto refuse_any = [](const std::vector<std::shared_ptr<Product>>& products) {
    if (products.empty()) return;
    fail(products.front()->at, "wgmma: a thread exits without wgmma.wait_group for this product");
  };
  for (const auto& products : group.groups) refuse_any(products);
  refuse_any(group.open);
}

}  // namespace softgpu
