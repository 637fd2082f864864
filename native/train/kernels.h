// Loops of the compiled step over row-major [rows, width] blocks. Inputs and outputs do not overlap unless it says so.
#pragma once

#include <cstdint>

namespace millrace::kernels {

#define MILLRACE_DECLARE_NORM(T)                                                                                     \
  /* Per row: normalized = (x - mean) inverse, inverse = 1 / sqrt(variance + epsilon); y = normalized scale + bias */ \
  void LayerNormForward(T* y, T* normalized, T* inverse, const T* x, const T* scale, const T* bias, T epsilon,       \
                        int64_t rows, int64_t width);                                                                \
  /* g = dy scale; dx = inverse (g - mean(g) - normalized mean(g normalized)); may be in place on dy */              \
  void LayerNormBackward(T* dx, const T* dy, const T* normalized, const T* inverse, const T* scale, int64_t rows,    \
                         int64_t width);

#define MILLRACE_DECLARE(T)                                                                                          \
  /* y[i, j] += bias[j] */                                                                                           \
  void AddBias(T* y, const T* bias, int64_t rows, int64_t width);                                                    \
  /* y[i, j] = max(y[i, j] + bias[j], 0) */                                                                          \
  void AddBiasRelu(T* y, const T* bias, int64_t rows, int64_t width);                                                \
  /* y = max(x, 0); may be in place */                                                                               \
  void Relu(T* y, const T* x, int64_t count);                                                                        \
  /* dx = dy where y > 0, else 0; may be in place */                                                                 \
  void ReluBackward(T* dx, const T* dy, const T* y, int64_t count);                                                  \
  void LeakyRelu(T* y, const T* x, T slope, int64_t count);                                                          \
  void LeakyReluBackward(T* dx, const T* dy, const T* x, T slope, int64_t count);                                    \
  /* y = a b; may be in place */                                                                                     \
  void Multiply(T* y, const T* a, const T* b, int64_t count);                                                        \
  void Add(T* y, const T* a, const T* b, int64_t count);                                                             \
  void Subtract(T* y, const T* a, const T* b, int64_t count);                                                        \
  void Divide(T* y, const T* a, const T* b, int64_t count);                                                          \
  /* The extreme of a and b; NaN in a stays. May be in place. */                                                     \
  void Minimum(T* y, const T* a, const T* b, int64_t count);                                                         \
  void Maximum(T* y, const T* a, const T* b, int64_t count);                                                         \
  void AddTo(T* y, const T* x, int64_t count);                                                                       \
  void SubtractFrom(T* y, const T* x, int64_t count);                                                                \
  /* out[j] (+)= sum_i x[i, j] */                                                                                    \
  void ColumnSum(T* out, const T* x, int64_t rows, int64_t width, bool accumulate);                                  \
  /* Statistics of the columns; variance is the biased one, computed around the mean. */                             \
  void ColumnMoments(T* mean, T* variance, const T* x, int64_t rows, int64_t width);                                 \
  /* normalized = (x - mean) inverse; y = normalized scale + bias */                                                 \
  void BatchNormForward(T* y, T* normalized, const T* x, const T* mean, const T* inverse, const T* scale,            \
                        const T* bias, int64_t rows, int64_t width);                                                 \
  /* dscale = sum dy normalized, dbias = sum dy */                                                                   \
  void BatchNormSums(T* dscale, T* dbias, const T* dy, const T* normalized, int64_t rows, int64_t width);            \
  /* dx = scale inverse / rows (rows dy - dbias - normalized dscale); may be in place on dy */                       \
  void BatchNormBackward(T* dx, const T* dy, const T* normalized, const T* inverse, const T* scale, const T* dscale, \
                         const T* dbias, int64_t rows, int64_t width);
MILLRACE_DECLARE_NORM(float)
MILLRACE_DECLARE_NORM(double)
#undef MILLRACE_DECLARE_NORM
MILLRACE_DECLARE(float)
MILLRACE_DECLARE(double)
#undef MILLRACE_DECLARE

}  // namespace millrace::kernels
