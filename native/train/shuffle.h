// The order of rows in an epoch: a function of (seed, epoch, rows) alone.
#pragma once

#include <cstdint>
#include <vector>

namespace millrace {

// Fisher and Yates' shuffle with Philox values; `order` is resized to `rows`.
void ShuffleRows(uint64_t seed, int64_t epoch, int64_t rows, std::vector<uint32_t>& order);

// Rows [begin, end) of shard `index` of `shards` in a batch of `rows`: contiguous, sizes differ by at most one.
struct RowRange {
  int64_t begin, end;
};
inline RowRange ShardRange(int64_t rows, int32_t shards, int32_t index) {
  return {rows * index / shards, rows * (index + 1) / shards};
}

}  // namespace millrace
