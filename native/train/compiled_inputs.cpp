// What stands at the entrance of a network: columns of the feed, embeddings, one-hot columns, concatenation.
#include <cstring>

#include "../core/error.h"
#include "compiled_ops.h"
#include "kernels.h"

namespace millrace {
namespace {

[[noreturn]] void ThrowIndex(const std::string& name, int64_t size, int64_t index) {
  throw Error("DATA_OUT_OF_RANGE", name, "an index from 0 to " + std::to_string(size - 1), std::to_string(index));
}

// Copies columns [first, first + width) of the feed's floats.
template <typename T>
class FeedColumns final : public CompiledOp<T> {
 public:
  FeedColumns(const StepValue<T>& value, int64_t first) : value_(value), first_(first) {}
  void Forward(const StepFrame<T>& frame) override {
    const T* from = static_cast<const T*>(frame.input.floats) + first_;
    for (int64_t i = 0; i < frame.input.rows; ++i, from += frame.input.float_columns) {
      std::memcpy(value_.memory + i * value_.width, from, static_cast<size_t>(value_.width) * sizeof(T));
    }
  }

 private:
  void Propagate(const StepFrame<T>&) override {}
  const StepValue<T>& value_;
  int64_t first_;
};

template <typename T>
class Concat final : public CompiledOp<T> {
 public:
  Concat(const StepValue<T>& value, std::vector<const StepValue<T>*> parts) : value_(value), parts_(std::move(parts)) {}

  void Forward(const StepFrame<T>& frame) override {
    int64_t column = 0;
    for (const StepValue<T>* part : parts_) {
      const T* from = part->data(frame);
      T* to = value_.memory + column;
      for (int64_t i = 0; i < frame.input.rows; ++i, from += part->width, to += value_.width) {
        std::memcpy(to, from, static_cast<size_t>(part->width) * sizeof(T));
      }
      column += part->width;
    }
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    int64_t column = 0;
    for (size_t k = 0; k < parts_.size(); column += parts_[k++]->width) {
      const StepValue<T>& part = *parts_[k];
      if (!part.needs_gradient) continue;
      const T* from = value_.gradient + column;
      T* to = part.gradient;
      for (int64_t i = 0; i < frame.input.rows; ++i, from += value_.width, to += part.width) {
        if (this->accumulate[k]) {
          for (int64_t j = 0; j < part.width; ++j) to[j] += from[j];
        } else {
          std::memcpy(to, from, static_cast<size_t>(part.width) * sizeof(T));
        }
      }
    }
  }
  const StepValue<T>& value_;
  std::vector<const StepValue<T>*> parts_;
};

template <typename T>
class Embedding final : public CompiledOp<T> {
 public:
  Embedding(const StepValue<T>& value, std::string name, int64_t column, int64_t offset, int64_t size)
      : value_(value), name_(std::move(name)), column_(column), offset_(offset), size_(size) {}

  void Forward(const StepFrame<T>& frame) override {
    const int64_t* indices = frame.input.indices + column_ * frame.input.rows;
    const T* table = frame.parameters + offset_;
    for (int64_t i = 0; i < frame.input.rows; ++i) {
      if (indices[i] < 0 || indices[i] >= size_) ThrowIndex(name_, size_, indices[i]);
      std::memcpy(value_.memory + i * value_.width, table + indices[i] * value_.width,
                  static_cast<size_t>(value_.width) * sizeof(T));
    }
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    const int64_t* indices = frame.input.indices + column_ * frame.input.rows;
    T* table = frame.gradients + offset_;
    if (!this->accumulate[1]) std::memset(table, 0, static_cast<size_t>(size_ * value_.width) * sizeof(T));
    for (int64_t i = 0; i < frame.input.rows; ++i) {
      T* to = table + indices[i] * value_.width;
      const T* from = value_.gradient + i * value_.width;
      for (int64_t j = 0; j < value_.width; ++j) to[j] += from[j];
    }
  }
  const StepValue<T>& value_;
  std::string name_;
  int64_t column_, offset_, size_;
};

template <typename T>
class OneHot final : public CompiledOp<T> {
 public:
  OneHot(const StepValue<T>& value, std::string name, int64_t column) : value_(value), name_(std::move(name)), column_(column) {}
  void Forward(const StepFrame<T>& frame) override {
    const int64_t* indices = frame.input.indices + column_ * frame.input.rows;
    std::memset(value_.memory, 0, static_cast<size_t>(frame.input.rows * value_.width) * sizeof(T));
    for (int64_t i = 0; i < frame.input.rows; ++i) {
      if (indices[i] < 0 || indices[i] >= value_.width) ThrowIndex(name_, value_.width, indices[i]);
      value_.memory[i * value_.width + indices[i]] = T(1);
    }
  }

 private:
  void Propagate(const StepFrame<T>&) override {}
  const StepValue<T>& value_;
  std::string name_;
  int64_t column_;
};

}  // namespace

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeInputOp(PlanContext<T>& context) {
  const Node& node = context.node;
  if (node.op == "feedBlock" && node.Index("first") == 0 && node.Index("count") == node.Index("columns")) {
    context.value.leaf = StepLeaf::kFloats;
    context.is_alias = true;
    return nullptr;
  }
  if (node.op == "feedBlock" || node.op == "feedFloat") {
    context.TakeMemory();
    return std::make_unique<FeedColumns<T>>(context.value, node.Index(node.op == "feedBlock" ? "first" : "column"));
  }
  if (node.op == "concat") {
    std::vector<const StepValue<T>*> parts;
    bool needs_gradient = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (context.Input(i).width < 1 || context.InputNode(i).dtype != DType::kFloat32) return nullptr;
      parts.push_back(&context.Input(i));
      needs_gradient = needs_gradient || context.Input(i).needs_gradient;
    }
    if (node.shape.size() != 2) return nullptr;
    context.TakeMemory();
    if (needs_gradient) context.TakeGradient();
    return std::make_unique<Concat<T>>(context.value, std::move(parts));
  }
  if (node.op == "embedding" || node.op == "oneHot") {
    if (context.InputNode(0).op != "feedIndex" || node.shape.size() != 2) return nullptr;
    const int64_t column = context.InputNode(0).Index("column");
    if (node.op == "oneHot") {
      context.TakeMemory();
      return std::make_unique<OneHot<T>>(context.value, node.name, column);
    }
    if (context.InputNode(1).op != "parameter") return nullptr;
    context.TakeMemory();
    context.TakeGradient();
    return std::make_unique<Embedding<T>>(context.value, node.name, column, context.Offset(1), context.InputNode(1).shape[0]);
  }
  return nullptr;
}

template std::unique_ptr<CompiledOp<float>> MakeInputOp<float>(PlanContext<float>&);
template std::unique_ptr<CompiledOp<double>> MakeInputOp<double>(PlanContext<double>&);

}  // namespace millrace
