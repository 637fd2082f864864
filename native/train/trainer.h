// The training loop, wholly in C++: batches, gradients by shard, optimizer, validation, checkpoints.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "../core/safetensors.h"
#include "../graph/step.h"
#include "feed_reader.h"
#include "optimizer.h"

namespace millrace {

struct TrainRequest {
  Program program;  // outputs `loss` and `weight`
  DType dtype = DType::kFloat32;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  int64_t batch_size = 1, max_epochs = 1;
  int64_t patience = -1;  // -1: no early stopping
  double minimum_delta = 0;
  double clip_norm = -1;  // -1: no clipping
  uint64_t seed = 0;
  int32_t gradient_shards = 1, threads = 1;
  Device device = Device::kCpu;
  bool compiled = true;  // false keeps to autograd (tests)
  FeedSource train, validation;
  std::string weights_path;     // where the best weights go
  std::string checkpoint_path;  // one file, replaced
  std::string fingerprint;      // of everything that decides the bytes; another one makes a checkpoint useless
  double checkpoint_seconds = 30;
  std::optional<TensorFile> initial;  // weights to begin with
  std::optional<TensorFile> resume;   // the checkpoint found
};

// Equal-width buckets; limits[i] is the right edge of bucket i.
struct Histogram {
  double left = 0;
  std::vector<double> limits, counts;
};

struct TrainEvent {
  enum class Kind : uint8_t { kStarted, kRestored, kProgress, kEpoch, kCheckpoint, kCheckpointUnusable };
  Kind kind = Kind::kProgress;  // kRestored: an epoch that an earlier attempt finished, with its losses
  int64_t epoch = 0;  // 0-based
  int64_t step = 0;   // steps done
  int64_t steps = 0;  // of all epochs
  double train_loss = 0, validation_loss = 0, learning_rate = 0, rows_per_second = 0;
  bool best = false;
  bool compiled = false;                       // kStarted: which step runs
  std::vector<Histogram> weights, gradients;   // kEpoch, by parameter
  std::string reason;                          // kCheckpointUnusable
};

struct TrainOutcome {
  int64_t best_epoch = 0, epochs = 0, steps = 0;
  double validation_loss = 0, train_loss = 0;
  double duration_ms = 0, rows_per_second = 0;
  bool compiled = false;
};

// Trains to the end and writes the best weights.
// Bits: a function of the request less threads, paths and times; the same after any interruption.
// Thread: the calling thread and `threads` - 1 of its own; `on_event` runs on the calling thread.
// Throws: Error(TRAIN_DIVERGED | CANCELLED | DATA_EMPTY | ARTIFACT_CORRUPT | DISK_FULL | …). After CANCELLED a
//         checkpoint of the last finished step is there.
TrainOutcome Train(const TrainRequest& request, const std::function<void(TrainEvent)>& on_event,
                   const std::atomic<bool>& cancelled);

struct ScoreRequest {
  Program program;
  DType dtype = DType::kFloat32;
  FeedSource feed;
  TensorFile weights;
  int32_t threads = 1;
  Device device = Device::kCpu;
};

// All outputs of the program for every row of the feed, in order; evaluation form, element type: the run's dtype.
// Throws: as Train.
std::vector<TensorData> Score(const ScoreRequest& request, const std::atomic<bool>& cancelled);

// Rows per task of evaluation: fixed, so that bits do not follow the number of threads.
inline constexpr int64_t kEvaluationRows = 1024;

}  // namespace millrace
