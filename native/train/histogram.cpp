#include "histogram.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

constexpr int kBuckets = 30;

template <typename T>
Histogram Count(const T* values, int64_t count) {
  double low = INFINITY, high = -INFINITY;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) continue;
    low = std::min(low, static_cast<double>(values[i]));
    high = std::max(high, static_cast<double>(values[i]));
  }
  Histogram histogram;
  if (low > high) return histogram;
  histogram.left = low;
  const int buckets = low == high ? 1 : kBuckets;
  histogram.counts.assign(static_cast<size_t>(buckets), 0);
  const double width = (high - low) / buckets;
  for (int bucket = 1; bucket <= buckets; ++bucket) {
    histogram.limits.push_back(bucket == buckets ? high : low + width * bucket);
  }
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) continue;
    const double at = width == 0 ? 0 : (static_cast<double>(values[i]) - low) / width;
    histogram.counts[static_cast<size_t>(std::clamp(static_cast<int>(at), 0, buckets - 1))] += 1;
  }
  return histogram;
}

}  // namespace

std::vector<Histogram> Histograms(const FlatLayout& layout, DType dtype, const void* flat) {
  std::vector<Histogram> histograms;
  for (size_t i = 0; i < layout.offsets.size(); ++i) {
    if (dtype == DType::kFloat64) {
      histograms.push_back(Count(static_cast<const double*>(flat) + layout.offsets[i], layout.counts[i]));
    } else {
      histograms.push_back(Count(static_cast<const float*>(flat) + layout.offsets[i], layout.counts[i]));
    }
  }
  return histograms;
}

}  // namespace millrace
