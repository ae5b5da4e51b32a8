// The rounding modes of PTX, and arithmetic that rounds in other ways than to nearest.
#pragma once

#include <cstdint>

namespace softgpu {

enum class Rounding : uint8_t { kNearest, kNearestAway, kZero, kDown, kUp };

float add_rounded(float a, float b, Rounding rounding);
float multiply_rounded(float a, float b, Rounding rounding);
float divide_rounded(float a, float b, Rounding rounding);
float square_root_rounded(float a, Rounding rounding);
float fused_rounded(float a, float b, float c, Rounding rounding);
double add_rounded(double a, double b, Rounding rounding);
double multiply_rounded(double a, double b, Rounding rounding);
double divide_rounded(double a, double b, Rounding rounding);
double square_root_rounded(double a, Rounding rounding);
double fused_rounded(double a, double b, double c, Rounding rounding);

// An integer, or a wider float, as a float.
float float_rounded(double a, Rounding rounding);
float float_rounded(int64_t a, Rounding rounding);
float float_rounded(uint64_t a, Rounding rounding);
double double_rounded(int64_t a, Rounding rounding);
double double_rounded(uint64_t a, Rounding rounding);

}  // namespace softgpu
