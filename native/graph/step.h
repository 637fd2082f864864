// What a shard of a batch is, and what turns it into a gradient. Plain data, no ATen.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/program.h"

namespace millrace {

// Rows of one shard, borrowed. Floats and weights have the run's dtype.
struct ShardInput {
  int64_t rows = 0;
  int64_t first_row = 0;  // position of the first row in the batch
  uint64_t seed = 0;
  uint64_t step = 0;
  const void* floats = nullptr;  // [rows, float_columns]
  int64_t float_columns = 0;
  const int64_t* indices = nullptr;  // [index_columns, rows]
  const void* labels = nullptr;      // [rows] or [rows, label_columns]; int64 where label_is_index
  int64_t label_columns = 0;         // 0: [rows]
  bool label_is_index = false;
  const void* weights = nullptr;  // [rows]
};

struct ShardResult {
  double loss_sum = 0;
  double weight_sum = 0;
};

// A batchNorm node: its buffers, and where its batch statistics lie in `ShardStep::Run`'s `statistics`.
struct BatchNormSite {
  int32_t node;
  int64_t mean_buffer, variance_buffer;  // indices of Program::buffers
  double momentum;
  int64_t channels;
  int64_t offset;  // mean at offset, unbiased variance at offset + channels
};

std::vector<BatchNormSite> FindBatchNormSites(const Program& program);
int64_t StatisticsSize(const std::vector<BatchNormSite>& sites);

// Shared, flat values of all parameters and buffers, borrowed; laid out by the two layouts.
struct Weights {
  DType dtype = DType::kFloat32;
  FlatLayout parameter_layout, buffer_layout;
  void* parameters = nullptr;
  void* buffers = nullptr;
};

enum class Device : uint8_t { kCpu, kCuda };

// Computes one shard at a time on one thread. Outputs `loss` and `weight` of the program are [rows].
// Thread: one object is used by one thread at a time; objects may share Weights.
class ShardStep {
 public:
  virtual ~ShardStep() = default;

  // Writes d(sum of loss)/d(parameters) to `gradients` (flat, parameter layout; gaps are left alone) and the batch
  // statistics of batchNorm nodes to `statistics`. Element type: the run's dtype.
  virtual ShardResult Run(const ShardInput& input, void* gradients, void* statistics) = 0;
};

// Evaluation form. Thread: one object is used by one thread at a time.
class ShardEvaluator {
 public:
  virtual ~ShardEvaluator() = default;
  virtual ShardResult Loss(const ShardInput& input) = 0;
  // Writes output i, [rows, …] of the run's dtype, to destinations[i].
  virtual void Outputs(const ShardInput& input, const std::vector<int32_t>& nodes,
                       const std::vector<void*>& destinations) = 0;
};

// Through ATen and its autograd: every primitive, every device.
std::unique_ptr<ShardStep> MakeAutogradStep(const Program& program, const Weights& weights, Device device);
std::unique_ptr<ShardEvaluator> MakeEvaluator(const Program& program, const Weights& weights, Device device);

// Planned buffers, hand-derived backward; null where the program has a primitive or a shape that it does not know.
std::unique_ptr<ShardStep> MakeCompiledStep(const Program& program, const Weights& weights, int64_t max_rows);

// Values of the nodes that are the same in every batch, by node, computed by ATen; float32 nodes have the run's dtype.
// Other nodes have no bytes.
std::vector<TensorData> FoldConstants(const Program& program, const Weights& weights);

// The names that the ATen table knows, sorted.
std::vector<std::string> PrimitiveNames();

// Puts what ATen's threads need in place on the calling thread: one intra-op thread.
void PrepareThread();

// "2.14.1", of the library that is loaded.
std::string LibtorchVersion();

// Loads libtorch_cuda where it lies beside libtorch_cpu, once, before anything asks for CUDA; true where a card answers.
bool LoadCuda();

// One run of a graph for tests and tools: named inputs are Program::tensors.
struct SingleRun {
  bool training = false;
  bool compiled = false;
  uint64_t seed = 0;
  uint64_t step = 0;
  int32_t objective = -1;  // node whose sum is differentiated, or -1
};
struct SingleResult {
  std::vector<TensorData> outputs;
  std::vector<TensorData> gradients;  // by parameter
  std::vector<TensorData> buffers;    // after the run: running statistics of one shard applied
};
SingleResult RunOnce(const Program& program, const Weights& weights, const SingleRun& run);

// running = (1 - momentum) * running + momentum * batch, for each site in order. Rows below 2 change nothing: one row
// has no unbiased variance.
void ApplyStatistics(const std::vector<BatchNormSite>& sites, const Weights& weights, const void* statistics,
                     int64_t rows);

}  // namespace millrace
