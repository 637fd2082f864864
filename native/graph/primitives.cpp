#include "primitives.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/div.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/huber_loss.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "dropout.h"

namespace millrace {
namespace {

using at::Tensor;
using Inputs = std::vector<Tensor>;

// Mean over the axes behind the first: one value a row.
Tensor PerRow(const Tensor& loss) { return loss.dim() == 1 ? loss : loss.flatten(1).mean(1); }

Tensor Dropout(RunContext& context, const Node& node, const Inputs& in) {
  const double rate = node.Attribute("rate");
  if (!context.training || rate == 0) return in[0];
  const Tensor& x = in[0];
  Tensor mask = at::empty(x.sizes(), at::TensorOptions(x.scalar_type()));
  const int64_t rows = x.size(0), columns = rows == 0 ? 0 : x.numel() / rows;
  const ShardInput& shard = *context.shard;
  const auto id = static_cast<uint32_t>(node.Attribute("random"));
  if (x.scalar_type() == at::kDouble) {
    FillDropoutMask(mask.data_ptr<double>(), rows, columns, rate, shard.seed, shard.step, shard.first_row, id);
  } else {
    FillDropoutMask(mask.data_ptr<float>(), rows, columns, rate, shard.seed, shard.step, shard.first_row, id);
  }
  return x * mask.to(x.device());
}

Tensor BatchNorm(RunContext& context, const Node& node, const Inputs& in) {
  const double epsilon = node.Attribute("epsilon");
  if (!context.training) return at::batch_norm(in[0], in[1], in[2], in[3], in[4], false, 0, epsilon, false);
  // With momentum 1 the running tensors take this batch's mean and unbiased variance.
  Tensor mean = at::zeros_like(in[3]), variance = at::zeros_like(in[4]);
  Tensor out = at::batch_norm(in[0], in[1], in[2], mean, variance, true, 1.0, epsilon, false);
  context.statistics[context.node] = {mean, variance};
  return out;
}

Tensor SoftmaxCrossEntropy(RunContext&, const Node& node, const Inputs& in) {
  const double smoothing = node.Attribute("smoothing");
  const Tensor logp = at::log_softmax(in[0], 1);
  Tensor loss = logp.gather(1, in[1].unsqueeze(1)).squeeze(1) * (-(1 - smoothing));
  if (smoothing != 0) loss = loss - logp.sum(1) * (smoothing / static_cast<double>(in[0].size(1)));
  return loss;
}

Tensor SigmoidCrossEntropy(RunContext&, const Node& node, const Inputs& in) {
  const double smoothing = node.Attribute("smoothing");
  const Tensor target = smoothing == 0 ? in[1] : in[1] * (1 - smoothing) + smoothing / 2;
  return PerRow(at::binary_cross_entropy_with_logits(in[0], target, {}, {}, at::Reduction::None));
}

Tensor HuberError(RunContext&, const Node& node, const Inputs& in) {
  return PerRow(at::huber_loss(in[0], in[1], at::Reduction::None, node.Attribute("delta")));
}

Tensor Cast(RunContext& context, const Node& node, const Inputs& in) {
  return in[0].to(ElementType(static_cast<DType>(node.Index("to")), context.real));
}

Tensor OneHot(RunContext& context, const Node& node, const Inputs& in) {
  return at::one_hot(in[0], node.Index("depth")).to(context.real);
}

Tensor LayerNorm(RunContext&, const Node& node, const Inputs& in) {
  return at::layer_norm(in[0], {in[0].size(-1)}, in[1], in[2], node.Attribute("epsilon"));
}

#define MILLRACE_UNARY(expression) [](RunContext&, const Node& node, const Inputs& in) -> Tensor { \
    (void)node; const Tensor& x = in[0]; return expression; }
#define MILLRACE_BINARY(expression) [](RunContext&, const Node& node, const Inputs& in) -> Tensor { \
    (void)node; const Tensor& a = in[0]; const Tensor& b = in[1]; return expression; }

}  // namespace

const std::unordered_map<std::string, Primitive>& PrimitiveTable() {
  static const std::unordered_map<std::string, Primitive> table = {
      // arithmetic
      {"add", MILLRACE_BINARY(a + b)},
      {"subtract", MILLRACE_BINARY(a - b)},
      {"multiply", MILLRACE_BINARY(a * b)},
      {"divide", MILLRACE_BINARY(a / b)},
      {"minimum", MILLRACE_BINARY(at::minimum(a, b))},
      {"maximum", MILLRACE_BINARY(at::maximum(a, b))},
      {"sqrt", MILLRACE_UNARY(at::sqrt(x))},
      {"negate", MILLRACE_UNARY(at::neg(x))},
      {"abs", MILLRACE_UNARY(at::abs(x))},
      {"exp", MILLRACE_UNARY(at::exp(x))},
      {"log", MILLRACE_UNARY(at::log(x))},
      {"square", MILLRACE_UNARY(x * x)},
      // comparison and choice
      {"equal", MILLRACE_BINARY(at::eq(a, b))},
      {"greater", MILLRACE_BINARY(at::gt(a, b))},
      {"greaterOrEqual", MILLRACE_BINARY(at::ge(a, b))},
      {"not", MILLRACE_UNARY(at::logical_not(x))},
      {"where", [](RunContext&, const Node&, const Inputs& in) -> Tensor { return at::where(in[0], in[1], in[2]); }},
      {"cast", Cast},
      // shape
      {"concat", [](RunContext&, const Node& node, const Inputs& in) -> Tensor { return at::cat(in, node.Index("axis")); }},
      {"expandDims", MILLRACE_UNARY(x.unsqueeze(node.Index("axis")))},
      {"squeeze", MILLRACE_UNARY(x.squeeze(node.Index("axis")))},
      {"slice", MILLRACE_UNARY(x.narrow(node.Index("axis"), node.Index("skipFirst"),
                                        x.size(node.Index("axis")) - node.Index("skipFirst") - node.Index("skipLast")))},
      {"reduceSum", MILLRACE_UNARY(x.sum(node.Index("axis")))},
      {"reduceMean", MILLRACE_UNARY(x.mean(node.Index("axis")))},
      {"oneHot", OneHot},
      // products
      {"matmul", MILLRACE_BINARY(at::matmul(a, b))},
      {"linear", [](RunContext&, const Node&, const Inputs& in) -> Tensor {
         return in.size() == 3 ? at::linear(in[0], in[1], in[2]) : at::linear(in[0], in[1]);
       }},
      {"embedding", MILLRACE_BINARY(at::embedding(b, a))},
      // activations
      {"relu", MILLRACE_UNARY(at::relu(x))},
      {"leakyRelu", MILLRACE_UNARY(at::leaky_relu(x, node.Attribute("slope")))},
      {"elu", MILLRACE_UNARY(at::elu(x, node.Attribute("alpha")))},
      {"gelu", MILLRACE_UNARY(at::gelu(x))},
      {"silu", MILLRACE_UNARY(at::silu(x))},
      {"sigmoid", MILLRACE_UNARY(at::sigmoid(x))},
      {"tanh", MILLRACE_UNARY(at::tanh(x))},
      {"softplus", MILLRACE_UNARY(at::softplus(x))},
      {"softmax", MILLRACE_UNARY(at::softmax(x, -1))},
      {"logSoftmax", MILLRACE_UNARY(at::log_softmax(x, -1))},
      // regularization and normalization
      {"dropout", Dropout},
      {"batchNorm", BatchNorm},
      {"layerNorm", LayerNorm},
      // losses
      {"sigmoidCrossEntropy", SigmoidCrossEntropy},
      {"softmaxCrossEntropy", SoftmaxCrossEntropy},
      {"squaredError", MILLRACE_BINARY(PerRow((a - b) * (a - b)))},
      {"absoluteError", MILLRACE_BINARY(PerRow(at::abs(a - b)))},
      {"huberError", HuberError},
  };
  return table;
}

at::ScalarType ElementType(DType dtype, at::ScalarType real) {
  switch (dtype) {
    case DType::kFloat32:
      return real;
    case DType::kFloat64:
      return at::kDouble;
    case DType::kInt64:
      return at::kLong;
    case DType::kBool:
      return at::kBool;
  }
  return real;
}

}  // namespace millrace
