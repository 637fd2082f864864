#include "compiled_step.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>

#include "compiled_ops.h"

namespace millrace {
namespace {

// Memory for activations and their gradients, handed out once when the step is planned.
template <typename T>
class Arena {
 public:
  T* Take(int64_t count) {
    blocks_.emplace_back(count * static_cast<int64_t>(sizeof(T)));
    return blocks_.back().template as<T>();
  }

 private:
  std::vector<AlignedBuffer> blocks_;
};

template <typename T>
class CompiledStep final : public ShardStep {
 public:
  CompiledStep(const Program& program, const Weights& weights, int64_t max_rows)
      : program_(program), weights_(weights), max_rows_(max_rows), sites_(FindBatchNormSites(program)) {}

  // False where the program holds something that is not known here.
  bool Plan() {
    for (const auto& [name, node] : program_.outputs) {
      if (name == "loss") loss_ = node;
      if (name == "weight") weight_ = node;
    }
    if (loss_ < 0 || weight_ < 0) return false;
    FindUses();
    values_.resize(program_.nodes.size());
    FindConstants();
    for (size_t i = 0; i < program_.nodes.size(); ++i) {
      if (needed_[i] && !PlanNode(static_cast<int32_t>(i))) return false;
    }
    if (Width(loss_) != 1 || Width(weight_) != 1 || values_[static_cast<size_t>(weight_)].needs_gradient) return false;
    return PlanBackward();
  }

  ShardResult Run(const ShardInput& input, void* gradients, void* statistics) override {
    c10::InferenceMode guard;
    StepFrame<T> frame{input, static_cast<T*>(weights_.parameters), static_cast<T*>(gradients), static_cast<T*>(statistics)};
    for (const auto& op : ops_) op->Forward(frame);
    const T* loss = values_[static_cast<size_t>(loss_)].data(frame);
    const T* weight = values_[static_cast<size_t>(weight_)].data(frame);
    ShardResult result;
    for (int64_t i = 0; i < input.rows; ++i) {
      result.loss_sum += static_cast<double>(loss[i]);
      result.weight_sum += static_cast<double>(weight[i]);
    }
    if (T* seed = values_[static_cast<size_t>(loss_)].gradient) std::fill(seed, seed + input.rows, T(1));
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) (*op)->Backward(frame);
    return result;
  }

 private:
  void FindUses() {
    needed_.assign(program_.nodes.size(), false);
    uses_.assign(program_.nodes.size(), 0);
    needed_[static_cast<size_t>(loss_)] = needed_[static_cast<size_t>(weight_)] = true;
    for (size_t i = program_.nodes.size(); i-- > 0;) {
      if (!needed_[i]) continue;
      for (int32_t input : program_.nodes[i].inputs) {
        needed_[static_cast<size_t>(input)] = true;
        ++uses_[static_cast<size_t>(input)];
      }
    }
    ++uses_[static_cast<size_t>(loss_)];
    ++uses_[static_cast<size_t>(weight_)];
  }

  void FindConstants() {
    const std::vector<TensorData> folded = FoldConstants(program_, weights_);
    constants_.resize(folded.size());
    for (size_t i = 0; i < folded.size(); ++i) {
      if (folded[i].bytes.empty() || program_.nodes[i].dtype != DType::kFloat32) continue;
      constants_[i].resize(folded[i].bytes.size() / sizeof(T));
      std::memcpy(constants_[i].data(), folded[i].bytes.data(), folded[i].bytes.size());
      values_[i].constant = &constants_[i];
    }
    is_constant_ = ConstantNodes(program_);
  }

  // Elements of a row, or -1 where the node is not [rows] or [rows, width].
  int64_t Width(int32_t index) const {
    const auto& shape = program_.nodes[static_cast<size_t>(index)].shape;
    if (shape.empty() || shape[0] != kBatchAxis || shape.size() > 2) return -1;
    return shape.size() == 1 ? 1 : shape[1];
  }

  bool PlanNode(int32_t index) {
    const Node& node = program_.nodes[static_cast<size_t>(index)];
    StepValue<T>& value = values_[static_cast<size_t>(index)];
    if (node.op == "parameter" || node.op == "buffer" || is_constant_[static_cast<size_t>(index)]) return true;
    value.width = Width(index);
    if (value.width < 1 || node.dtype == DType::kBool || node.dtype == DType::kFloat64) return false;
    if (node.op == "feedIndex") return node.dtype == DType::kInt64;
    if (node.op == "label") return PlanLabel(node, value);
    if (node.dtype == DType::kInt64) return false;
    if (node.op == "weight") {
      value.leaf = StepLeaf::kWeight;
      return true;
    }
    PlanContext<T> context{program_, weights_, sites_, values_, uses_, index, node, value, max_rows_, [this](int64_t count) { return arena_.Take(count); }};
    auto op = MakeCompiledOp<T>(context);
    if (op == nullptr) return context.is_alias;
    op->node = index;
    ops_.push_back(std::move(op));
    return true;
  }

  bool PlanLabel(const Node& node, StepValue<T>& value) const {
    value.leaf = StepLeaf::kLabel;
    return node.dtype == DType::kInt64 || node.dtype == DType::kFloat32;
  }

  // Decides who writes a gradient first and who adds to it. Backward runs in the reverse order of `ops_`.
  bool PlanBackward() {
    std::vector<bool> written(program_.nodes.size(), false);
    std::vector<bool> parameter_written(program_.parameters.size(), false);
    if (!values_[static_cast<size_t>(loss_)].needs_gradient) return true;
    written[static_cast<size_t>(Root(loss_))] = true;
    for (auto op = ops_.rbegin(); op != ops_.rend(); ++op) {
      (*op)->active = values_[static_cast<size_t>((*op)->node)].needs_gradient;
      if (!(*op)->active) continue;
      const Node& node = program_.nodes[static_cast<size_t>((*op)->node)];
      (*op)->accumulate.assign(node.inputs.size(), false);
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const auto input = static_cast<size_t>(Root(node.inputs[i]));
        const Node& source = program_.nodes[input];
        if (source.op == "parameter") {
          const auto parameter = static_cast<size_t>(source.Index("index"));
          (*op)->accumulate[i] = parameter_written[parameter];
          parameter_written[parameter] = true;
        } else {
          (*op)->accumulate[i] = written[input];
          written[input] = true;
        }
      }
    }
    return true;
  }

  // The node whose memory an alias (squeeze, expandDims) shares.
  int32_t Root(int32_t index) const {
    while (values_[static_cast<size_t>(index)].alias_of >= 0) index = values_[static_cast<size_t>(index)].alias_of;
    return index;
  }

  const Program& program_;
  Weights weights_;
  int64_t max_rows_;
  std::vector<BatchNormSite> sites_;
  int32_t loss_ = -1, weight_ = -1;
  std::vector<bool> needed_;
  std::vector<int32_t> uses_;
  std::vector<bool> is_constant_;
  std::vector<std::vector<T>> constants_;  // by node; empty where it changes, or is no float
  std::vector<StepValue<T>> values_;
  Arena<T> arena_;
  std::vector<std::unique_ptr<CompiledOp<T>>> ops_;
};

template <typename T>
std::unique_ptr<ShardStep> Make(const Program& program, const Weights& weights, int64_t max_rows) {
  auto step = std::make_unique<CompiledStep<T>>(program, weights, max_rows);
  if (!step->Plan()) return nullptr;
  return step;
}

}  // namespace

std::unique_ptr<ShardStep> MakeCompiledStep(const Program& program, const Weights& weights, int64_t max_rows) {
  return weights.dtype == DType::kFloat64 ? Make<double>(program, weights, max_rows)
                                          : Make<float>(program, weights, max_rows);
}

}  // namespace millrace
