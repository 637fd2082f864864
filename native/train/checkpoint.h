// What a training run needs to go on as if it had never stopped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../core/aligned_buffer.h"
#include "weights.h"

namespace millrace {

struct Progress {
  int64_t epoch = 0, batch = 0, step = 0;      // what comes next
  double loss_sum = 0, weight_sum = 0;         // of this epoch so far
  int64_t best_epoch = -1, stale_epochs = 0;
  double best_loss = 0, best_train_loss = 0;   // of the best epoch
  double reference_loss = 0;                   // what early stopping compares with
};

// Losses of one finished epoch; the position in the curve is the epoch.
struct CurvePoint {
  int64_t step = 0;
  double train_loss = 0, validation_loss = 0, learning_rate = 0;
};

struct TrainState {
  TrainState(const Program& program, DType dtype)
      : current(program, dtype), best(program, dtype), first(current.parameter_bytes()), second(current.parameter_bytes()) {}
  WeightStore current, best;
  AlignedBuffer first, second;  // the optimizer's moments
  Progress progress;
  std::vector<CurvePoint> curve;  // of the epochs before progress.epoch
};

void SaveCheckpoint(const std::string& path, const Program& program, const TrainState& state,
                    const std::string& fingerprint);

// Throws: Error(ARTIFACT_CORRUPT) where the file is damaged or belongs to another training.
void LoadCheckpoint(const TensorFile& file, const Program& program, const std::string& fingerprint, TrainState& state);

}  // namespace millrace
