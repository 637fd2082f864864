// Histograms of weights and gradients for the event log.
#pragma once

#include <vector>

#include "../graph/step.h"
#include "trainer.h"

namespace millrace {

// 30 buckets of equal width from the least to the greatest finite value; one bucket where all are equal.
std::vector<Histogram> Histograms(const FlatLayout& layout, DType dtype, const void* flat);

}  // namespace millrace
