// Activations: relu and leakyRelu by own loops, the transcendental ones by ATen's vectorized kernels on planned memory.
#include <ATen/core/Tensor.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/elu_backward.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/softplus_backward.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tanh_backward.h>

#include "compiled_ops.h"
#include "kernels.h"

namespace millrace {
namespace {

enum class Kind : uint8_t { kRelu, kLeakyRelu, kElu, kGelu, kSilu, kSigmoid, kTanh, kSoftplus };

struct Entry {
  const char* name;
  Kind kind;
  OutputUse output_use;  // what backward reads of the output; kNone: it reads the input
};
constexpr Entry kEntries[] = {
    {"relu", Kind::kRelu, OutputUse::kSign},     {"leakyRelu", Kind::kLeakyRelu, OutputUse::kNone},
    {"elu", Kind::kElu, OutputUse::kNone},       {"gelu", Kind::kGelu, OutputUse::kNone},
    {"silu", Kind::kSilu, OutputUse::kNone},     {"sigmoid", Kind::kSigmoid, OutputUse::kValue},
    {"tanh", Kind::kTanh, OutputUse::kValue},    {"softplus", Kind::kSoftplus, OutputUse::kNone},
};

template <typename T>
at::Tensor View(const T* data, int64_t count) {
  return at::from_blob(const_cast<T*>(data), {count}, at::TensorOptions(c10::CppTypeToScalarType<T>::value));
}

template <typename T>
class Activation final : public CompiledOp<T> {
 public:
  Activation(const StepValue<T>& value, const StepValue<T>& input, T* scratch, Kind kind, double attribute, bool is_fused)
      : value_(value), input_(input), scratch_(scratch), kind_(kind), attribute_(attribute), is_fused_(is_fused) {}

  void Forward(const StepFrame<T>& frame) override {
    const int64_t count = frame.input.rows * value_.width;
    const T* x = input_.data(frame);
    T* y = value_.memory;
    if (is_fused_) return;
    if (kind_ == Kind::kRelu) return kernels::Relu(y, x, count);
    if (kind_ == Kind::kLeakyRelu) return kernels::LeakyRelu(y, x, static_cast<T>(attribute_), count);
    at::Tensor out = View(y, count);
    const at::Tensor in = View(x, count);
    switch (kind_) {
      case Kind::kElu:
        at::elu_out(out, in, attribute_);
        return;
      case Kind::kGelu:
        at::gelu_out(out, in);
        return;
      case Kind::kSilu:
        at::silu_out(out, in);
        return;
      case Kind::kSigmoid:
        at::sigmoid_out(out, in);
        return;
      case Kind::kTanh:
        at::tanh_out(out, in);
        return;
      default:
        at::softplus_out(out, in);
    }
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    const int64_t count = frame.input.rows * value_.width;
    T* to = this->accumulate[0] ? scratch_ : input_.gradient;
    Derive(to, input_.data(frame), count);
    if (this->accumulate[0]) kernels::AddTo(input_.gradient, scratch_, count);
  }

  void Derive(T* to, const T* x, int64_t count) {
    const T *dy = value_.gradient, *y = value_.memory;
    if (kind_ == Kind::kRelu) return kernels::ReluBackward(to, dy, y, count);
    if (kind_ == Kind::kLeakyRelu) return kernels::LeakyReluBackward(to, dy, x, static_cast<T>(attribute_), count);
    at::Tensor out = View(to, count);
    const at::Tensor gradient = View(dy, count), in = View(x, count), result = View(y, count);
    switch (kind_) {
      case Kind::kElu:
        at::elu_backward_out(out, gradient, attribute_, 1, 1, false, in);
        return;
      case Kind::kGelu:
        at::gelu_backward_out(out, gradient, in);
        return;
      case Kind::kSilu:
        at::silu_backward_out(out, gradient, in);
        return;
      case Kind::kSigmoid:
        at::sigmoid_backward_out(out, gradient, result);
        return;
      case Kind::kTanh:
        at::tanh_backward_out(out, gradient, result);
        return;
      default:
        at::softplus_backward_out(out, gradient, in, 1, 20);
    }
  }
  const StepValue<T>&value_, &input_;
  T* scratch_;
  Kind kind_;
  double attribute_;
  bool is_fused_;  // the producer did it
};

}  // namespace

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeActivationOp(PlanContext<T>& context) {
  const Entry* entry = nullptr;
  for (const Entry& candidate : kEntries) {
    if (context.node.op == candidate.name) entry = &candidate;
  }
  const StepValue<T>* input = entry == nullptr ? nullptr : &context.Input(0);
  if (input == nullptr || input->width < 1) return nullptr;
  const bool only_reader = context.IsOnlyReader(0);
  // In place where neither backward needs what is written over.
  if (only_reader && entry->output_use != OutputUse::kNone && input->output_use == OutputUse::kNone) {
    context.value.memory = input->memory;
  } else {
    context.TakeMemory();
  }
  const bool is_fused = entry->kind == Kind::kRelu && context.value.memory == input->memory && input->fused_relu != nullptr;
  if (is_fused) *input->fused_relu = true;
  context.value.output_use = entry->output_use;
  T* scratch = nullptr;
  if (input->needs_gradient && only_reader) {
    context.value.needs_gradient = true;
    context.value.gradient = input->gradient;
  } else if (input->needs_gradient) {
    context.TakeGradient();
    scratch = context.take(context.max_rows * context.value.width);
  }
  double attribute = 0;
  if (entry->kind == Kind::kLeakyRelu) attribute = context.node.Attribute("slope");
  if (entry->kind == Kind::kElu) attribute = context.node.Attribute("alpha");
  return std::make_unique<Activation<T>>(context.value, *input, scratch, entry->kind, attribute, is_fused);
}

template std::unique_ptr<CompiledOp<float>> MakeActivationOp<float>(PlanContext<float>&);
template std::unique_ptr<CompiledOp<double>> MakeActivationOp<double>(PlanContext<double>&);

}  // namespace millrace
