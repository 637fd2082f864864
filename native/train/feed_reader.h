// Reads rows of a feed: safetensors shards of encoded values, mapped into memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/mapped_file.h"
#include "../core/program.h"
#include "../graph/step.h"

namespace millrace {

// One file, its header read and checked by TypeScript; begins are byte offsets in the file, -1 where absent.
struct FeedShard {
  std::string path;
  int64_t rows = 0;
  int64_t float_begin = -1, index_begin = -1, label_begin = -1, weight_begin = -1;
};

struct FeedSource {
  std::vector<FeedShard> shards;
  int64_t float_columns = 0;  // `float`: float32 [rows, float_columns]
  int64_t index_columns = 0;  // `index`: int32 [rows, index_columns]
  bool has_label = false;
  bool label_is_index = false;  // int32 [rows], else float32
  int64_t label_columns = 0;    // 0: [rows]
  bool has_weight = false;      // float32 [rows]; without it every row weighs 1
};

// Room for up to `max_rows` gathered rows, owned. One thread at a time.
class FeedBatch {
 public:
  FeedBatch(const FeedSource& source, DType dtype, int64_t max_rows);

 private:
  friend class FeedReader;
  AlignedBuffer floats_, indices_, labels_, weights_;
};

// Thread: const after construction; any number of threads may gather.
class FeedReader {
 public:
  // Throws: Error(ARTIFACT_MISSING | ARTIFACT_CORRUPT).
  FeedReader(FeedSource source, DType dtype);

  int64_t rows() const { return ends_.empty() ? 0 : ends_.back(); }
  const FeedSource& source() const { return source_; }

  // Rows rows[0 … count), or first … first + count where `rows` is null. The result borrows from `batch`.
  ShardInput Gather(const uint32_t* rows, int64_t first, int64_t count, FeedBatch& batch) const;

 private:
  template <typename T>
  void GatherAs(const uint32_t* rows, int64_t first, int64_t count, FeedBatch& batch) const;

  FeedSource source_;
  DType dtype_;
  std::vector<MappedFile> files_;
  struct Pointers {
    const float* floats;
    const int32_t* indices;
    const uint8_t* labels;
    const float* weights;
  };
  std::vector<Pointers> pointers_;
  std::vector<int64_t> ends_;
};

}  // namespace millrace
