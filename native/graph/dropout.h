// Which elements a dropout keeps: a function of (seed, step, row of the batch, node, column) alone.
#pragma once

#include <cstdint>

#include "../core/philox.h"

namespace millrace {

// Fills mask [rows, columns] with 0 or 1 / (1 - rate).
template <typename T>
void FillDropoutMask(T* mask, int64_t rows, int64_t columns, double rate, uint64_t seed, uint64_t step,
                     int64_t first_row, uint32_t node);

extern template void FillDropoutMask<float>(float*, int64_t, int64_t, double, uint64_t, uint64_t, int64_t, uint32_t);
extern template void FillDropoutMask<double>(double*, int64_t, int64_t, double, uint64_t, uint64_t, int64_t, uint32_t);

}  // namespace millrace
