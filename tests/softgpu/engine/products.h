// The arithmetic of matrix products, shared by mma and wgmma: rows of packed elements, widened,
// then multiplied.
#pragma once

#include <cstdint>

#include "engine/element.h"

namespace softgpu {

// Widens `count` packed elements. Integers to int16_t, floats to float, f64 to double.
void widen(Element element, const void* packed, int count, int16_t* to);
void widen(Element element, const void* packed, int count, float* to);
void widen(Element element, const void* packed, int count, double* to);

// d[i, j] += sum over k of a[i, k] * b[j, k], d of ld columns a row, modulo 2^32 or clamped.
void multiply_add(const int16_t* a, const int16_t* b, int m, int n, int k, bool saturate,
                  int32_t* d, int ld);
// The same in k order; b here is [k, n].
void multiply_add(const float* a, const float* b, int m, int n, int k, float* d, int ld);
void multiply_add(const double* a, const double* b, int m, int n, int k, double* d, int ld);

}  // namespace softgpu
