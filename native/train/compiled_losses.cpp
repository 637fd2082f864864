// Losses, one value a row, and their gradients with respect to the prediction.
#include <cmath>

#include "../core/error.h"
#include "compiled_ops.h"

namespace millrace {
namespace {

enum class Kind : uint8_t { kSigmoid, kSquared, kAbsolute, kHuber };

// Mean over the targets of f(x, y).
template <typename T>
class TargetLoss final : public CompiledOp<T> {
 public:
  TargetLoss(const StepValue<T>& value, const StepValue<T>& x, const StepValue<T>& y, Kind kind, double attribute)
      : value_(value), x_(x), y_(y), kind_(kind), attribute_(static_cast<T>(attribute)) {}

  void Forward(const StepFrame<T>& frame) override {
    const T *x = x_.data(frame), *y = y_.data(frame);
    const int64_t width = x_.width;
    for (int64_t i = 0; i < frame.input.rows; ++i, x += width, y += width) {
      T sum = 0;
      for (int64_t j = 0; j < width; ++j) sum += Loss(x[j], y[j]);
      value_.memory[i] = sum / T(width);
    }
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    const T *x = x_.data(frame), *y = y_.data(frame);
    T* dx = x_.gradient;
    const int64_t width = x_.width;
    for (int64_t i = 0; i < frame.input.rows; ++i, x += width, y += width, dx += width) {
      const T factor = value_.gradient[i] / T(width);
      for (int64_t j = 0; j < width; ++j) {
        const T gradient = factor * Derivative(x[j], y[j]);
        dx[j] = this->accumulate[0] ? dx[j] + gradient : gradient;
      }
    }
  }

  T Loss(T x, T y) const {
    const T r = x - y;
    switch (kind_) {
      case Kind::kSigmoid: {
        const T z = y * (1 - attribute_) + attribute_ / 2;
        return (x > 0 ? x : T(0)) - x * z + std::log1p(std::exp(-std::abs(x)));
      }
      case Kind::kSquared:
        return r * r;
      case Kind::kAbsolute:
        return std::abs(r);
      default:
        return std::abs(r) <= attribute_ ? r * r / 2 : attribute_ * (std::abs(r) - attribute_ / 2);
    }
  }

  T Derivative(T x, T y) const {
    const T r = x - y;
    const T sign = r > 0 ? T(1) : r < 0 ? T(-1) : T(0);
    switch (kind_) {
      case Kind::kSigmoid: {
        const T z = y * (1 - attribute_) + attribute_ / 2, e = std::exp(-std::abs(x));
        return (x >= 0 ? 1 / (1 + e) : e / (1 + e)) - z;
      }
      case Kind::kSquared:
        return 2 * r;
      case Kind::kAbsolute:
        return sign;
      default:
        return std::abs(r) <= attribute_ ? r : attribute_ * sign;
    }
  }
  const StepValue<T>&value_, &x_, &y_;
  Kind kind_;
  T attribute_;
};

// -(1 - s) logp[class] - s / c sum(logp); its gradient is p - (1 - s) [class] - s / c.
template <typename T>
class SoftmaxLoss final : public CompiledOp<T> {
 public:
  SoftmaxLoss(const StepValue<T>& value, const StepValue<T>& x, T* probabilities, std::string name, double smoothing)
      : value_(value), x_(x), probabilities_(probabilities), name_(std::move(name)), smoothing_(static_cast<T>(smoothing)) {}

  void Forward(const StepFrame<T>& frame) override {
    const auto* labels = static_cast<const int64_t*>(frame.input.labels);
    const T* x = x_.data(frame);
    T* p = probabilities_;
    const int64_t width = x_.width;
    for (int64_t i = 0; i < frame.input.rows; ++i, x += width, p += width) {
      if (labels[i] < 0 || labels[i] >= width) {
        throw Error("DATA_OUT_OF_RANGE", name_, "a class from 0 to " + std::to_string(width - 1), std::to_string(labels[i]));
      }
      T highest = x[0];
      for (int64_t j = 1; j < width; ++j) highest = x[j] > highest ? x[j] : highest;
      T total = 0, sum = 0;
      for (int64_t j = 0; j < width; ++j) {
        p[j] = std::exp(x[j] - highest);
        total += p[j];
        sum += x[j] - highest;
      }
      for (int64_t j = 0; j < width; ++j) p[j] /= total;
      const T log_total = std::log(total);
      const T chosen = x[labels[i]] - highest - log_total;
      value_.memory[i] = -(1 - smoothing_) * chosen - smoothing_ / T(width) * (sum - T(width) * log_total);
    }
  }

 private:
  void Propagate(const StepFrame<T>& frame) override {
    const auto* labels = static_cast<const int64_t*>(frame.input.labels);
    const T* p = probabilities_;
    T* dx = x_.gradient;
    const int64_t width = x_.width;
    for (int64_t i = 0; i < frame.input.rows; ++i, p += width, dx += width) {
      const T factor = value_.gradient[i];
      for (int64_t j = 0; j < width; ++j) {
        const T gradient = factor * (p[j] - (j == labels[i] ? 1 - smoothing_ : T(0)) - smoothing_ / T(width));
        dx[j] = this->accumulate[0] ? dx[j] + gradient : gradient;
      }
    }
  }
  const StepValue<T>&value_, &x_;
  T* probabilities_;
  std::string name_;
  T smoothing_;
};

}  // namespace

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeLossOp(PlanContext<T>& context) {
  const std::string& op = context.node.op;
  const bool softmax = op == "softmaxCrossEntropy";
  const bool sigmoid = op == "sigmoidCrossEntropy", squared = op == "squaredError", absolute = op == "absoluteError";
  if (!softmax && !sigmoid && !squared && !absolute && op != "huberError") return nullptr;
  const StepValue<T>&x = context.Input(0), &y = context.Input(1);
  if (x.width < 1 || y.needs_gradient || context.value.width != 1) return nullptr;
  context.TakeMemory();
  if (x.needs_gradient) context.TakeGradient();
  if (softmax) {
    if (context.InputNode(1).op != "label" || context.InputNode(1).dtype != DType::kInt64) return nullptr;
    return std::make_unique<SoftmaxLoss<T>>(context.value, x, context.take(context.max_rows * x.width), context.node.name,
                                            context.node.Attribute("smoothing"));
  }
  if (y.width != x.width || context.InputNode(1).dtype != DType::kFloat32) return nullptr;
  const Kind kind = sigmoid ? Kind::kSigmoid : squared ? Kind::kSquared : absolute ? Kind::kAbsolute : Kind::kHuber;
  const double attribute = sigmoid ? context.node.Attribute("smoothing") : kind == Kind::kHuber ? context.node.Attribute("delta") : 0;
  return std::make_unique<TargetLoss<T>>(context.value, x, y, kind, attribute);
}

template std::unique_ptr<CompiledOp<float>> MakeLossOp<float>(PlanContext<float>&);
template std::unique_ptr<CompiledOp<double>> MakeLossOp<double>(PlanContext<double>&);

}  // namespace millrace
