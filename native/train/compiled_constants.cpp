// Arithmetic with what is the same in every batch: slots, numbers, and what is made of them.
#include <algorithm>
#include <cstring>

#include "compiled_ops.h"
#include "kernels.h"

namespace millrace {
namespace {

// SubtractFrom and DivideInto: the constant stands on the left.
enum class Kind : uint8_t { kAdd, kSubtract, kSubtractFrom, kMultiply, kDivide, kDivideInto, kMinimum, kMaximum };

struct Entry {
  const char* name;
  Kind right, left;  // by the side of the constant
};
constexpr Entry kEntries[] = {
    {"add", Kind::kAdd, Kind::kAdd},
    {"subtract", Kind::kSubtract, Kind::kSubtractFrom},
    {"multiply", Kind::kMultiply, Kind::kMultiply},
    {"divide", Kind::kDivide, Kind::kDivideInto},
    {"minimum", Kind::kMinimum, Kind::kMinimum},
    {"maximum", Kind::kMaximum, Kind::kMaximum},
};

// Elements of a block: with the constants of four operations they fill half of an L1 cache.
constexpr int64_t kBlockElements = 1024;

}  // namespace

// y = (x op c) op c …; x is as wide as y, or one column that every column of y reads.
// Runs block by block, so that a piecewise linear encoding (four operations) passes through memory once.
template <typename T>
class ConstantChain final : public CompiledOp<T> {
 public:
  // `side`: which input of the node x is.
  ConstantChain(const StepValue<T>& value, const StepValue<T>& input, size_t side)
      : value_(value), input_(input), side_(side), block_rows_(std::max<int64_t>(1, kBlockElements / value.width)) {
    if (input.needs_gradient) scratch_.resize(static_cast<size_t>(block_rows_ * value.width));
  }

  // `constant` has one element, or one for each column. More than one operation: nothing trained lies before x.
  void Append(Kind kind, const std::vector<T>& constant) {
    Operation operation{kind, std::vector<T>(static_cast<size_t>(block_rows_ * value_.width))};
    for (size_t i = 0; i < operation.block.size(); ++i) operation.block[i] = constant[i % constant.size()];
    operations_.push_back(std::move(operation));
  }

  void Forward(const StepFrame<T>& frame) override {
    const int64_t rows = frame.input.rows, width = value_.width;
    const T* x = input_.data(frame);
    for (int64_t begin = 0; begin < rows; begin += block_rows_) {
      const int64_t end = std::min(rows, begin + block_rows_);
      T* y = value_.memory + begin * width;
      const T* from = y;
      if (input_.width == width) {
        from = x + begin * width;
      } else {
        for (int64_t i = begin; i < end; ++i) std::fill(y + (i - begin) * width, y + (i - begin + 1) * width, x[i]);
      }
      for (const Operation& operation : operations_) {
        Apply(operation.kind, y, from, operation.block.data(), (end - begin) * width);
        from = y;
      }
    }
  }

 private:
  struct Operation {
    Kind kind;
    std::vector<T> block;  // the constant, repeated for the rows of a block
  };

  static void Apply(Kind kind, T* y, const T* x, const T* c, int64_t count) {
    switch (kind) {
      case Kind::kAdd:
        return kernels::Add(y, x, c, count);
      case Kind::kSubtract:
        return kernels::Subtract(y, x, c, count);
      case Kind::kSubtractFrom:
        return kernels::Subtract(y, c, x, count);
      case Kind::kMultiply:
        return kernels::Multiply(y, x, c, count);
      case Kind::kDivide:
        return kernels::Divide(y, x, c, count);
      case Kind::kDivideInto:
        return kernels::Divide(y, c, x, count);
      case Kind::kMinimum:
        return kernels::Minimum(y, x, c, count);
      case Kind::kMaximum:
        return kernels::Maximum(y, x, c, count);
    }
  }

  // dy/dx at one element. At the bend of an extreme both sides take half, as in torch.
  static T Derivative(Kind kind, T x, T c) {
    switch (kind) {
      case Kind::kSubtractFrom:
        return T(-1);
      case Kind::kMultiply:
        return c;
      case Kind::kDivide:
        return 1 / c;
      case Kind::kDivideInto:
        return -(c / x) / x;
      case Kind::kMinimum:
        return x == c ? T(0.5) : x > c ? T(0) : T(1);
      case Kind::kMaximum:
        return x == c ? T(0.5) : x < c ? T(0) : T(1);
      default:
        return T(1);
    }
  }

  void Propagate(const StepFrame<T>& frame) override {
    const int64_t rows = frame.input.rows, width = value_.width, x_width = input_.width;
    const T* x = input_.data(frame);
    const Operation& operation = operations_.front();
    for (int64_t begin = 0; begin < rows; begin += block_rows_) {
      const int64_t count = (std::min(rows, begin + block_rows_) - begin) * width;
      const T* dy = value_.gradient + begin * width;
      for (int64_t i = 0; i < count; ++i) {
        const T at = x[x_width == width ? begin * width + i : begin + i / width];
        scratch_[static_cast<size_t>(i)] = dy[i] * Derivative(operation.kind, at, operation.block[static_cast<size_t>(i)]);
      }
      Deposit(begin * x_width, count);
    }
  }

  // Hands the block in `scratch_` on to the input's gradient from element `first` on.
  void Deposit(int64_t first, int64_t count) {
    const int64_t width = value_.width;
    const bool accumulate = this->accumulate[side_];
    T* to = input_.gradient + first;
    if (input_.width == width) {
      if (accumulate) return kernels::AddTo(to, scratch_.data(), count);
      std::memcpy(to, scratch_.data(), static_cast<size_t>(count) * sizeof(T));
      return;
    }
    for (int64_t row = 0; row < count / width; ++row) {
      T sum = 0;
      for (int64_t j = 0; j < width; ++j) sum += scratch_[static_cast<size_t>(row * width + j)];
      to[row] = accumulate ? to[row] + sum : sum;
    }
  }

  const StepValue<T>&value_, &input_;
  size_t side_;
  int64_t block_rows_;
  std::vector<Operation> operations_;
  std::vector<T> scratch_;
};

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeConstantOp(PlanContext<T>& context) {
  const Node& node = context.node;
  const Entry* entry = nullptr;
  for (const Entry& candidate : kEntries) {
    if (node.op == candidate.name) entry = &candidate;
  }
  if (entry == nullptr || (context.Input(0).constant == nullptr) == (context.Input(1).constant == nullptr)) return nullptr;
  const size_t side = context.Input(0).constant == nullptr ? 0 : 1;
  const StepValue<T>& input = context.Input(side);
  const std::vector<T>& constant = *context.Input(1 - side).constant;
  const int64_t width = context.value.width, count = static_cast<int64_t>(constant.size());
  const std::vector<int64_t>& shape = context.InputNode(1 - side).shape;
  // The constant is a number or a row.
  if ((count != 1 && count != width) || (!shape.empty() && shape.back() != count)) return nullptr;
  if (input.width != width && input.width != 1) return nullptr;
  const Node& source = context.InputNode(side);
  if (source.dtype != DType::kFloat32 || source.shape.size() != node.shape.size()) return nullptr;
  const Kind kind = side == 0 ? entry->right : entry->left;
  if (input.chain != nullptr && input.width == width && context.IsOnlyReader(side)) {
    input.chain->Append(kind, constant);
    context.value = input;
    context.value.alias_of = node.inputs[side];
    context.is_alias = true;
    return nullptr;
  }
  context.TakeMemory();
  if (input.needs_gradient) context.TakeGradient();
  auto op = std::make_unique<ConstantChain<T>>(context.value, input, side);
  op->Append(kind, constant);
  if (!input.needs_gradient) context.value.chain = op.get();
  return op;
}

template std::unique_ptr<CompiledOp<float>> MakeConstantOp<float>(PlanContext<float>&);
template std::unique_ptr<CompiledOp<double>> MakeConstantOp<double>(PlanContext<double>&);

}  // namespace millrace
