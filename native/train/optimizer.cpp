#include "optimizer.h"

#include <algorithm>
#include <cmath>

#include "../core/clones.h"

namespace millrace {
namespace {

constexpr double kPi = 3.14159265358979323846;

double CosineBetween(double start, double end, double fraction) {
  return end + (start - end) / 2.0 * (1.0 + std::cos(kPi * fraction));
}

// torch.optim.lr_scheduler.OneCycleLR with two phases; ends are real numbers as there.
double OneCycle(const ScheduleSpec& schedule, int64_t step, int64_t total_steps) {
  const double start = 1.0 / schedule.start_divisor, minimum = start / schedule.end_divisor;
  const double peak = schedule.warmup_fraction * static_cast<double>(total_steps) - 1.0;
  const double last = static_cast<double>(total_steps) - 1.0, at = static_cast<double>(step);
  if (at <= peak) return CosineBetween(start, 1.0, peak > 0 ? at / peak : 1.0);
  return CosineBetween(1.0, minimum, last > peak ? (at - peak) / (last - peak) : 1.0);
}

#define MILLRACE_UPDATES(T)                                                                                           \
  MILLRACE_CLONES void Sgd(T* __restrict p, T* __restrict buffer, const T* __restrict gradients, int64_t count,       \
                           T rate, T momentum, T decay, bool nesterov) {                                              \
    for (int64_t i = 0; i < count; ++i) {                                                                             \
      T g = gradients[i] + decay * p[i];                                                                              \
      const T b = momentum * buffer[i] + g;                                                                           \
      buffer[i] = b;                                                                                                  \
      g = nesterov ? g + momentum * b : b;                                                                            \
      p[i] -= rate * g;                                                                                               \
    }                                                                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void PlainSgd(T* __restrict p, const T* __restrict gradients, int64_t count, T rate, T decay) {     \
    for (int64_t i = 0; i < count; ++i) p[i] -= rate * (gradients[i] + decay * p[i]);                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void Adam(T* __restrict p, T* __restrict m, T* __restrict v, const T* __restrict gradients,         \
                            int64_t count, T step_size, T one_minus_beta1, T beta2, T one_minus_beta2, T root,        \
                            T epsilon, T decay, T shrink) {                                                           \
    for (int64_t i = 0; i < count; ++i) {                                                                             \
      const T x = p[i] * shrink;                                                                                      \
      const T g = gradients[i] + decay * x;                                                                           \
      const T first = m[i] + one_minus_beta1 * (g - m[i]);                                                            \
      const T second = beta2 * v[i] + one_minus_beta2 * g * g;                                                        \
      m[i] = first;                                                                                                   \
      v[i] = second;                                                                                                  \
      p[i] = x - step_size * (first / (std::sqrt(second) / root + epsilon));                                          \
    }                                                                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void AddTo(T* __restrict a, const T* __restrict b, int64_t count) {                                 \
    for (int64_t i = 0; i < count; ++i) a[i] += b[i];                                                                 \
  }                                                                                                                   \
  MILLRACE_CLONES void Scale(T* __restrict a, T scale, int64_t count) {                                               \
    for (int64_t i = 0; i < count; ++i) a[i] *= scale;                                                                \
  }
MILLRACE_UPDATES(float)
MILLRACE_UPDATES(double)
#undef MILLRACE_UPDATES

}  // namespace

double ScheduleFactor(const ScheduleSpec& schedule, int64_t step, int64_t epoch, int64_t total_steps) {
  switch (schedule.kind) {
    case ScheduleSpec::Kind::kConstant:
      return 1.0;
    case ScheduleSpec::Kind::kStep:
      return std::pow(schedule.factor, static_cast<double>(epoch / schedule.every_epochs));
    case ScheduleSpec::Kind::kCosine: {
      const auto warmup = static_cast<int64_t>(std::floor(schedule.warmup_fraction * static_cast<double>(total_steps)));
      if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
      const double rest = static_cast<double>(std::max<int64_t>(1, total_steps - warmup));
      return CosineBetween(1.0, schedule.minimum_factor, static_cast<double>(step - warmup) / rest);
    }
    case ScheduleSpec::Kind::kOneCycle:
      return OneCycle(schedule, step, total_steps);
  }
  return 1.0;
}

template <typename T>
void UpdateSlice(const OptimizerSpec& optimizer, double learning_rate, int64_t step, const FlatSlice<T>& slice) {
  const int64_t count = slice.end - slice.begin;
  T* p = slice.parameters + slice.begin;
  const T* g = slice.gradients + slice.begin;
  if (optimizer.kind == OptimizerSpec::Kind::kSgd) {
    if (optimizer.momentum == 0) {
      PlainSgd(p, g, count, static_cast<T>(learning_rate), static_cast<T>(optimizer.weight_decay));
    } else {
      Sgd(p, slice.first + slice.begin, g, count, static_cast<T>(learning_rate), static_cast<T>(optimizer.momentum),
          static_cast<T>(optimizer.weight_decay), optimizer.nesterov);
    }
    return;
  }
  const bool decoupled = optimizer.kind == OptimizerSpec::Kind::kAdamW;
  const double t = static_cast<double>(step);
  const double correction1 = 1.0 - std::pow(optimizer.beta1, t), correction2 = 1.0 - std::pow(optimizer.beta2, t);
  Adam(p, slice.first + slice.begin, slice.second + slice.begin, g, count, static_cast<T>(learning_rate / correction1),
       static_cast<T>(1.0 - optimizer.beta1), static_cast<T>(optimizer.beta2), static_cast<T>(1.0 - optimizer.beta2),
       static_cast<T>(std::sqrt(correction2)), static_cast<T>(optimizer.epsilon),
       static_cast<T>(decoupled ? 0.0 : optimizer.weight_decay),
       static_cast<T>(decoupled ? 1.0 - learning_rate * optimizer.weight_decay : 1.0));
}

template <typename T>
void SumShards(T* const* gradients, int32_t shards, double scale, int64_t begin, int64_t end) {
  constexpr int64_t kBlock = 2048;
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t count = std::min(kBlock, end - at);
    for (int32_t stride = 1; stride < shards; stride *= 2) {
      for (int32_t shard = 0; shard + stride < shards; shard += 2 * stride) {
        AddTo(gradients[shard] + at, gradients[shard + stride] + at, count);
      }
    }
    Scale(gradients[0] + at, static_cast<T>(scale), count);
  }
}

template <typename T>
void ScaleSlice(T* values, double scale, int64_t begin, int64_t end) {
  Scale(values + begin, static_cast<T>(scale), end - begin);
}

template <typename T>
double SquareSum(const T* values, int64_t begin, int64_t end) {
  double sum = 0;
  for (int64_t i = begin; i < end; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return sum;
}

#define MILLRACE_INSTANTIATE(T)                                                                         \
  template void UpdateSlice<T>(const OptimizerSpec&, double, int64_t, const FlatSlice<T>&);             \
  template void SumShards<T>(T* const*, int32_t, double, int64_t, int64_t);                             \
  template void ScaleSlice<T>(T*, double, int64_t, int64_t);                                            \
  template double SquareSum<T>(const T*, int64_t, int64_t);
MILLRACE_INSTANTIATE(float)
MILLRACE_INSTANTIATE(double)
#undef MILLRACE_INSTANTIATE

}  // namespace millrace
