#include "part_map.h"

#include <algorithm>

namespace millrace::feed {

PartMap::PartMap(uint64_t rows) : codes_(rows, 0) {}

bool PartMap::Set(uint64_t position, int8_t code) {
  if (position >= codes_.size() || code < 0 || code >= kParts) return false;
  codes_[position] = static_cast<uint8_t>(code);
  return true;
}

std::array<uint64_t, kParts> PartMap::Finish() {
  std::array<uint64_t, kParts> sum{};
  before_.clear();
  before_.reserve(codes_.size() / kBlock + 1);
  for (uint64_t start = 0; start < codes_.size(); start += kBlock) {
    before_.push_back(sum);
    const uint64_t end = std::min<uint64_t>(start + kBlock, codes_.size());
    for (uint64_t row = start; row < end; row++) sum[codes_[row]]++;
  }
  return sum;
}

uint64_t PartMap::Rank(int code, uint64_t position) const {
  const uint64_t block = position / kBlock;
  const auto from = codes_.begin() + static_cast<std::ptrdiff_t>(block * kBlock);
  const auto to = codes_.begin() + static_cast<std::ptrdiff_t>(position);
  return before_[block][code] + static_cast<uint64_t>(std::count(from, to, static_cast<uint8_t>(code)));
}

}  // namespace millrace::feed
