#include <cmath>

#include "../core/clones.h"
#include "kernels.h"

namespace millrace::kernels {
namespace {

// Sums along a row run in this many independent lanes, added up in a fixed order: vectors without reassociation.
constexpr int64_t kLanes = 16;

}  // namespace

#define MILLRACE_DEFINE(T)                                                                                             \
  static inline T Total(const T* lanes) {                                                                              \
    T sum = 0;                                                                                                         \
    for (int64_t k = 0; k < kLanes; ++k) sum += lanes[k];                                                              \
    return sum;                                                                                                        \
  }                                                                                                                    \
  MILLRACE_CLONES void LayerNormForward(T* __restrict y, T* __restrict normalized, T* __restrict inverse,              \
                                        const T* __restrict x, const T* __restrict scale, const T* __restrict bias,    \
                                        T epsilon, int64_t rows, int64_t width) {                                      \
    for (int64_t i = 0; i < rows; ++i, x += width, y += width, normalized += width) {                                  \
      T sums[kLanes] = {}, squares[kLanes] = {};                                                                       \
      int64_t j = 0;                                                                                                   \
      for (; j + kLanes <= width; j += kLanes) {                                                                       \
        for (int64_t k = 0; k < kLanes; ++k) sums[k] += x[j + k];                                                      \
      }                                                                                                                \
      for (int64_t k = 0; j + k < width; ++k) sums[k] += x[j + k];                                                     \
      const T mean = Total(sums) / T(width);                                                                           \
      for (j = 0; j + kLanes <= width; j += kLanes) {                                                                  \
        for (int64_t k = 0; k < kLanes; ++k) squares[k] += (x[j + k] - mean) * (x[j + k] - mean);                      \
      }                                                                                                                \
      for (int64_t k = 0; j + k < width; ++k) squares[k] += (x[j + k] - mean) * (x[j + k] - mean);                     \
      const T factor = T(1) / std::sqrt(Total(squares) / T(width) + epsilon);                                          \
      inverse[i] = factor;                                                                                             \
      for (j = 0; j < width; ++j) {                                                                                    \
        const T value = (x[j] - mean) * factor;                                                                        \
        normalized[j] = value;                                                                                         \
        y[j] = value * scale[j] + bias[j];                                                                             \
      }                                                                                                                \
    }                                                                                                                  \
  }                                                                                                                    \
  MILLRACE_CLONES void LayerNormBackward(T* dx, const T* dy, const T* __restrict normalized,                           \
                                         const T* __restrict inverse, const T* __restrict scale, int64_t rows,         \
                                         int64_t width) {                                                              \
    for (int64_t i = 0; i < rows; ++i, dx += width, dy += width, normalized += width) {                                \
      T sums[kLanes] = {}, products[kLanes] = {};                                                                      \
      int64_t j = 0;                                                                                                   \
      for (; j + kLanes <= width; j += kLanes) {                                                                       \
        for (int64_t k = 0; k < kLanes; ++k) {                                                                         \
          const T g = dy[j + k] * scale[j + k];                                                                        \
          sums[k] += g;                                                                                                \
          products[k] += g * normalized[j + k];                                                                        \
        }                                                                                                              \
      }                                                                                                                \
      for (int64_t k = 0; j + k < width; ++k) {                                                                        \
        const T g = dy[j + k] * scale[j + k];                                                                          \
        sums[k] += g;                                                                                                  \
        products[k] += g * normalized[j + k];                                                                          \
      }                                                                                                                \
      const T mean = Total(sums) / T(width), product = Total(products) / T(width), factor = inverse[i];                \
      for (j = 0; j < width; ++j) dx[j] = factor * (dy[j] * scale[j] - mean - normalized[j] * product);                \
    }                                                                                                                  \
  }
MILLRACE_DEFINE(float)
MILLRACE_DEFINE(double)
#undef MILLRACE_DEFINE

}  // namespace millrace::kernels
