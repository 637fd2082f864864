// Runs a program over ATen: training with autograd, and evaluation without.
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstring>

#include "../core/aligned_buffer.h"
#include "../core/error.h"
#include "primitives.h"

namespace millrace {
namespace {

using at::Tensor;

at::Device ToDevice(Device device) { return device == Device::kCuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU); }

Tensor Borrow(const void* data, at::IntArrayRef shape, at::ScalarType type) {
  return at::from_blob(const_cast<void*>(data), shape, at::TensorOptions(type));
}

// Which nodes the wanted ones need.
std::vector<bool> Reachable(const Program& program, const std::vector<int32_t>& wanted) {
  std::vector<bool> needed(program.nodes.size(), false);
  for (int32_t node : wanted) needed[static_cast<size_t>(node)] = true;
  for (size_t i = program.nodes.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (int32_t input : program.nodes[i].inputs) needed[static_cast<size_t>(input)] = true;
  }
  return needed;
}

int32_t OutputNode(const Program& program, const std::string& name) {
  for (const auto& [output, node] : program.outputs) {
    if (output == name) return node;
  }
  ThrowInternal("program.outputs", "an output '" + name + "'", "none");
}

class Executor {
 public:
  Executor(const Program& program, const Weights& weights, Device device)
      : program_(program), weights_(weights), device_(ToDevice(device)) {
    context_.real = weights.dtype == DType::kFloat64 ? at::kDouble : at::kFloat;
    context_.device = device_;
    for (size_t i = 0; i < program.parameters.size(); ++i) {
      parameters_.push_back(View(weights.parameters, weights.parameter_layout, i, program.parameters[i].shape));
    }
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      buffers_.push_back(View(weights.buffers, weights.buffer_layout, i, program.buffers[i].shape));
    }
    for (const TensorData& tensor : program.tensors) {
      Tensor value = Borrow(tensor.bytes.data(), tensor.shape, Stored(tensor.dtype));
      constants_.push_back(value.to(device_, ElementType(tensor.dtype, context_.real)));
    }
    for (const Node& node : program.nodes) {
      auto found = PrimitiveTable().find(node.op);
      functions_.push_back(found == PrimitiveTable().end() ? nullptr : found->second);
    }
    Fold();
  }

  // What is the same in every batch, computed once; undefined for other nodes.
  const std::vector<Tensor>& folded() const { return folded_; }

  // Values of all needed nodes; others stay undefined.
  std::vector<Tensor>& Run(const ShardInput& shard, bool training, const std::vector<bool>& needed,
                           const std::vector<Tensor>& parameters, const std::vector<Tensor>& buffers) {
    context_.training = training;
    context_.shard = &shard;
    context_.statistics.clear();
    values_.assign(program_.nodes.size(), Tensor());
    for (size_t i = 0; i < program_.nodes.size(); ++i) {
      if (!needed[i]) continue;
      const Node& node = program_.nodes[i];
      if (folded_[i].defined()) {
        values_[i] = folded_[i];
      } else if (node.inputs.empty()) {
        values_[i] = Leaf(node, shard, parameters, buffers);
      } else {
        values_[i] = Compute(i, values_);
      }
    }
    return values_;
  }

  // On the CPU these are the flat weights themselves; a device gets copies.
  std::vector<Tensor> DeviceCopies(const std::vector<Tensor>& host) const {
    if (device_.is_cpu()) return host;
    std::vector<Tensor> copies;
    for (const Tensor& tensor : host) copies.push_back(tensor.to(device_));
    return copies;
  }

  const std::vector<Tensor>& parameters() const { return parameters_; }
  const std::vector<Tensor>& buffers() const { return buffers_; }
  RunContext& context() { return context_; }
  const Program& program() const { return program_; }
  const Weights& weights() const { return weights_; }

 private:
  Tensor Compute(size_t index, const std::vector<Tensor>& values) {
    const Node& node = program_.nodes[index];
    if (functions_[index] == nullptr) ThrowInternal(node.name, "a primitive of the tensor region", "'" + node.op + "'");
    std::vector<Tensor> inputs;
    for (int32_t input : node.inputs) inputs.push_back(values[static_cast<size_t>(input)]);
    context_.node = static_cast<int32_t>(index);
    return functions_[index](context_, node, inputs);
  }

  // Ordinary tensors, not of the inference mode: autograd may save them.
  void Fold() {
    at::AutoGradMode recording(false);
    const std::vector<bool> constant = ConstantNodes(program_);
    folded_.resize(program_.nodes.size());
    for (size_t i = 0; i < program_.nodes.size(); ++i) {
      const std::vector<int32_t>& inputs = program_.nodes[i].inputs;
      auto is_folded = [&](int32_t input) { return folded_[static_cast<size_t>(input)].defined(); };
      if (!constant[i] || !std::all_of(inputs.begin(), inputs.end(), is_folded)) continue;
      if (inputs.empty()) {
        folded_[i] = Leaf(program_.nodes[i], ShardInput(), {}, {});
      } else if (functions_[i] != nullptr) {
        folded_[i] = Compute(i, folded_);
      }
    }
  }

  static at::ScalarType Stored(DType dtype) { return ElementType(dtype, at::kFloat); }

  Tensor View(void* flat, const FlatLayout& layout, size_t index, const std::vector<int64_t>& shape) const {
    auto* bytes = static_cast<uint8_t*>(flat) + layout.offsets[index] * ByteSize(weights_.dtype);
    return Borrow(bytes, shape, context_.real);
  }

  Tensor Leaf(const Node& node, const ShardInput& shard, const std::vector<Tensor>& parameters,
              const std::vector<Tensor>& buffers) const {
    if (node.op == "parameter") return parameters[static_cast<size_t>(node.Index("index"))];
    if (node.op == "buffer") return buffers[static_cast<size_t>(node.Index("index"))];
    if (node.op == "tensor") return constants_[static_cast<size_t>(node.Index("index"))];
    if (node.op == "constant") {
      return at::full({}, node.Attribute("value"), at::TensorOptions(ElementType(node.dtype, context_.real)).device(device_));
    }
    if (node.op == "feedBlock") {
      const int64_t first = node.Index("first"), count = node.Index("count");
      if (first < 0 || count < 1 || first + count > shard.float_columns) {
        ThrowInternal(node.name, "columns of the feed", std::to_string(first + count));
      }
      return Borrow(shard.floats, {shard.rows, shard.float_columns}, context_.real).narrow(1, first, count).to(device_);
    }
    if (node.op == "feedFloat") {
      return Borrow(shard.floats, {shard.rows, shard.float_columns}, context_.real).select(1, node.Index("column")).to(device_);
    }
    if (node.op == "feedIndex") {
      return Borrow(shard.indices + node.Index("column") * shard.rows, {shard.rows}, at::kLong).to(device_);
    }
    if (node.op == "label") {
      const at::ScalarType type = shard.label_is_index ? at::kLong : context_.real;
      Tensor label = shard.label_columns == 0 ? Borrow(shard.labels, {shard.rows}, type)
                                              : Borrow(shard.labels, {shard.rows, shard.label_columns}, type);
      return label.to(device_, ElementType(node.dtype, context_.real));
    }
    if (node.op == "weight") return Borrow(shard.weights, {shard.rows}, context_.real).to(device_);
    ThrowInternal(node.name, "a leaf of the tensor region", "'" + node.op + "'");
  }

  const Program& program_;
  Weights weights_;
  at::Device device_;
  RunContext context_;
  std::vector<Tensor> parameters_, buffers_, constants_, folded_, values_;
  std::vector<Primitive> functions_;
};

void CopyOut(const Tensor& from, void* to, int64_t bytes) {
  const Tensor host = from.to(at::kCPU).contiguous();
  if (static_cast<int64_t>(host.nbytes()) != bytes) {
    ThrowInternal("executor", std::to_string(bytes) + " bytes", std::to_string(host.nbytes()));
  }
  std::memcpy(to, host.const_data_ptr(), static_cast<size_t>(bytes));
}

class AutogradStep final : public ShardStep {
 public:
  AutogradStep(const Program& program, const Weights& weights, Device device)
      : executor_(program, weights, device),
        loss_(OutputNode(program, "loss")),
        weight_(OutputNode(program, "weight")),
        needed_(Reachable(program, {loss_, weight_})),
        sites_(FindBatchNormSites(program)) {
    for (size_t i = 0; i < program.nodes.size(); ++i) {
      const Node& node = program.nodes[i];
      if (node.op == "parameter" && needed_[i]) used_.push_back(static_cast<size_t>(node.Index("index")));
    }
  }

  ShardResult Run(const ShardInput& input, void* gradients, void* statistics) override {
    at::AutoGradMode recording(true);
    const Weights& weights = executor_.weights();
    std::vector<Tensor> parameters;
    for (const Tensor& tensor : executor_.DeviceCopies(executor_.parameters())) {
      parameters.push_back(tensor.detach().requires_grad_(true));
    }
    auto& values = executor_.Run(input, true, needed_, parameters, executor_.DeviceCopies(executor_.buffers()));
    const Tensor& loss = values[static_cast<size_t>(loss_)];
    ShardResult result;
    result.loss_sum = loss.detach().sum(at::kDouble).item<double>();
    result.weight_sum = values[static_cast<size_t>(weight_)].detach().sum(at::kDouble).item<double>();
    std::vector<Tensor> wanted;
    for (size_t index : used_) wanted.push_back(parameters[index]);
    const int64_t size = ByteSize(weights.dtype);
    std::memset(gradients, 0, static_cast<size_t>(weights.parameter_layout.total * size));
    if (!wanted.empty()) {
      const auto grads = torch::autograd::grad({loss}, wanted, {at::ones_like(loss)}, std::nullopt, false, true);
      for (size_t i = 0; i < used_.size(); ++i) {
        if (!grads[i].defined()) continue;
        const size_t index = used_[i];
        CopyOut(grads[i], static_cast<uint8_t*>(gradients) + weights.parameter_layout.offsets[index] * size,
                weights.parameter_layout.counts[index] * size);
      }
    }
    for (const BatchNormSite& site : sites_) {
      auto found = executor_.context().statistics.find(site.node);
      if (found == executor_.context().statistics.end()) continue;
      auto* to = static_cast<uint8_t*>(statistics) + site.offset * size;
      CopyOut(found->second.first, to, site.channels * size);
      CopyOut(found->second.second, to + site.channels * size, site.channels * size);
    }
    values.clear();
    return result;
  }

 private:
  Executor executor_;
  int32_t loss_, weight_;
  std::vector<bool> needed_;
  std::vector<BatchNormSite> sites_;
  std::vector<size_t> used_;
};

class Evaluator final : public ShardEvaluator {
 public:
  Evaluator(const Program& program, const Weights& weights, Device device) : executor_(program, weights, device) {}

  ShardResult Loss(const ShardInput& input) override {
    c10::InferenceMode guard;
    const int32_t loss = OutputNode(executor_.program(), "loss"), weight = OutputNode(executor_.program(), "weight");
    auto& values = Evaluate(input, {loss, weight});
    const ShardResult result{values[static_cast<size_t>(loss)].sum(at::kDouble).item<double>(),
                             values[static_cast<size_t>(weight)].sum(at::kDouble).item<double>()};
    values.clear();
    return result;
  }

  void Outputs(const ShardInput& input, const std::vector<int32_t>& nodes,
               const std::vector<void*>& destinations) override {
    c10::InferenceMode guard;
    auto& values = Evaluate(input, nodes);
    for (size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = executor_.program().nodes[static_cast<size_t>(nodes[i])];
      int64_t count = input.rows;
      for (size_t axis = 1; axis < node.shape.size(); ++axis) count *= node.shape[axis];
      const Tensor value = values[static_cast<size_t>(nodes[i])].to(executor_.context().real);
      CopyOut(value, destinations[i], count * ByteSize(executor_.weights().dtype));
    }
    values.clear();
  }

 private:
  std::vector<Tensor>& Evaluate(const ShardInput& input, const std::vector<int32_t>& nodes) {
    return executor_.Run(input, false, Reachable(executor_.program(), nodes),
                         executor_.DeviceCopies(executor_.parameters()), executor_.DeviceCopies(executor_.buffers()));
  }
  Executor executor_;
};

TensorData ToData(const Tensor& tensor) {
  const Tensor host = tensor.detach().to(at::kCPU).contiguous();
  TensorData data;
  switch (host.scalar_type()) {
    case at::kFloat:
      data.dtype = DType::kFloat32;
      break;
    case at::kDouble:
      data.dtype = DType::kFloat64;
      break;
    case at::kLong:
      data.dtype = DType::kInt64;
      break;
    case at::kBool:
      data.dtype = DType::kBool;
      break;
    default:
      ThrowInternal("run", "a dtype of the graph", at::toString(host.scalar_type()));
  }
  data.shape.assign(host.sizes().begin(), host.sizes().end());
  data.bytes.resize(host.nbytes());
  std::memcpy(data.bytes.data(), host.const_data_ptr(), host.nbytes());
  return data;
}

}  // namespace

std::unique_ptr<ShardStep> MakeAutogradStep(const Program& program, const Weights& weights, Device device) {
  return std::make_unique<AutogradStep>(program, weights, device);
}

std::unique_ptr<ShardEvaluator> MakeEvaluator(const Program& program, const Weights& weights, Device device) {
  return std::make_unique<Evaluator>(program, weights, device);
}

std::vector<TensorData> FoldConstants(const Program& program, const Weights& weights) {
  const Executor executor(program, weights, Device::kCpu);
  std::vector<TensorData> values(program.nodes.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (executor.folded()[i].defined()) values[i] = ToData(executor.folded()[i]);
  }
  return values;
}

SingleResult RunOnce(const Program& program, const Weights& weights, const SingleRun& run) {
  at::AutoGradMode recording(run.objective >= 0);
  Executor executor(program, weights, Device::kCpu);
  std::vector<Tensor> parameters;
  for (const Tensor& tensor : executor.parameters()) {
    parameters.push_back(tensor.detach().requires_grad_(run.objective >= 0));
  }
  std::vector<int32_t> wanted;
  for (const auto& [name, node] : program.outputs) wanted.push_back(node);
  if (run.objective >= 0) wanted.push_back(run.objective);
  ShardInput shard;
  shard.seed = run.seed;
  shard.step = run.step;
  auto& values = executor.Run(shard, run.training, Reachable(program, wanted), parameters, executor.buffers());
  SingleResult result;
  for (const auto& [name, node] : program.outputs) result.outputs.push_back(ToData(values[static_cast<size_t>(node)]));
  if (run.objective >= 0) {
    const Tensor objective = values[static_cast<size_t>(run.objective)].sum();
    const auto grads = torch::autograd::grad({objective}, parameters, {}, std::nullopt, false, true);
    for (size_t i = 0; i < grads.size(); ++i) {
      result.gradients.push_back(ToData(grads[i].defined() ? grads[i] : at::zeros_like(parameters[i])));
    }
  }
  const auto sites = FindBatchNormSites(program);
  const int64_t size = ByteSize(weights.dtype);
  AlignedBuffer statistics(StatisticsSize(sites) * size);
  for (const BatchNormSite& site : sites) {
    auto found = executor.context().statistics.find(site.node);
    if (found == executor.context().statistics.end()) continue;
    auto* to = statistics.as<uint8_t>() + site.offset * size;
    CopyOut(found->second.first, to, site.channels * size);
    CopyOut(found->second.second, to + site.channels * size, site.channels * size);
    ApplyStatistics({site}, weights, statistics.data(), values[static_cast<size_t>(site.node)].size(0));
  }
  for (const Tensor& buffer : executor.buffers()) result.buffers.push_back(ToData(buffer));
  return result;
}

}  // namespace millrace
