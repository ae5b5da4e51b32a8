// Cuts the list into tiles and hands each to the loop for its types. A tile that is dense goes to
// the loop as it lies; its last elements, and tensors of unequal strides, go through a dense
// scratch, so that the loop knows whole vectors only and results do not depend on position.
#include "ops/adam_step.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "core/cpu_isa.h"
#include "cpu/adam_step_run.h"
#include "cpu/gather.h"
#include "cpu/tiles.h"

namespace halfword {
namespace {

constexpr int64_t kTile = 1 << 14;          // elements; a multiple of kRandomBlock
constexpr int64_t kScratch = kRandomBlock;  // elements gathered at once
constexpr int64_t kStreamFrom = 1 << 22;    // elements from which the model copy outgrows caches

// One operand of the loop.
struct Stream {
  char* memory;  // null: the tensor has no such stream
  size_t element_size;
  bool written;
};

constexpr int kStreams = 7;  // the tensors of AdamTensors::layout but the element number

struct Streams {
  Stream stream[kStreams];
};

Streams streams_of(const AdamTensors& t) {
  const auto at = [](const void* p) { return static_cast<char*>(const_cast<void*>(p)); };
  const size_t moment = element_size(t.moment_dtype);
  return {{{at(t.param), element_size(t.param_dtype), true},
           {at(t.grad), element_size(t.grad_dtype), false},
           {at(t.exp_avg), moment, true},
           {at(t.exp_avg_sq), moment, true},
           {at(t.max_exp_avg_sq), moment, true},
           {at(t.master), t.kind == Master::kRemainder ? size_t{2} : size_t{4}, true},
           {at(t.mask), 1, false}}};
}

void point_at(AdamRun& run, void* const (&memory)[kStreams]) {
  run.param = memory[0];
  run.grad = memory[1];
  run.exp_avg = memory[2];
  run.exp_avg_sq = memory[3];
  run.max_exp_avg_sq = memory[4];
  run.master = memory[5];
  run.mask = static_cast<const uint8_t*>(memory[6]);
}

// What is uniform over a tensor.
struct TensorPlan {
  AdamLoop loop;
  AdamCoefficients coefficients;
  uint32_t step;
};

class AdamLauncher {
 public:
  AdamLauncher(const AdamStepParams& params, std::vector<TensorPlan> plans, bool stream_params)
      : params_(params), plans_(std::move(plans)), stream_params_(stream_params) {}

  void run_tile(const Tile& tile) const {
    const AdamTensors& t = params_.tensors[tile.tensor];
    const Streams streams = streams_of(t);
    AdamRun run = uniform_part(tile.tensor);
    int64_t begin = tile.begin;
    if (t.layout == nullptr) {
      const int64_t whole = (tile.end - begin) / kVectorMultiple * kVectorMultiple;
      run_dense(run, streams, begin, whole);
      begin += whole;
    }
    for (; begin < tile.end; begin += kScratch) {
      run_scratch(run, streams, t.layout, begin, std::min(kScratch, tile.end - begin));
    }
  }

 private:
  AdamRun uniform_part(int64_t tensor) const {
    const TensorPlan& plan = plans_[tensor];
    AdamRun run{};
    run.coefficients = plan.coefficients;
    run.stochastic_params = params_.stochastic_params;
    run.seed = params_.seed;
    run.step = plan.step;
    run.stream = params_.tensors[tensor].stream;
    run.loop = plan.loop;
    return run;
  }

  void run_dense(AdamRun run, const Streams& streams, int64_t begin, int64_t count) const {
    if (count == 0) return;
    void* memory[kStreams];
    for (int s = 0; s < kStreams; ++s) {
      const Stream& stream = streams.stream[s];
      memory[s] = stream.memory ? advance(stream.memory, begin, stream.element_size) : nullptr;
    }
    point_at(run, memory);
    run.count = count;
    run.first_element = begin;
    run.stream_params = stream_params_ && reinterpret_cast<uintptr_t>(run.param) % 32 == 0;
    run.loop(run);
  }

  // Walk positions [begin, begin + count) of a tensor, through dense buffers.
  void run_scratch(AdamRun run, const Streams& streams, const Layout* layout, int64_t begin,
                   int64_t count) const {
    alignas(64) char buffer[kStreams][kScratch * 4] = {};
    int64_t elements[kScratch] = {};
    copy_rows(streams, layout, begin, count, buffer, /*to_buffer=*/true);
    number_elements(layout, begin, count, elements);

    void* memory[kStreams];
    for (int s = 0; s < kStreams; ++s) {
      memory[s] = streams.stream[s].memory ? buffer[s] : nullptr;
    }
    point_at(run, memory);
    run.count = round_up_to_vectors(count);
    run.elements = elements;
    run.loop(run);

    copy_rows(streams, layout, begin, count, buffer, /*to_buffer=*/false);
  }

  static void number_elements(const Layout* layout, int64_t begin, int64_t count,
                              int64_t (&elements)[kScratch]) {
    if (layout == nullptr) {
      for (int64_t i = 0; i < count; ++i) elements[i] = begin + i;
      return;
    }
    int64_t done = 0;
    for_each_row(*layout, begin, begin + count, [&](const int64_t* offsets, int64_t length) {
      const auto& number_strides = layout->strides[kStreams];
      const int64_t stride = number_strides.empty() ? 0 : number_strides.back();
      for (int64_t i = 0; i < length; ++i) elements[done++] = offsets[kStreams] + i * stride;
    });
  }

  static void copy_rows(const Streams& streams, const Layout* layout, int64_t begin, int64_t count,
                        char (&buffer)[kStreams][kScratch * 4], bool to_buffer) {
    const auto copy = [&](int s, int64_t offset, int64_t stride, int64_t done, int64_t length) {
      const Stream& stream = streams.stream[s];
      if (stream.memory == nullptr || (!to_buffer && !stream.written)) return;
      const size_t size = stream.element_size;
      char* dense = advance(buffer[s], done, size);
      char* strided = advance(stream.memory, offset, size);
      if (to_buffer) {
        copy_elements(dense, 1, strided, stride, length, size);
      } else {
        copy_elements(strided, stride, dense, 1, length, size);
      }
    };
    if (layout == nullptr) {
      for (int s = 0; s < kStreams; ++s) copy(s, begin, 1, 0, count);
      return;
    }
    int64_t done = 0;
    for_each_row(*layout, begin, begin + count, [&](const int64_t* offsets, int64_t length) {
      for (int s = 0; s < kStreams; ++s) {
        const auto& strides = layout->strides[s];
        copy(s, offsets[s], strides.empty() ? 1 : strides.back(), done, length);
      }
      done += length;
    });
  }

  const AdamStepParams& params_;
  std::vector<TensorPlan> plans_;
  bool stream_params_;
};

// Reads the step counters and makes every tensor's coefficients; then moves the counters on, which
// tensors may share.
std::vector<TensorPlan> plan_tensors(const AdamStepParams& params) {
  static constexpr IsaTable<decltype(&adam_loop_portable)> kLoops = HALFWORD_ISA_TABLE(adam_loop);
  const auto choose_loop = kLoops.pick();
  AdamHyper hyper = params.hyper;
  if (params.lr_float) hyper.lr = *params.lr_float;
  if (params.lr_double) hyper.lr = *params.lr_double;
  const float inv_scale = params.inv_scale ? *params.inv_scale : 1.0f;
  const float clip = params.clip ? *params.clip : 1.0f;

  std::vector<TensorPlan> plans(params.count);
  for (int64_t i = 0; i < params.count; ++i) {
    const AdamTensors& t = params.tensors[i];
    TensorPlan& plan = plans[i];
    plan.loop = choose_loop(t.param_dtype, t.kind, t.grad_dtype, t.moment_dtype);
    plan.step = static_cast<uint32_t>(*t.step) + 1;
    if (i > 0 && plan.step == plans[i - 1].step) {
      plan.coefficients = plans[i - 1].coefficients;
    } else {
      plan.coefficients = adam_coefficients(hyper, plan.step, inv_scale, clip,
                                            [](double x) { return std::sqrt(x); });
    }
  }
  for (int64_t i = 0; i < params.count; ++i) {
    *params.tensors[i].step = static_cast<float>(plans[i].step);
  }
  return plans;
}

}  // namespace

void adam_step_cpu(const AdamStepParams& params, ParallelFor parallel) {
  if (params.found_inf && *params.found_inf != 0.0f) return;
  const TileList tiles(params.count, kTile, [&](int64_t i) { return params.tensors[i].numel; });
  const AdamLauncher launcher(params, plan_tensors(params), tiles.elements() >= kStreamFrom);
  tiles.parallel_for_each(parallel, [&](int64_t, const Tile& tile) { launcher.run_tile(tile); });
}

}  // namespace halfword
