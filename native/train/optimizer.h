// Optimizers over flat parameters, with the semantics of torch.optim, and learning rate schedules.
#pragma once

#include <cstdint>

#include "../core/program.h"

namespace millrace {

struct OptimizerSpec {
  enum class Kind : uint8_t { kSgd, kAdam, kAdamW };
  Kind kind = Kind::kSgd;
  double learning_rate = 0, weight_decay = 0;
  double momentum = 0;  // sgd
  bool nesterov = false;
  double beta1 = 0, beta2 = 0, epsilon = 0;  // adam, adamW
};

struct ScheduleSpec {
  enum class Kind : uint8_t { kConstant, kStep, kCosine, kOneCycle };
  Kind kind = Kind::kConstant;
  int64_t every_epochs = 1;
  double factor = 1;
  double warmup_fraction = 0, minimum_factor = 0;
  double start_divisor = 1, end_divisor = 1;
};

// The factor on the learning rate at a step (0-based).
// Formula: cosine: w = floor(warmup_fraction * total); s < w: (s + 1) / w, else
//          m + (1 - m) (1 + cos(pi (s - w) / max(1, total - w))) / 2. oneCycle: torch OneCycleLR, two cosine phases.
double ScheduleFactor(const ScheduleSpec& schedule, int64_t step, int64_t epoch, int64_t total_steps);

// Elements [begin, end) of flat arrays, all of type T.
template <typename T>
struct FlatSlice {
  T* parameters;
  T* first;   // momentum, or Adam's first moment
  T* second;  // Adam's second moment
  T* gradients;
  int64_t begin, end;
};

// One update. `step` is 1 for the first one; `learning_rate` has the schedule in it.
// Elementwise: any cut into slices gives the same bits.
template <typename T>
void UpdateSlice(const OptimizerSpec& optimizer, double learning_rate, int64_t step, const FlatSlice<T>& slice);

// gradients[0][i] = scale * (tree sum over shards of gradients[s][i]); the others are overwritten.
// Formula: stride 1, 2, 4, …: g[s] += g[s + stride], so the order is fixed by the number of shards.
template <typename T>
void SumShards(T* const* gradients, int32_t shards, double scale, int64_t begin, int64_t end);

template <typename T>
void ScaleSlice(T* values, double scale, int64_t begin, int64_t end);

// Sum of squares in double, in the order of the elements.
template <typename T>
double SquareSum(const T* values, int64_t begin, int64_t end);

}  // namespace millrace
