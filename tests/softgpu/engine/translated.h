// All that the C++ of a translated kernel names.
#pragma once

#include <cstring>
#include <initializer_list>

#include "engine/async_copy.h"
#include "engine/barriers.h"
#include "engine/bits.h"
#include "engine/collectives.h"
#include "engine/comparison.h"
#include "engine/convert.h"
#include "engine/floating.h"
#include "engine/halves.h"
#include "engine/integer.h"
#include "engine/kernel.h"
#include "engine/matrix.h"
#include "engine/mbarrier.h"
#include "engine/memory.h"
#include "engine/mma.h"
#include "engine/race.h"
#include "engine/registers.h"
#include "engine/thread.h"
#include "engine/tma.h"
#include "engine/wgmma.h"

namespace softgpu {

// Registers are unsigned integers of their width, or bool; instructions read them as their types.

// What a register holds before it is written: as a float a NaN, as an address nobody's.
template <class R>
constexpr R kGarbage = static_cast<R>(0x7fc5a5a57fc5a5a5u);
template <>
inline constexpr bool kGarbage<bool> = true;

template <class T, class Bits>
T from_bits(Bits bits) {
  static_assert(sizeof(T) == sizeof(Bits));
  return std::bit_cast<T>(bits);
}

// A result narrower than its register is extended as its type says.
template <class R, class T>
void put(R& target, T value) {
  if constexpr (std::is_same_v<R, bool>) {
    target = static_cast<bool>(value);
  } else if constexpr (std::is_integral_v<T> || sizeof(T) == 16) {
    target = static_cast<R>(value);
  } else if constexpr (sizeof(T) == sizeof(R)) {
    target = std::bit_cast<R>(value);
  } else {
    static_assert(sizeof(T) < sizeof(R));
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    target = static_cast<R>(bits);
  }
}

// mov between a register and its parts, the first in the low bits.
template <int count>
struct Parts {
  uint64_t e[count];
};
template <int count, class R>
Parts<count> unpack(R value) {
  Parts<count> parts;
  for (int i = 0; i < count; ++i) {
    parts.e[i] = static_cast<uint64_t>(value >> sizeof(R) * 8 / count * i);
    if (sizeof(R) / count < 8) parts.e[i] &= (uint64_t{1} << sizeof(R) * 8 / count % 64) - 1;
  }
  return parts;
}
template <class R, class Part>
R pack(std::initializer_list<Part> parts) {
  R value = 0;
  uint32_t shift = 0;
  for (const Part part : parts) {
    value = static_cast<R>(value | static_cast<R>(part) << shift);
    shift += sizeof(Part) * 8;
  }
  return value;
}

// Parameters, of a kernel or in the frame of a call: in bounds and aligned by construction.
template <class T, int n>
Elements<T, n> parameter(uint64_t address) {
  Elements<T, n> value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
  return value;
}
template <class T, int n>
void set_parameter(uint64_t address, Elements<T, n> value) {
  std::memcpy(reinterpret_cast<void*>(address), &value, sizeof value);
}
inline char* frame(uint64_t address) { return reinterpret_cast<char*>(address); }

// Initial values of a variable that are addresses.
struct InitialAddresses {
  InitialAddresses(unsigned char* memory, std::initializer_list<uint64_t> words) {
    std::memcpy(memory, words.begin(), words.size() * sizeof(uint64_t));
  }
};

// What a device function declared as local ends with it.
inline void forget_locals(Thread& self, size_t count) {
  self.locals.resize(self.locals.size() - count);
}

// printf: says nothing, returns no arguments printed.
inline void print_nothing(char* result) { std::memset(result, 0, 4); }

// __assertfail(message, file, line, ...)
[[noreturn]] inline void assertion_failed(Thread&, const char* message, const char* file,
                                          const char* line, Site at) {
  const auto text = [](const char* pointer) {
    return parameter<const char*, 1>(uint64_t(pointer)).e[0];
  };
  fail(at, "assertion failed: %s (%s:%u)", text(message), text(file),
       parameter<uint32_t, 1>(uint64_t(line)).e[0]);
}

// atom.add.f32 flushes subnormals in global memory, and not in shared memory.
template <Space space>
float add_to_memory(Thread& self, uint64_t address, float a, float b) {
  const bool shared =
      space == Space::kShared || (space == Space::kGeneric && is_shared(self, address));
  return shared ? add<Rounding::kNearest>(a, b) : add<Rounding::kNearest, true>(a, b);
}

// getctarank
inline uint32_t rank_of_shared(Thread& self, uint32_t address) {
  return address >> 24 ? (address >> 24) - 1 : cluster_block_rank(self);
}

// Each element is one atomic operation of its own.
template <class T, int n, class Next>
Elements<T, n> atomic_vector(Thread& self, Access how, uint64_t address, Elements<T, n> values,
                             Next next, Site at) {
  Elements<T, n> old;
  reach(self, how, address, sizeof old, sizeof old, Use::kAtomic, at);
  for (int i = 0; i < n; ++i) {
    old.e[i] = atomic<T>(
        self, how, address + i * sizeof(T), [&](T x) { return next(x, values.e[i]); }, at);
  }
  return old;
}

// The last operand of cp.async: how many bytes to read, or whether to read none.
inline uint32_t bytes_to_read(uint32_t, uint32_t bytes) { return bytes; }
inline uint32_t bytes_to_read(uint32_t size, bool ignore) { return ignore ? 0 : size; }

template <class T>
void store_vector_async(Thread& self, uint32_t to, std::initializer_list<T> values,
                        uint32_t mbarrier, Site at) {
  store_async(self, to, values.begin(), static_cast<uint32_t>(values.size() * sizeof(T)), mbarrier,
              at);
}

template <int count>
Elements<uint32_t, count> load_matrices(Thread& self, bool transposed, uint32_t address, Site at) {
  Elements<uint32_t, count> registers;
  ldmatrix(self, registers.e, count, transposed, address, at);
  return registers;
}
template <int count>
void store_matrices(Thread& self, bool transposed, uint32_t address,
                    std::initializer_list<uint32_t> registers, Site at) {
  stmatrix(self, registers.begin(), count, transposed, address, at);
}

template <class R, int count>
Parts<count> product(Thread& self, const MmaForm& form, std::initializer_list<R> a,
                     std::initializer_list<R> b, std::initializer_list<R> c, Site at) {
  R d[count];
  mma(self, form, d, a.begin(), b.begin(), c.begin(), at);
  Parts<count> registers;
  for (int i = 0; i < count; ++i) registers.e[i] = d[i];
  return registers;
}

using Registers = std::initializer_list<void*>;
inline void issue_wgmma(Thread& self, const WgmmaForm& form, Registers accumulators, uint64_t a,
                        uint64_t b, bool scale_d, Site at) {
  wgmma(self, form, WgmmaOperands{accumulators.begin(), nullptr, a, b, scale_d}, at);
}
inline void issue_wgmma(Thread& self, const WgmmaForm& form, Registers accumulators, Registers a,
                        uint64_t b, bool scale_d, Site at) {
  wgmma(self, form, WgmmaOperands{accumulators.begin(), a.begin(), 0, b, scale_d}, at);
}

}  // namespace softgpu
