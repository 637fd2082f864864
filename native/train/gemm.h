// Matrix products on row-major blocks, on the calling thread.
#pragma once

#include <cstdint>

namespace millrace {

// y [rows, out] = x [rows, in] weight [out, in] transposed; x has `x_stride` elements a row.
template <typename T>
void LinearForward(T* y, const T* x, int64_t x_stride, const T* weight, int64_t rows, int64_t in, int64_t out);

// dx [rows, in] (+)= dy [rows, out] weight [out, in].
template <typename T>
void LinearInputGradient(T* dx, const T* dy, const T* weight, int64_t rows, int64_t in, int64_t out, bool accumulate);

// dweight [out, in] (+)= dy [rows, out] transposed, times x [rows, in].
template <typename T>
void LinearWeightGradient(T* dweight, const T* dy, const T* x, int64_t x_stride, int64_t rows, int64_t in, int64_t out,
                          bool accumulate);

}  // namespace millrace
