#include "weights.h"

#include <cmath>
#include <cstring>
#include <unordered_map>

#include "../core/error.h"
#include "../core/mapped_file.h"
#include "../core/philox.h"

namespace millrace {
namespace {

template <typename T>
void Fill(T* out, int64_t count, const Initializer& initializer, uint64_t seed, const std::string& name) {
  if (initializer.kind == Initializer::Kind::kConstant) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(initializer.value);
    return;
  }
  const uint64_t hash = HashName(name);
  const auto low = static_cast<uint32_t>(hash), high = static_cast<uint32_t>(hash >> 32);
  for (int64_t i = 0; i < count; i += 4) {
    const auto block = static_cast<uint64_t>(i / 4);
    const Philox4 bits = Philox(seed, static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), low, high);
    double values[4];
    if (initializer.kind == Initializer::Kind::kUniform) {
      for (int k = 0; k < 4; ++k) values[k] = (2.0 * Uniform24(bits[k]) - 1.0) * initializer.value;
    } else {
      // Box and Muller 1958; 1 - u lies in (0, 1].
      for (int k = 0; k < 4; k += 2) {
        const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform24(bits[k]))) * initializer.value;
        const double angle = 6.283185307179586 * Uniform24(bits[k + 1]);
        values[k] = radius * std::cos(angle);
        values[k + 1] = radius * std::sin(angle);
      }
    }
    for (int64_t k = 0; k < 4 && i + k < count; ++k) out[i + k] = static_cast<T>(values[k]);
  }
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

void Convert(const uint8_t* from, DType from_type, void* to, DType to_type, int64_t count) {
  if (from_type == to_type) {
    std::memcpy(to, from, static_cast<size_t>(count * ByteSize(to_type)));
  } else if (to_type == DType::kFloat64) {
    for (int64_t i = 0; i < count; ++i) {
      float value;
      std::memcpy(&value, from + i * 4, 4);
      static_cast<double*>(to)[i] = value;
    }
  } else {
    for (int64_t i = 0; i < count; ++i) {
      double value;
      std::memcpy(&value, from + i * 8, 8);
      static_cast<float*>(to)[i] = static_cast<float>(value);
    }
  }
}

// Reads tensors of one mapped file by name.
class TensorReader {
 public:
  explicit TensorReader(const TensorFile& file) : file_(file), mapped_(file.path) {
    for (const TensorLocation& tensor : file.tensors) by_name_[tensor.name] = &tensor;
  }
  void Read(const std::string& name, const std::vector<int64_t>& shape, void* to, DType dtype) const {
    auto found = by_name_.find(name);
    if (found == by_name_.end()) throw Error("ARTIFACT_CORRUPT", file_.path, "a tensor '" + name + "'", "none");
    const TensorLocation& tensor = *found->second;
    if (tensor.dtype != DType::kFloat32 && tensor.dtype != DType::kFloat64) {
      throw Error("ARTIFACT_CORRUPT", file_.path, "float32 or float64 in '" + name + "'", "another dtype");
    }
    if (tensor.shape != shape) {
      throw Error("ARTIFACT_CORRUPT", file_.path, "shape " + ShapeText(shape) + " of '" + name + "'",
                  ShapeText(tensor.shape));
    }
    const int64_t count = ElementCount(shape), bytes = count * ByteSize(tensor.dtype);
    Convert(mapped_.Range(tensor.begin, tensor.begin + bytes), tensor.dtype, to, dtype, count);
  }

 private:
  const TensorFile& file_;
  MappedFile mapped_;
  std::unordered_map<std::string, const TensorLocation*> by_name_;
};

}  // namespace

WeightStore::WeightStore(const Program& program, DType dtype) : program_(program) {
  weights_.dtype = dtype;
  for (const ParameterSpec& spec : program.parameters) weights_.parameter_layout.Add(ElementCount(spec.shape));
  for (const BufferSpec& spec : program.buffers) weights_.buffer_layout.Add(ElementCount(spec.shape));
  parameters_ = AlignedBuffer(weights_.parameter_layout.total * ByteSize(dtype));
  buffers_ = AlignedBuffer(weights_.buffer_layout.total * ByteSize(dtype));
  weights_.parameters = parameters_.data();
  weights_.buffers = buffers_.data();
}

void WeightStore::Initialize(uint64_t seed) {
  auto fill = [&](AlignedBuffer& flat, int64_t offset, int64_t count, const Initializer& initializer,
                  const std::string& name) {
    if (weights_.dtype == DType::kFloat64) {
      Fill(flat.as<double>() + offset, count, initializer, seed, name);
    } else {
      Fill(flat.as<float>() + offset, count, initializer, seed, name);
    }
  };
  for (size_t i = 0; i < program_.parameters.size(); ++i) {
    const ParameterSpec& spec = program_.parameters[i];
    fill(parameters_, weights_.parameter_layout.offsets[i], weights_.parameter_layout.counts[i], spec.initializer, spec.name);
  }
  for (size_t i = 0; i < program_.buffers.size(); ++i) {
    const Initializer initializer{Initializer::Kind::kConstant, program_.buffers[i].fill};
    fill(buffers_, weights_.buffer_layout.offsets[i], weights_.buffer_layout.counts[i], initializer, program_.buffers[i].name);
  }
}

void WeightStore::Load(const TensorFile& file, const std::string& prefix) {
  const TensorReader reader(file);
  const int64_t size = ByteSize(weights_.dtype);
  for (size_t i = 0; i < program_.parameters.size(); ++i) {
    reader.Read(prefix + program_.parameters[i].name, program_.parameters[i].shape,
                parameters_.as<uint8_t>() + weights_.parameter_layout.offsets[i] * size, weights_.dtype);
  }
  for (size_t i = 0; i < program_.buffers.size(); ++i) {
    reader.Read(prefix + program_.buffers[i].name, program_.buffers[i].shape,
                buffers_.as<uint8_t>() + weights_.buffer_layout.offsets[i] * size, weights_.dtype);
  }
}

std::vector<TensorView> WeightStore::Views(const std::string& prefix) const {
  std::vector<TensorView> views = FlatViews(program_, weights_.parameter_layout, weights_.dtype, parameters_.data(), prefix);
  for (size_t i = 0; i < program_.buffers.size(); ++i) {
    views.push_back({prefix + program_.buffers[i].name, weights_.dtype, program_.buffers[i].shape,
                     buffers_.as<uint8_t>() + weights_.buffer_layout.offsets[i] * ByteSize(weights_.dtype)});
  }
  return views;
}

void WeightStore::CopyFrom(const WeightStore& other) {
  std::memcpy(parameters_.data(), other.parameters_.data(), static_cast<size_t>(parameters_.bytes()));
  std::memcpy(buffers_.data(), other.buffers_.data(), static_cast<size_t>(buffers_.bytes()));
}

std::vector<TensorView> FlatViews(const Program& program, const FlatLayout& layout, DType dtype, const void* flat,
                                  const std::string& prefix) {
  std::vector<TensorView> views;
  for (size_t i = 0; i < program.parameters.size(); ++i) {
    views.push_back({prefix + program.parameters[i].name, dtype, program.parameters[i].shape,
                     static_cast<const uint8_t*>(flat) + layout.offsets[i] * ByteSize(dtype)});
  }
  return views;
}

void LoadFlat(const Program& program, const FlatLayout& layout, DType dtype, void* flat, const TensorFile& file,
              const std::string& prefix) {
  const TensorReader reader(file);
  for (size_t i = 0; i < program.parameters.size(); ++i) {
    reader.Read(prefix + program.parameters[i].name, program.parameters[i].shape,
                static_cast<uint8_t*>(flat) + layout.offsets[i] * ByteSize(dtype), dtype);
  }
}

}  // namespace millrace
