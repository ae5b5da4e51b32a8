#include "binding/table_cache.h"

#include <algorithm>

namespace halfword::binding {
namespace {

using Words = std::vector<uint64_t>;

// Of equal sizes; the number of words before the first difference.
size_t equal_words(const Words& a, const Words& b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
}

}  // namespace

CudaStatus TableCache::find(const Words& words, CudaStream stream, uint64_t** result) {
  Table* table = most_alike(words, stream);
  // Another list of the same size differs early; this one, at the end, in its gradients.
  size_t first = table ? equal_words(table->words, words) : 0;
  if (table == nullptr || 2 * first < words.size()) {
    first = 0;
    if (const CudaStatus status = make(words.size(), stream, &table)) return status;
    table->words = words;
  }
  table->last_use = ++uses_;
  *result = static_cast<uint64_t*>(table->memory);
  if (first == words.size()) return 0;

  size_t last = words.size();  // one past the last that differs
  if (first > 0) {
    while (table->words[last - 1] == words[last - 1]) --last;
    std::copy(words.begin() + first, words.begin() + last, table->words.begin() + first);
  }
  const CudaStatus status =
      upload_words_cuda(*result + first, words.data() + first, last - first, stream);
  if (status != 0) table->words.clear();  // nobody knows what the device has
  return status;
}

TableCache::Table* TableCache::most_alike(const Words& words, CudaStream stream) {
  Table* best = nullptr;
  size_t best_words = 0;
  for (Table& table : tables_) {
    if (table.stream != stream || table.words.size() != words.size()) continue;
    const size_t same = equal_words(table.words, words);
    if (same > best_words) {
      best = &table;
      best_words = same;
    }
  }
  return best;
}

// A table of so many words, in place of the one that was not used for the longest time.
CudaStatus TableCache::make(size_t words, CudaStream stream, Table** result) {
  if (tables_.size() < kTables) tables_.emplace_back();
  Table& table =
      *std::min_element(tables_.begin(), tables_.end(),
                        [](const Table& a, const Table& b) { return a.last_use < b.last_use; });
  if (table.memory != nullptr) release_cuda(table.memory, table.stream);
  table = Table{};
  table.stream = stream;
  *result = &table;
  return allocate_cuda(words * sizeof(uint64_t), stream, &table.memory);
}

}  // namespace halfword::binding
