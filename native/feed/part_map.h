// Which part each row of a dataset is in, and where in its part it comes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace millrace::feed {

// Codes: 0 no part, 1 train, 2 validation, 3 test.
inline constexpr int kParts = 4;

// Memory: one byte a row, and 32 bytes for every 1,024 rows.
class PartMap {
 public:
  explicit PartMap(uint64_t rows);

  uint64_t rows() const { return codes_.size(); }

  // Row `position` is in part `code`. Returns false where one of them is out of range.
  // Thread: any; each row is set by one thread.
  bool Set(uint64_t position, int8_t code);

  // Counts every part; to be called once all rows are set. Returns rows by code.
  std::array<uint64_t, kParts> Finish();

  uint8_t Code(uint64_t position) const { return codes_[position]; }

  // How many rows before `position` are in part `code`. Finish has been called; position < rows().
  uint64_t Rank(int code, uint64_t position) const;

 private:
  static constexpr uint64_t kBlock = 1024;

  std::vector<uint8_t> codes_;
  // Rows of each part before each block.
  std::vector<std::array<uint64_t, kParts>> before_;
};

}  // namespace millrace::feed
