// Layers with parameters, dropout, and sums and products of two values of one shape.
#include <cmath>
#include <cstring>

#include "../graph/dropout.h"
#include "compiled_ops.h"
#include "gemm.h"
#include "kernels.h"

namespace millrace {
namespace {

template <typename T>
class Linear final : public CompiledOp<T> {
 public:
  Linear(const StepValue<T>& value, const StepValue<T>& input, int64_t weight, int64_t bias)
      : value_(value), input_(input), weight_(weight), bias_(bias) {}

  void Forward(const StepFrame<T>& frame) override {
    const int64_t rows = frame.input.rows;
    LinearForward(value_.memory, input_.data(frame), input_.width, frame.parameters + weight_, rows, input_.width, value_.width);
    if (bias_ < 0) return;
    if (relu) {
      kernels::AddBiasRelu(value_.memory, frame.parameters + bias_, rows, value_.width);
    } else {
      kernels::AddBias(value_.memory, frame.parameters + bias_, rows, value_.width);
    }
  }

  // Set by a relu that is its only reader: the maximum is taken while the bias is added.
  bool relu = false;

 private:
  void Propagate(const StepFrame<T>& frame) override {
    const int64_t rows = frame.input.rows, in = input_.width, out = value_.width;
    LinearWeightGradient(frame.gradients + weight_, value_.gradient, input_.data(frame), in, rows, in, out, this->accumulate[1]);
    if (bias_ >= 0) kernels::ColumnSum(frame.gradients + bias_, value_.gradient, rows, out, this->accumulate[2]);
    if (input_.needs_gradient) {
      LinearInputGradient(input_.gradient, value_.gradient, frame.parameters + weight_, rows, in, out, this->accumulate[0]);
    }
  }
  const StepValue<T>&value_, &input_;
  int64_t weight_, bias_;
};

// Adds `from` to the gradient of an input, or puts it there.
template <typename T>
void Deposit(T* gradient, const T* from, int64_t count, bool accumulate) {
  if (accumulate) {
    kernels::AddTo(gradient, from, count);
  } else {
    std::memcpy(gradient, from, static_cast<size_t>(count) * sizeof(T));
  }
}

template <typename T>
class Normalization : public CompiledOp<T> {
 public:
  Normalization(PlanContext<T>& context, int64_t inverses)
      : value_(context.value), input_(context.Input(0)), scale_(context.Offset(1)), bias_(context.Offset(2)),
        epsilon_(static_cast<T>(context.node.Attribute("epsilon"))) {
    context.TakeMemory();
    context.TakeGradient();
    normalized_ = context.take(context.max_rows * value_.width);
    inverse_ = context.take(inverses);
    dscale_ = context.take(value_.width);
    dbias_ = context.take(value_.width);
  }

 protected:
  // Gradients of scale and bias; leaves this shard's sums in dscale_ and dbias_.
  void ScaleGradients(const StepFrame<T>& frame) {
    const int64_t width = value_.width;
    kernels::BatchNormSums(dscale_, dbias_, value_.gradient, normalized_, frame.input.rows, width);
    Deposit(frame.gradients + scale_, dscale_, width, this->accumulate[1]);
    Deposit(frame.gradients + bias_, dbias_, width, this->accumulate[2]);
  }
  // The value's own gradient is not read again: the input's is computed in its place and then handed on.
  void HandOn(const StepFrame<T>& frame) {
    Deposit(input_.gradient, value_.gradient, frame.input.rows * value_.width, this->accumulate[0]);
  }

  const StepValue<T>&value_, &input_;
  int64_t scale_, bias_;
  T epsilon_;
  T *normalized_, *inverse_, *dscale_, *dbias_;
};

template <typename T>
class BatchNorm final : public Normalization<T> {
 public:
  BatchNorm(PlanContext<T>& context, int64_t statistics)
      : Normalization<T>(context, context.value.width), statistics_(statistics) {
    mean_ = context.take(context.value.width);
    variance_ = context.take(context.value.width);
  }

  void Forward(const StepFrame<T>& frame) override {
    const int64_t rows = frame.input.rows, width = this->value_.width;
    const T* x = this->input_.data(frame);
    kernels::ColumnMoments(mean_, variance_, x, rows, width);
    T* statistics = frame.statistics + statistics_;
    for (int64_t j = 0; j < width; ++j) {
      this->inverse_[j] = T(1) / std::sqrt(variance_[j] + this->epsilon_);
      statistics[j] = mean_[j];
      statistics[width + j] = variance_[j] * T(rows) / T(rows - 1);
    }
    kernels::BatchNormForward(this->value_.memory, this->normalized_, x, mean_, this->inverse_, frame.parameters + this->scale_,
                              frame.parameters + this->bias_, rows, width);
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    this->ScaleGradients(frame);
    if (!this->input_.needs_gradient) return;
    kernels::BatchNormBackward(this->value_.gradient, this->value_.gradient, this->normalized_, this->inverse_,
                               frame.parameters + this->scale_, this->dscale_, this->dbias_, frame.input.rows, this->value_.width);
    this->HandOn(frame);
  }
  int64_t statistics_;
  T *mean_, *variance_;
};

template <typename T>
class LayerNorm final : public Normalization<T> {
 public:
  explicit LayerNorm(PlanContext<T>& context) : Normalization<T>(context, context.max_rows) {}

  void Forward(const StepFrame<T>& frame) override {
    kernels::LayerNormForward(this->value_.memory, this->normalized_, this->inverse_, this->input_.data(frame),
                              frame.parameters + this->scale_, frame.parameters + this->bias_, this->epsilon_,
                              frame.input.rows, this->value_.width);
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    this->ScaleGradients(frame);
    if (!this->input_.needs_gradient) return;
    kernels::LayerNormBackward(this->value_.gradient, this->value_.gradient, this->normalized_, this->inverse_,
                               frame.parameters + this->scale_, frame.input.rows, this->value_.width);
    this->HandOn(frame);
  }
};

template <typename T>
class Dropout final : public CompiledOp<T> {
 public:
  Dropout(const StepValue<T>& value, const StepValue<T>& input, T* mask, T* scratch, double rate, uint32_t random)
      : value_(value), input_(input), mask_(mask), scratch_(scratch), rate_(rate), random_(random) {}

  void Forward(const StepFrame<T>& frame) override {
    const ShardInput& shard = frame.input;
    FillDropoutMask(mask_, shard.rows, value_.width, rate_, shard.seed, shard.step, shard.first_row, random_);
    kernels::Multiply(value_.memory, input_.data(frame), mask_, shard.rows * value_.width);
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    const int64_t count = frame.input.rows * value_.width;
    if (input_.gradient == value_.gradient || !this->accumulate[0]) {
      kernels::Multiply(input_.gradient, value_.gradient, mask_, count);
    } else {
      kernels::Multiply(scratch_, value_.gradient, mask_, count);
      kernels::AddTo(input_.gradient, scratch_, count);
    }
  }
  const StepValue<T>&value_, &input_;
  T *mask_, *scratch_;
  double rate_;
  uint32_t random_;
};

enum class Pair : uint8_t { kAdd, kSubtract, kMultiply };

template <typename T>
class PairOp final : public CompiledOp<T> {
 public:
  PairOp(const StepValue<T>& value, const StepValue<T>& a, const StepValue<T>& b, T* scratch, Pair pair)
      : value_(value), a_(a), b_(b), scratch_(scratch), pair_(pair) {}

  void Forward(const StepFrame<T>& frame) override {
    const int64_t count = frame.input.rows * value_.width;
    const T *a = a_.data(frame), *b = b_.data(frame);
    if (pair_ == Pair::kAdd) kernels::Add(value_.memory, a, b, count);
    if (pair_ == Pair::kSubtract) kernels::Subtract(value_.memory, a, b, count);
    if (pair_ == Pair::kMultiply) kernels::Multiply(value_.memory, a, b, count);
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    const int64_t count = frame.input.rows * value_.width;
    if (a_.needs_gradient) Hand(frame, a_, b_, count, this->accumulate[0], false);
    if (b_.needs_gradient) Hand(frame, b_, a_, count, this->accumulate[1], pair_ == Pair::kSubtract);
  }
  void Hand(const StepFrame<T>& frame, const StepValue<T>& to, const StepValue<T>& other, int64_t count, bool accumulate, bool negative) {
    const T* from = value_.gradient;
    if (pair_ == Pair::kMultiply) {
      kernels::Multiply(scratch_, from, other.data(frame), count);
      from = scratch_;
    }
    if (!negative) return Deposit(to.gradient, from, count, accumulate);
    if (!accumulate) std::memset(to.gradient, 0, static_cast<size_t>(count) * sizeof(T));
    kernels::SubtractFrom(to.gradient, from, count);
  }
  const StepValue<T>&value_, &a_, &b_;
  T* scratch_;
  Pair pair_;
};

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeLinear(PlanContext<T>& context) {
  const Node& node = context.node;
  const StepValue<T>& input = context.Input(0);
  if (input.width < 1 || node.shape.size() != 2 || context.InputNode(1).op != "parameter") return nullptr;
  if (node.inputs.size() == 3 && context.InputNode(2).op != "parameter") return nullptr;
  // BLAS counts in 32 bits.
  if (input.width * context.value.width > (int64_t{1} << 31) - 1) return nullptr;
  context.TakeMemory();
  context.TakeGradient();
  const bool has_bias = node.inputs.size() == 3;
  auto op = std::make_unique<Linear<T>>(context.value, input, context.Offset(1), has_bias ? context.Offset(2) : -1);
  if (has_bias) context.value.fused_relu = &op->relu;
  return op;
}

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeDropout(PlanContext<T>& context) {
  const StepValue<T>& input = context.Input(0);
  if (input.width < 1) return nullptr;
  const int64_t size = context.max_rows * context.value.width;
  T* mask = context.take(size);
  // A relu's gradient needs the sign of its output alone, and where the mask is 0 the gradient is 0 anyway.
  const bool in_place = context.IsOnlyReader(0) && input.output_use != OutputUse::kValue;
  if (in_place) {
    context.value.memory = input.memory;
  } else {
    context.TakeMemory();
  }
  T* scratch = nullptr;
  if (input.needs_gradient && context.IsOnlyReader(0)) {
    context.value.needs_gradient = true;
    context.value.gradient = input.gradient;
  } else if (input.needs_gradient) {
    context.TakeGradient();
    scratch = context.take(size);
  }
  return std::make_unique<Dropout<T>>(context.value, input, mask, scratch, context.node.Attribute("rate"),
                                      static_cast<uint32_t>(context.node.Attribute("random")));
}

template <typename T>
std::unique_ptr<CompiledOp<T>> MakePair(PlanContext<T>& context, Pair pair) {
  const StepValue<T>&a = context.Input(0), &b = context.Input(1);
  // Leaves that are indices, scalars and parameters have no width here.
  if (a.width != context.value.width || b.width != context.value.width) return nullptr;
  if (context.InputNode(0).shape != context.node.shape || context.InputNode(1).shape != context.node.shape) return nullptr;
  context.TakeMemory();
  if (a.needs_gradient || b.needs_gradient) context.TakeGradient();
  return std::make_unique<PairOp<T>>(context.value, a, b, context.take(context.max_rows * context.value.width), pair);
}

}  // namespace

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeLayerOp(PlanContext<T>& context) {
  const std::string& op = context.node.op;
  if (op == "linear") return MakeLinear(context);
  if (op == "dropout") return MakeDropout(context);
  if (op == "add") return MakePair(context, Pair::kAdd);
  if (op == "subtract") return MakePair(context, Pair::kSubtract);
  if (op == "multiply") return MakePair(context, Pair::kMultiply);
  if (op == "batchNorm" || op == "layerNorm") {
    for (size_t i = 1; i < 3; ++i) {
      if (context.InputNode(i).op != "parameter") return nullptr;
    }
    if (context.Input(0).width < 1 || context.node.shape.size() != 2) return nullptr;
    if (op == "layerNorm") return std::make_unique<LayerNorm<T>>(context);
    for (const BatchNormSite& site : context.sites) {
      if (site.node == context.index) return std::make_unique<BatchNorm<T>>(context, site.offset);
    }
  }
  return nullptr;
}

template std::unique_ptr<CompiledOp<float>> MakeLayerOp<float>(PlanContext<float>&);
template std::unique_ptr<CompiledOp<double>> MakeLayerOp<double>(PlanContext<double>&);

}  // namespace millrace
