#include "kernels.h"

#include "../core/clones.h"

namespace millrace::kernels {

#define MILLRACE_DEFINE(T)                                                                                            \
  MILLRACE_CLONES void AddBias(T* __restrict y, const T* __restrict bias, int64_t rows, int64_t width) {              \
    for (int64_t i = 0; i < rows; ++i, y += width) {                                                                  \
      for (int64_t j = 0; j < width; ++j) y[j] += bias[j];                                                            \
    }                                                                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void AddBiasRelu(T* __restrict y, const T* __restrict bias, int64_t rows, int64_t width) {          \
    for (int64_t i = 0; i < rows; ++i, y += width) {                                                                  \
      for (int64_t j = 0; j < width; ++j) {                                                                           \
        const T value = y[j] + bias[j];                                                                               \
        y[j] = value > T(0) ? value : (value <= T(0) ? T(0) : value); /* NaN stays NaN */                             \
      }                                                                                                               \
    }                                                                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void Relu(T* y, const T* x, int64_t count) {                                                        \
    for (int64_t i = 0; i < count; ++i) y[i] = x[i] <= T(0) ? T(0) : x[i];                                            \
  }                                                                                                                   \
  MILLRACE_CLONES void ReluBackward(T* dx, const T* dy, const T* y, int64_t count) {                                  \
    for (int64_t i = 0; i < count; ++i) dx[i] = y[i] <= T(0) ? T(0) : dy[i];                                          \
  }                                                                                                                   \
  MILLRACE_CLONES void LeakyRelu(T* y, const T* x, T slope, int64_t count) {                                          \
    for (int64_t i = 0; i < count; ++i) y[i] = x[i] > T(0) ? x[i] : slope * x[i];                                     \
  }                                                                                                                   \
  MILLRACE_CLONES void LeakyReluBackward(T* dx, const T* dy, const T* x, T slope, int64_t count) {                    \
    for (int64_t i = 0; i < count; ++i) dx[i] = x[i] > T(0) ? dy[i] : slope * dy[i];                                  \
  }                                                                                                                   \
  MILLRACE_CLONES void Multiply(T* y, const T* a, const T* b, int64_t count) {                                        \
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] * b[i];                                                           \
  }                                                                                                                   \
  MILLRACE_CLONES void Add(T* y, const T* a, const T* b, int64_t count) {                                             \
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] + b[i];                                                           \
  }                                                                                                                   \
  MILLRACE_CLONES void Subtract(T* y, const T* a, const T* b, int64_t count) {                                        \
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] - b[i];                                                           \
  }                                                                                                                   \
  MILLRACE_CLONES void Divide(T* y, const T* a, const T* b, int64_t count) {                                          \
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] / b[i];                                                           \
  }                                                                                                                   \
  MILLRACE_CLONES void Minimum(T* y, const T* a, const T* b, int64_t count) {                                         \
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] > b[i] ? b[i] : a[i];                                             \
  }                                                                                                                   \
  MILLRACE_CLONES void Maximum(T* y, const T* a, const T* b, int64_t count) {                                         \
    for (int64_t i = 0; i < count; ++i) y[i] = a[i] < b[i] ? b[i] : a[i];                                             \
  }                                                                                                                   \
  MILLRACE_CLONES void AddTo(T* __restrict y, const T* __restrict x, int64_t count) {                                 \
    for (int64_t i = 0; i < count; ++i) y[i] += x[i];                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void SubtractFrom(T* __restrict y, const T* __restrict x, int64_t count) {                          \
    for (int64_t i = 0; i < count; ++i) y[i] -= x[i];                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void ColumnSum(T* __restrict out, const T* __restrict x, int64_t rows, int64_t width,               \
                                 bool accumulate) {                                                                   \
    if (!accumulate) {                                                                                                \
      for (int64_t j = 0; j < width; ++j) out[j] = 0;                                                                 \
    }                                                                                                                 \
    for (int64_t i = 0; i < rows; ++i, x += width) {                                                                  \
      for (int64_t j = 0; j < width; ++j) out[j] += x[j];                                                             \
    }                                                                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void ColumnMoments(T* __restrict mean, T* __restrict variance, const T* __restrict x, int64_t rows, \
                                     int64_t width) {                                                                 \
    for (int64_t j = 0; j < width; ++j) mean[j] = variance[j] = 0;                                                    \
    for (int64_t i = 0; i < rows; ++i) {                                                                              \
      for (int64_t j = 0; j < width; ++j) mean[j] += x[i * width + j];                                                \
    }                                                                                                                 \
    for (int64_t j = 0; j < width; ++j) mean[j] /= T(rows);                                                           \
    for (int64_t i = 0; i < rows; ++i) {                                                                              \
      for (int64_t j = 0; j < width; ++j) {                                                                           \
        const T centred = x[i * width + j] - mean[j];                                                                 \
        variance[j] += centred * centred;                                                                             \
      }                                                                                                               \
    }                                                                                                                 \
    for (int64_t j = 0; j < width; ++j) variance[j] /= T(rows);                                                       \
  }                                                                                                                   \
  MILLRACE_CLONES void BatchNormForward(T* __restrict y, T* __restrict normalized, const T* __restrict x,             \
                                        const T* __restrict mean, const T* __restrict inverse,                        \
                                        const T* __restrict scale, const T* __restrict bias, int64_t rows,            \
                                        int64_t width) {                                                              \
    for (int64_t i = 0; i < rows; ++i, x += width, y += width, normalized += width) {                                 \
      for (int64_t j = 0; j < width; ++j) {                                                                           \
        const T value = (x[j] - mean[j]) * inverse[j];                                                                \
        normalized[j] = value;                                                                                        \
        y[j] = value * scale[j] + bias[j];                                                                            \
      }                                                                                                               \
    }                                                                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void BatchNormSums(T* __restrict dscale, T* __restrict dbias, const T* __restrict dy,               \
                                     const T* __restrict normalized, int64_t rows, int64_t width) {                   \
    for (int64_t j = 0; j < width; ++j) dscale[j] = dbias[j] = 0;                                                     \
    for (int64_t i = 0; i < rows; ++i, dy += width, normalized += width) {                                            \
      for (int64_t j = 0; j < width; ++j) {                                                                           \
        dscale[j] += dy[j] * normalized[j];                                                                           \
        dbias[j] += dy[j];                                                                                            \
      }                                                                                                               \
    }                                                                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void BatchNormBackward(T* dx, const T* dy, const T* __restrict normalized,                          \
                                         const T* __restrict inverse, const T* __restrict scale,                      \
                                         const T* __restrict dscale, const T* __restrict dbias, int64_t rows,         \
                                         int64_t width) {                                                             \
    const T share = T(1) / T(rows);                                                                                   \
    for (int64_t i = 0; i < rows; ++i, dx += width, dy += width, normalized += width) {                               \
      for (int64_t j = 0; j < width; ++j) {                                                                           \
        dx[j] = scale[j] * inverse[j] * (dy[j] - (dbias[j] + normalized[j] * dscale[j]) * share);                     \
      }                                                                                                               \
    }                                                                                                                 \
  }
MILLRACE_DEFINE(float)
MILLRACE_DEFINE(double)
#undef MILLRACE_DEFINE

}  // namespace millrace::kernels
