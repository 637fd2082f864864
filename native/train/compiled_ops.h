// Operations of the compiled step, one maker for each primitive that it knows.
#pragma once

#include "compiled_step.h"

namespace millrace {

// Null where the primitive or its shapes are not known, or where the node is an alias (`context.is_alias`).
template <typename T>
std::unique_ptr<CompiledOp<T>> MakeCompiledOp(PlanContext<T>& context);

// Makers by subject; null where the op is none of theirs.
template <typename T>
std::unique_ptr<CompiledOp<T>> MakeInputOp(PlanContext<T>& context);
template <typename T>
std::unique_ptr<CompiledOp<T>> MakeLayerOp(PlanContext<T>& context);
template <typename T>
std::unique_ptr<CompiledOp<T>> MakeConstantOp(PlanContext<T>& context);
template <typename T>
std::unique_ptr<CompiledOp<T>> MakeActivationOp(PlanContext<T>& context);
template <typename T>
std::unique_ptr<CompiledOp<T>> MakeLossOp(PlanContext<T>& context);

#define MILLRACE_EXTERN(T)                                                            \
  extern template std::unique_ptr<CompiledOp<T>> MakeInputOp<T>(PlanContext<T>&);      \
  extern template std::unique_ptr<CompiledOp<T>> MakeLayerOp<T>(PlanContext<T>&);      \
  extern template std::unique_ptr<CompiledOp<T>> MakeConstantOp<T>(PlanContext<T>&);   \
  extern template std::unique_ptr<CompiledOp<T>> MakeActivationOp<T>(PlanContext<T>&); \
  extern template std::unique_ptr<CompiledOp<T>> MakeLossOp<T>(PlanContext<T>&);
MILLRACE_EXTERN(float)
MILLRACE_EXTERN(double)
#undef MILLRACE_EXTERN

template <typename T>
std::unique_ptr<CompiledOp<T>> MakeCompiledOp(PlanContext<T>& context) {
  if (context.node.op == "squeeze" || context.node.op == "expandDims") {
    const StepValue<T>& input = context.Input(0);
    if (input.width != context.value.width) return nullptr;
    context.value = input;
    context.value.alias_of = context.node.inputs[0];
    context.is_alias = true;
    return nullptr;
  }
  if (auto op = MakeInputOp(context)) return op;
  if (context.is_alias) return nullptr;
  if (auto op = MakeConstantOp(context)) return op;
  if (context.is_alias) return nullptr;
  if (auto op = MakeLayerOp(context)) return op;
  if (auto op = MakeActivationOp(context)) return op;
  return MakeLossOp(context);
}

}  // namespace millrace
