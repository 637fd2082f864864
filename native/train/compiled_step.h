// The compiled step's plan: values with planned memory, and operations with hand-derived backward.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../graph/step.h"

namespace millrace {

// Where a value that is not computed lies: in the shard itself.
enum class StepLeaf : uint8_t { kNone, kFloats, kLabel, kWeight };

// One run of a step.
template <typename T>
struct StepFrame {
  const ShardInput& input;
  const T* parameters;
  T* gradients;
  T* statistics;
};

// What a producer's backward reads of its output: decides whether a consumer may compute in place.
enum class OutputUse : uint8_t { kNone, kSign, kValue };

template <typename T>
class ConstantChain;

// A [rows, width] value. Memory is owned by the step's arena.
template <typename T>
struct StepValue {
  int64_t width = 0;
  T* memory = nullptr;
  T* gradient = nullptr;  // null where nothing trained lies before it
  bool needs_gradient = false;
  StepLeaf leaf = StepLeaf::kNone;
  OutputUse output_use = OutputUse::kNone;
  int32_t alias_of = -1;
  bool* fused_relu = nullptr;  // where its producer can take a relu along, borrowed
  ConstantChain<T>* chain = nullptr;  // where its producer can take more arithmetic with constants along, borrowed
  const std::vector<T>* constant = nullptr;  // the same in every batch: its elements, borrowed; it has no width then

  const T* data(const StepFrame<T>& frame) const {
    switch (leaf) {
      case StepLeaf::kNone:
        return memory;
      case StepLeaf::kFloats:
        return static_cast<const T*>(frame.input.floats);
      case StepLeaf::kLabel:
        return static_cast<const T*>(frame.input.labels);
      case StepLeaf::kWeight:
        return static_cast<const T*>(frame.input.weights);
    }
    return nullptr;
  }
};

// One computation. `accumulate[i]`: the gradient of input i has a first writer already, add to it.
template <typename T>
class CompiledOp {
 public:
  virtual ~CompiledOp() = default;
  virtual void Forward(const StepFrame<T>& frame) = 0;
  void Backward(const StepFrame<T>& frame) {
    if (active) Propagate(frame);
  }

  int32_t node = -1;
  bool active = false;
  std::vector<bool> accumulate;

 protected:
  virtual void Propagate(const StepFrame<T>& frame) = 0;
};

// What an operation sees while it is planned.
template <typename T>
struct PlanContext {
  const Program& program;
  const Weights& weights;
  const std::vector<BatchNormSite>& sites;
  std::vector<StepValue<T>>& values;
  const std::vector<int32_t>& uses;
  int32_t index;
  const Node& node;
  StepValue<T>& value;
  int64_t max_rows;
  std::function<T*(int64_t)> take;
  bool is_alias = false;

  StepValue<T>& Input(size_t i) const { return values[static_cast<size_t>(node.inputs[i])]; }
  const Node& InputNode(size_t i) const { return program.nodes[static_cast<size_t>(node.inputs[i])]; }
  // Whether only this node reads input i and its memory is the step's own, so that it may be written over.
  bool IsOnlyReader(size_t i) const {
    for (int32_t at = node.inputs[i]; at >= 0; at = values[static_cast<size_t>(at)].alias_of) {
      if (uses[static_cast<size_t>(at)] != 1) return false;
    }
    return Input(i).leaf == StepLeaf::kNone && Input(i).memory != nullptr;
  }
  int64_t Offset(size_t i) const {
    return weights.parameter_layout.offsets[static_cast<size_t>(InputNode(i).Index("index"))];
  }
  void TakeMemory() const { value.memory = take(max_rows * value.width); }
  void TakeGradient() const {
    value.needs_gradient = true;
    value.gradient = take(max_rows * value.width);
  }
};

}  // namespace millrace
