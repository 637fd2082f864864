#include "dropout.h"

#include <cmath>

#include "../core/clones.h"

namespace millrace {
namespace {

constexpr int64_t kLanes = 16;

// 4 * kLanes values of one row: counters column / 4 + lane. Lanes are independent, so the loops become vectors.
MILLRACE_CLONES void PhiloxBlock(uint32_t* out, uint64_t key, uint32_t first, uint32_t row, uint32_t step,
                                 uint32_t node) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) {
    c0[i] = first + static_cast<uint32_t>(i);
    c1[i] = row;
    c2[i] = step;
    c3[i] = node;
  }
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int64_t i = 0; i < kLanes; ++i) {
      const uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0[i];
      const uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2[i];
      const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1[i] ^ k0;
      const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
      c1[i] = static_cast<uint32_t>(p1);
      c3[i] = static_cast<uint32_t>(p0);
      c0[i] = n0;
      c2[i] = n2;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int64_t i = 0; i < kLanes; ++i) {
    out[i * 4] = c0[i];
    out[i * 4 + 1] = c1[i];
    out[i * 4 + 2] = c2[i];
    out[i * 4 + 3] = c3[i];
  }
}

}  // namespace

template <typename T>
void FillDropoutMask(T* mask, int64_t rows, int64_t columns, double rate, uint64_t seed, uint64_t step,
                     int64_t first_row, uint32_t node) {
  const uint64_t threshold = static_cast<uint64_t>(std::floor(rate * 4294967296.0));
  const T kept = static_cast<T>(1.0 / (1.0 - rate));
  uint32_t bits[4 * kLanes];
  for (int64_t row = 0; row < rows; ++row) {
    T* out = mask + row * columns;
    for (int64_t column = 0; column < columns; column += 4 * kLanes) {
      PhiloxBlock(bits, seed, static_cast<uint32_t>(column / 4), static_cast<uint32_t>(first_row + row),
                  static_cast<uint32_t>(step), node);
      const int64_t count = columns - column < 4 * kLanes ? columns - column : 4 * kLanes;
      for (int64_t i = 0; i < count; ++i) out[column + i] = bits[i] >= threshold ? kept : T(0);
    }
  }
}

template void FillDropoutMask<float>(float*, int64_t, int64_t, double, uint64_t, uint64_t, int64_t, uint32_t);
template void FillDropoutMask<double>(double*, int64_t, int64_t, double, uint64_t, uint64_t, int64_t, uint32_t);

}  // namespace millrace
