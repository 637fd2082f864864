#include "gemm.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

// The BLAS inside libtorch_cpu (MKL; Accelerate on macOS) under its Fortran names, where the library exports them: a
// call without the cost of ATen's dispatch. Weak: where they are missing, ATen's own product is used.
extern "C" {
__attribute__((weak)) void sgemm_(const char* a_form, const char* b_form, const int32_t* m, const int32_t* n,
                                  const int32_t* k, const float* alpha, const float* a, const int32_t* lda,
                                  const float* b, const int32_t* ldb, const float* beta, float* c, const int32_t* ldc);
__attribute__((weak)) void dgemm_(const char* a_form, const char* b_form, const int32_t* m, const int32_t* n,
                                  const int32_t* k, const double* alpha, const double* a, const int32_t* lda,
                                  const double* b, const int32_t* ldb, const double* beta, double* c,
                                  const int32_t* ldc);
}

namespace millrace {
namespace {

constexpr char kNone = 'N', kTransposed = 'T';

// op(a) [m, k] or op(b) [k, n] as tensors over column-major memory: rows and columns change places.
template <typename T>
at::Tensor Operand(const T* data, char form, int64_t rows, int64_t columns, int64_t stride) {
  const int64_t first = form == kNone ? 1 : stride, second = form == kNone ? stride : 1;
  return at::from_blob(const_cast<T*>(data), {rows, columns}, {first, second},
                       at::TensorOptions(c10::CppTypeToScalarType<T>::value));
}

// c [m, n] (+)= op(a) [m, k] op(b) [k, n], column-major, as BLAS.
template <typename T>
void Product(char a_form, char b_form, int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, const T* b,
             int64_t ldb, bool accumulate, T* c, int64_t ldc) {
  const T one = 1, beta = accumulate ? 1 : 0;
  const auto m32 = static_cast<int32_t>(m), n32 = static_cast<int32_t>(n), k32 = static_cast<int32_t>(k);
  const auto lda32 = static_cast<int32_t>(lda), ldb32 = static_cast<int32_t>(ldb), ldc32 = static_cast<int32_t>(ldc);
  if constexpr (sizeof(T) == 4) {
    if (sgemm_ != nullptr) return sgemm_(&a_form, &b_form, &m32, &n32, &k32, &one, a, &lda32, b, &ldb32, &beta, c, &ldc32);
  } else {
    if (dgemm_ != nullptr) return dgemm_(&a_form, &b_form, &m32, &n32, &k32, &one, a, &lda32, b, &ldb32, &beta, c, &ldc32);
  }
  at::Tensor out = Operand(c, kNone, m, n, ldc);
  const at::Tensor left = Operand(a, a_form, m, k, lda), right = Operand(b, b_form, k, n, ldb);
  if (accumulate) {
    out.addmm_(left, right);
  } else {
    at::mm_out(out, left, right);
  }
}

}  // namespace

template <typename T>
void LinearForward(T* y, const T* x, int64_t x_stride, const T* weight, int64_t rows, int64_t in, int64_t out) {
  Product(kTransposed, kNone, out, rows, in, weight, in, x, x_stride, false, y, out);
}

template <typename T>
void LinearInputGradient(T* dx, const T* dy, const T* weight, int64_t rows, int64_t in, int64_t out, bool accumulate) {
  Product(kNone, kNone, in, rows, out, weight, in, dy, out, accumulate, dx, in);
}

template <typename T>
void LinearWeightGradient(T* dweight, const T* dy, const T* x, int64_t x_stride, int64_t rows, int64_t in, int64_t out,
                          bool accumulate) {
  Product(kNone, kTransposed, in, out, rows, x, x_stride, dy, out, accumulate, dweight, in);
}

#define MILLRACE_INSTANTIATE(T)                                                                                  \
  template void LinearForward<T>(T*, const T*, int64_t, const T*, int64_t, int64_t, int64_t);                    \
  template void LinearInputGradient<T>(T*, const T*, const T*, int64_t, int64_t, int64_t, bool);                 \
  template void LinearWeightGradient<T>(T*, const T*, const T*, int64_t, int64_t, int64_t, int64_t, bool);
MILLRACE_INSTANTIATE(float)
MILLRACE_INSTANTIATE(double)
#undef MILLRACE_INSTANTIATE

}  // namespace millrace
