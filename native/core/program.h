// A lowered graph: what native/ts/lower-graph.ts makes of a TensorGraph's tensor region. Plain data, no ATen.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

enum class DType : uint8_t { kFloat32 = 0, kFloat64 = 1, kInt64 = 2, kBool = 3 };

inline int64_t ByteSize(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 4;
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
    case DType::kBool:
      return 1;
  }
  return 0;
}

// The size of an axis that runs over the rows of a shard.
inline constexpr int64_t kBatchAxis = -1;

// One computation. `inputs` are indices of earlier nodes.
struct Node {
  std::string op;
  std::string name;
  std::vector<int32_t> inputs;
  DType dtype;
  std::vector<int64_t> shape;
  std::map<std::string, double> attributes;

  double Attribute(const char* key) const;
  int64_t Index(const char* key) const { return static_cast<int64_t>(Attribute(key)); }
};

// How a parameter begins: a function of (seed, parameter name, element).
struct Initializer {
  enum class Kind : uint8_t { kConstant, kUniform, kNormal };
  Kind kind;
  double value;  // the constant, the bound, or the standard deviation
};

struct ParameterSpec {
  std::string name;
  std::vector<int64_t> shape;
  Initializer initializer;
};

struct BufferSpec {
  std::string name;
  std::vector<int64_t> shape;
  double fill;
};

// A tensor that is given by value (a slot, an input of a single run), owned.
struct TensorData {
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};

struct Program {
  std::vector<Node> nodes;
  std::vector<ParameterSpec> parameters;
  std::vector<BufferSpec> buffers;
  std::vector<TensorData> tensors;
  std::vector<std::pair<std::string, int32_t>> outputs;
};

inline int64_t ElementCount(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return count;
}

// Where each tensor lies in one flat, 64-byte-aligned block of elements. Gaps hold zeros.
struct FlatLayout {
  std::vector<int64_t> offsets;
  std::vector<int64_t> counts;
  int64_t total = 0;

  void Add(int64_t count) {
    offsets.push_back(total);
    counts.push_back(count);
    total += (count + 15) / 16 * 16;
  }
};

// Which nodes hold the same value in every batch: all that they are made of is given by value. `dropout` and
// `batchNorm` are none.
std::vector<bool> ConstantNodes(const Program& program);

// Throws Error(INTERNAL) where an index of the program points nowhere: nothing later checks again.
void CheckProgram(const Program& program);

}  // namespace millrace
