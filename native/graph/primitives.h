// The table of tensor primitives over ATen: one short function each, as pipelines/network/primitives.ts defines them.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "step.h"

namespace millrace {

// What a primitive sees besides its inputs.
struct RunContext {
  bool training = false;
  at::ScalarType real = at::kFloat;  // what the graph calls float32
  at::Device device = at::kCPU;
  const ShardInput* shard = nullptr;
  int32_t node = 0;
  // Batch statistics of batchNorm nodes (mean, unbiased variance) by node, filled while training.
  std::unordered_map<int32_t, std::pair<at::Tensor, at::Tensor>> statistics;
};

using Primitive = at::Tensor (*)(RunContext&, const Node&, const std::vector<at::Tensor>&);

const std::unordered_map<std::string, Primitive>& PrimitiveTable();

// The run's element type of a node: float32 nodes follow `real`.
at::ScalarType ElementType(DType dtype, at::ScalarType real);

}  // namespace millrace
