#include "engine/rounding.h"

#include <cfenv>
#include <cmath>

namespace softgpu {
namespace {

int host_mode(Rounding rounding) {
  switch (rounding) {
    case Rounding::kZero: return FE_TOWARDZERO;
    case Rounding::kDown: return FE_DOWNWARD;
    case Rounding::kUp: return FE_UPWARD;
    default: return FE_TONEAREST;
  }
}

// Runs one operation in a rounding mode of the host. The compiler knows nothing of modes: only
// volatile operands and results keep the operation between the two changes.
template <class T, class Operation, class... Operand>
T rounded(Rounding rounding, Operation operation, Operand... operands) {
  std::fesetround(host_mode(rounding));
  volatile T result = operation(static_cast<volatile Operand&>(operands)...);
  std::fesetround(FE_TONEAREST);
  return result;
}

template <class T>
T sum(Rounding rounding, T a, T b) {
  return rounded<T>(rounding, [](volatile T& x, volatile T& y) { return x + y; }, a, b);
}
template <class T>
T product(Rounding rounding, T a, T b) {
  return rounded<T>(rounding, [](volatile T& x, volatile T& y) { return x * y; }, a, b);
}
template <class T>
T quotient(Rounding rounding, T a, T b) {
  return rounded<T>(rounding, [](volatile T& x, volatile T& y) { return x / y; }, a, b);
}
template <class T>
T root(Rounding rounding, T a) {
  return rounded<T>(rounding, [](volatile T& x) { return std::sqrt(x); }, a);
}
template <class T>
T fused(Rounding rounding, T a, T b, T c) {
  return rounded<T>(
      rounding,
      [](volatile T& x, volatile T& y, volatile T& z) { return std::fma(T{x}, T{y}, T{z}); }, a, b,
      c);
}
template <class To, class From>
To converted(Rounding rounding, From a) {
  return rounded<To>(rounding, [](volatile From& x) { return static_cast<To>(x); }, a);
}

}  // namespace

float add_rounded(float a, float b, Rounding r) { return sum(r, a, b); }
float multiply_rounded(float a, float b, Rounding r) { return product(r, a, b); }
float divide_rounded(float a, float b, Rounding r) { return quotient(r, a, b); }
float square_root_rounded(float a, Rounding r) { return root(r, a); }
float fused_rounded(float a, float b, float c, Rounding r) { return fused(r, a, b, c); }
double add_rounded(double a, double b, Rounding r) { return sum(r, a, b); }
double multiply_rounded(double a, double b, Rounding r) { return product(r, a, b); }
double divide_rounded(double a, double b, Rounding r) { return quotient(r, a, b); }
double square_root_rounded(double a, Rounding r) { return root(r, a); }
double fused_rounded(double a, double b, double c, Rounding r) { return fused(r, a, b, c); }

float float_rounded(double a, Rounding r) { return converted<float>(r, a); }
float float_rounded(int64_t a, Rounding r) { return converted<float>(r, a); }
float float_rounded(uint64_t a, Rounding r) { return converted<float>(r, a); }
double double_rounded(int64_t a, Rounding r) { return converted<double>(r, a); }
double double_rounded(uint64_t a, Rounding r) { return converted<double>(r, a); }

}  // namespace softgpu
