// Writes encoded rows, each at its own place, whatever the order and the thread in which they come.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "part_map.h"

namespace millrace::feed {

// Columns that stand side by side in one tensor, row-major, 4 bytes a value.
struct Block {
  bool is_float;
  uint32_t width;
};

// One file: a tensor of `rows` rows for every block begins at `offsets[block]`.
struct Shard {
  std::string path;
  uint64_t rows;
  std::vector<uint64_t> offsets;
};

// The shards of one part, in order; all but the last hold `shard_rows` rows.
struct PartTarget {
  int code;
  uint64_t rows;
  uint64_t shard_rows;
  std::vector<Shard> shards;
};

// Rows whose value is NULL, NaN or infinite.
struct Problem {
  std::atomic<uint64_t> count{0};
  std::atomic<uint64_t> first{UINT64_MAX};

  void Add(uint64_t position);
};

// One chunk of rows as DuckDB hands it over; borrowed, valid while WriteChunk runs.
struct EncodedChunk {
  uint64_t rows;
  const int64_t* positions;
  // By column: values of 4 bytes, and validity bits or nullptr where no value is NULL.
  std::vector<const uint32_t*> values;
  std::vector<const uint64_t*> validity;
  // False where a row breaks a rule that no value shows.
  const bool* obeys;
};

class FeedWriter {
 public:
  // Opens every shard; the files exist and have their full size.
  // map: parts of the rows, borrowed; nullptr: every row is in targets[0].
  // Throws std::system_error.
  FeedWriter(std::vector<Block> blocks, std::vector<PartTarget> targets, const PartMap* map, uint64_t rows);
  ~FeedWriter();
  FeedWriter(const FeedWriter&) = delete;
  FeedWriter& operator=(const FeedWriter&) = delete;

  // Thread: any; chunks of different rows may come at once.
  // Throws std::system_error where a file takes no more, std::out_of_range for a position that the dataset lacks.
  void WriteChunk(const EncodedChunk& chunk);

  uint32_t columns() const { return columns_; }
  uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  uint64_t expected() const { return expected_; }
  // One for each column, and a last one for rules.
  const std::vector<Problem>& problems() const { return problems_; }

 private:
  struct OpenTarget;

  // Rows `index[0..count)` of the chunk go to `target` from row `destination` on.
  void WriteRows(const EncodedChunk& chunk, const OpenTarget& target, uint64_t destination, const uint32_t* index,
                 uint64_t count);
  void Fill(const EncodedChunk& chunk, const Block& block, uint32_t first_column, const uint32_t* index,
            uint64_t count, uint32_t* out);
  void Inspect(const EncodedChunk& chunk, uint32_t column, const uint32_t* index, uint64_t count, bool is_float);

  std::vector<Block> blocks_;
  uint32_t columns_ = 0;
  std::vector<std::unique_ptr<OpenTarget>> targets_;
  const PartMap* map_;
  uint64_t rows_;
  uint64_t expected_ = 0;
  std::atomic<uint64_t> written_{0};
  std::vector<Problem> problems_;
};

}  // namespace millrace::feed
