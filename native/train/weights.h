// The flat storage of a model: parameters and buffers, their first values, and how they are saved.
#pragma once

#include <string>
#include <vector>

#include "../core/aligned_buffer.h"
#include "../core/safetensors.h"
#include "../graph/step.h"

namespace millrace {

class WeightStore {
 public:
  WeightStore(const Program& program, DType dtype);

  // Parameters as functions of (seed, name, element), buffers filled. Padding stays zero.
  void Initialize(uint64_t seed);

  // Takes every parameter and buffer from `file` by `prefix` + name; the dtype may be float32 or float64.
  // Throws: Error(ARTIFACT_CORRUPT) naming the tensor that is missing or has another shape.
  void Load(const TensorFile& file, const std::string& prefix);

  // Views with names `prefix` + name, for WriteSafetensors; borrowed.
  std::vector<TensorView> Views(const std::string& prefix) const;

  void CopyFrom(const WeightStore& other);

  const Weights& weights() const { return weights_; }
  int64_t parameter_bytes() const { return parameters_.bytes(); }

 private:
  const Program& program_;
  Weights weights_;
  AlignedBuffer parameters_, buffers_;
};

// One flat array per parameter layout (an optimizer's moments), saved and loaded by parameter name.
std::vector<TensorView> FlatViews(const Program& program, const FlatLayout& layout, DType dtype, const void* flat,
                                  const std::string& prefix);
void LoadFlat(const Program& program, const FlatLayout& layout, DType dtype, void* flat, const TensorFile& file,
              const std::string& prefix);

}  // namespace millrace
