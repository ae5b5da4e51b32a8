#include "engine/clock.h"

#include <algorithm>

namespace softgpu {

const std::vector<uint32_t>* Seen::search(uint32_t block) const {
  const auto found =
      std::lower_bound(blocks_->begin(), blocks_->end(), block,
                       [](const OfBlock& entry, uint32_t b) { return entry.block < b; });
  return found != blocks_->end() && found->block == block ? found->times.get() : nullptr;
}

Seen::Blocks& Seen::own_blocks() {
  if (blocks_ == nullptr) {
    blocks_ = std::make_shared<Blocks>();
  } else if (blocks_.use_count() > 1) {
    blocks_ = std::make_shared<Blocks>(*blocks_);
  }
  return *blocks_;
}

void Seen::merge_block(Blocks& into, const OfBlock& from) {
  const auto found =
      std::lower_bound(into.begin(), into.end(), from.block,
                       [](const OfBlock& entry, uint32_t b) { return entry.block < b; });
  if (found == into.end() || found->block != from.block) {
    into.insert(found, from);
    return;
  }
  if (found->times == from.times) return;
  if (found->times.use_count() > 1) {
    found->times = std::make_shared<std::vector<uint32_t>>(*found->times);
  }
  std::vector<uint32_t>& times = *found->times;
  const std::vector<uint32_t>& other = *from.times;
  if (times.size() < other.size()) times.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) times[i] = std::max(times[i], other[i]);
}

void Seen::see(uint32_t block, uint32_t thread, uint32_t time) {
  if (at(block, thread) >= time) return;
  Blocks& blocks = own_blocks();
  auto found = std::lower_bound(blocks.begin(), blocks.end(), block,
                                [](const OfBlock& entry, uint32_t b) { return entry.block < b; });
  if (found == blocks.end() || found->block != block) {
    found = blocks.insert(found, {block, std::make_shared<std::vector<uint32_t>>()});
  } else if (found->times.use_count() > 1) {
    found->times = std::make_shared<std::vector<uint32_t>>(*found->times);
  }
  std::vector<uint32_t>& times = *found->times;
  if (times.size() <= thread) times.resize(thread + 1);
  times[thread] = time;
}

void Seen::merge(const Seen& other) {
  if (other.blocks_ == nullptr || other.blocks_ == blocks_) return;
  if (blocks_ == nullptr) {
    blocks_ = other.blocks_;
    return;
  }
  Blocks& blocks = own_blocks();
  for (const OfBlock& entry : *other.blocks_) merge_block(blocks, entry);
}

}  // namespace softgpu
