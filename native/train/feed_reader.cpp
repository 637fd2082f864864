#include "feed_reader.h"

#include <algorithm>
#include <cstring>

#include "../core/error.h"

namespace millrace {

FeedBatch::FeedBatch(const FeedSource& source, DType dtype, int64_t max_rows)
    : floats_(max_rows * source.float_columns * ByteSize(dtype)),
      indices_(max_rows * source.index_columns * 8),
      labels_(max_rows * std::max<int64_t>(source.label_columns, 1) * 8),
      weights_(max_rows * ByteSize(dtype)) {}

FeedReader::FeedReader(FeedSource source, DType dtype) : source_(std::move(source)), dtype_(dtype) {
  int64_t end = 0;
  for (const FeedShard& shard : source_.shards) {
    files_.emplace_back(shard.path);
    const MappedFile& file = files_.back();
    auto range = [&](int64_t begin, int64_t columns) -> const uint8_t* {
      int64_t bytes = 0;
      if (__builtin_mul_overflow(shard.rows, columns * 4, &bytes)) {
        throw Error("ARTIFACT_CORRUPT", shard.path, "fewer rows", std::to_string(shard.rows));
      }
      return file.Range(begin, begin + bytes);
    };
    Pointers pointers{};
    if (source_.float_columns > 0) {
      pointers.floats = reinterpret_cast<const float*>(range(shard.float_begin, source_.float_columns));
    }
    if (source_.index_columns > 0) {
      pointers.indices = reinterpret_cast<const int32_t*>(range(shard.index_begin, source_.index_columns));
    }
    if (source_.has_label) pointers.labels = range(shard.label_begin, std::max<int64_t>(source_.label_columns, 1));
    if (source_.has_weight) pointers.weights = reinterpret_cast<const float*>(range(shard.weight_begin, 1));
    pointers_.push_back(pointers);
    end += shard.rows;
    ends_.push_back(end);
  }
}

template <typename T>
void FeedReader::GatherAs(const uint32_t* rows, int64_t first, int64_t count, FeedBatch& batch) const {
  const int64_t floats = source_.float_columns, indices = source_.index_columns;
  const int64_t labels = std::max<int64_t>(source_.label_columns, 1);
  T* to_floats = batch.floats_.as<T>();
  int64_t* to_indices = batch.indices_.as<int64_t>();
  T* to_weights = batch.weights_.as<T>();
  size_t shard = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = rows == nullptr ? first + i : static_cast<int64_t>(rows[i]);
    int64_t begin = shard == 0 ? 0 : ends_[shard - 1];
    if (row < begin || row >= ends_[shard]) {
      shard = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
      begin = shard == 0 ? 0 : ends_[shard - 1];
    }
    const Pointers& from = pointers_[shard];
    const int64_t at = row - begin;
    if (floats > 0) {
      const float* source = from.floats + at * floats;
      T* target = to_floats + i * floats;
      if constexpr (sizeof(T) == 4) {
        std::memcpy(target, source, static_cast<size_t>(floats) * 4);
      } else {
        for (int64_t k = 0; k < floats; ++k) target[k] = source[k];
      }
    }
    for (int64_t k = 0; k < indices; ++k) to_indices[k * count + i] = from.indices[at * indices + k];
    if (source_.has_label) {
      if (source_.label_is_index) {
        batch.labels_.as<int64_t>()[i] = reinterpret_cast<const int32_t*>(from.labels)[at];
      } else {
        const float* source = reinterpret_cast<const float*>(from.labels) + at * labels;
        for (int64_t k = 0; k < labels; ++k) batch.labels_.as<T>()[i * labels + k] = source[k];
      }
    }
    to_weights[i] = source_.has_weight ? static_cast<T>(from.weights[at]) : T(1);
  }
}

ShardInput FeedReader::Gather(const uint32_t* rows, int64_t first, int64_t count, FeedBatch& batch) const {
  if (dtype_ == DType::kFloat64) {
    GatherAs<double>(rows, first, count, batch);
  } else {
    GatherAs<float>(rows, first, count, batch);
  }
  ShardInput input;
  input.rows = count;
  input.floats = batch.floats_.data();
  input.float_columns = source_.float_columns;
  input.indices = batch.indices_.as<int64_t>();
  input.labels = batch.labels_.data();
  input.label_columns = source_.label_columns;
  input.label_is_index = source_.label_is_index;
  input.weights = batch.weights_.data();
  return input;
}

}  // namespace millrace
