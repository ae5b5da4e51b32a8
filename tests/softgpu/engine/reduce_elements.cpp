#include "engine/reduce_elements.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace softgpu {
namespace {

template <class T>
T applied(BulkOp op, T old, T operand) {
  switch (op) {
    case BulkOp::kAdd:
      if constexpr (std::is_integral_v<T>) {
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(static_cast<U>(old) + static_cast<U>(operand)));
      } else {
        return old + operand;
      }
    case BulkOp::kMin: return std::min(old, operand);
    case BulkOp::kMax: return std::max(old, operand);
    default: break;
  }
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
      case BulkOp::kInc: return old >= operand ? 0 : old + 1;
      case BulkOp::kDec: return old == 0 || old > operand ? operand : old - 1;
      case BulkOp::kAnd: return old & operand;
      case BulkOp::kOr: return old | operand;
      case BulkOp::kXor: return old ^ operand;
      default: break;
    }
  }
  return old;
}

template <class T, class F>
void for_each(char* to, const char* from, uint32_t bytes, F next) {
  for (uint32_t i = 0; i < bytes; i += sizeof(T)) {
    T old, operand;
    std::memcpy(&old, to + i, sizeof old);
    std::memcpy(&operand, from + i, sizeof operand);
    const T value = next(old, operand);
    std::memcpy(to + i, &value, sizeof value);
  }
}

template <class T>
void reduce_as(BulkOp op, char* to, const char* from, uint32_t bytes) {
  for_each<T>(to, from, bytes, [op](T old, T operand) { return applied(op, old, operand); });
}

template <class Read, class Write>
void reduce_as_float(BulkOp op, char* to, const char* from, uint32_t bytes, Read read,
                     Write write) {
  for_each<uint16_t>(to, from, bytes, [&](uint16_t old, uint16_t operand) {
    return write(applied(op, read(old), read(operand)));
  });
}

}  // namespace

bool can_reduce(BulkOp op, Element element) {
  const bool bitwise = op == BulkOp::kAnd || op == BulkOp::kOr || op == BulkOp::kXor;
  const bool wraps = op == BulkOp::kInc || op == BulkOp::kDec;
  switch (element) {
    case Element::kU32: return true;
    case Element::kS32:
    case Element::kU64:
    case Element::kS64: return !wraps;
    case Element::kB32:
    case Element::kB64: return bitwise;
    case Element::kF16:
    case Element::kBf16: return !bitwise && !wraps;
    case Element::kF32:
    case Element::kF64: return op == BulkOp::kAdd;
    default: return false;
  }
}

void reduce_elements(BulkOp op, Element element, char* to, const char* from, uint32_t bytes) {
  switch (element) {
    case Element::kS32: return reduce_as<int32_t>(op, to, from, bytes);
    case Element::kU32:
    case Element::kB32: return reduce_as<uint32_t>(op, to, from, bytes);
    case Element::kS64: return reduce_as<int64_t>(op, to, from, bytes);
    case Element::kU64:
    case Element::kB64: return reduce_as<uint64_t>(op, to, from, bytes);
    case Element::kF32: return reduce_as<float>(op, to, from, bytes);
    case Element::kF64: return reduce_as<double>(op, to, from, bytes);
    case Element::kF16: return reduce_as_float(op, to, from, bytes, float_from_f16, f16_from_float);
    case Element::kBf16:
      return reduce_as_float(op, to, from, bytes, float_from_bf16, bf16_from_float);
    default: break;
  }
}

}  // namespace softgpu
