#include "shuffle.h"

#include <numeric>
#include <utility>

#include "../core/philox.h"

namespace millrace {

void ShuffleRows(uint64_t seed, int64_t epoch, int64_t rows, std::vector<uint32_t>& order) {
  static const auto purpose = static_cast<uint32_t>(HashName("shuffle"));
  order.resize(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0u);
  Philox4 bits{};
  int used = 4;
  uint32_t block = 0;
  for (int64_t i = rows - 1; i > 0; --i) {
    if (used == 4) {
      bits = Philox(seed, block++, static_cast<uint32_t>(epoch), purpose, 0);
      used = 0;
    }
    // Lemire's multiply-shift; its bias is below rows / 2^32.
    const uint64_t j = (static_cast<uint64_t>(bits[static_cast<size_t>(used++)]) * static_cast<uint64_t>(i + 1)) >> 32;
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
}

}  // namespace millrace
