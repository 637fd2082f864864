#include <algorithm>

#include "../core/error.h"
#include "../core/thread_pool.h"
#include "trainer.h"
#include "weights.h"

namespace millrace {

std::vector<TensorData> Score(const ScoreRequest& request, const std::atomic<bool>& cancelled) {
  const FeedReader feed(request.feed, request.dtype);
  WeightStore store(request.program, request.dtype);
  store.Load(request.weights, "");
  ThreadPool pool(std::max(1, request.threads), PrepareThread);
  std::vector<std::unique_ptr<ShardEvaluator>> evaluators;
  std::vector<FeedBatch> batches;
  for (int32_t i = 0; i < pool.size(); ++i) {
    evaluators.push_back(MakeEvaluator(request.program, store.weights(), request.device));
    batches.emplace_back(request.feed, request.dtype, kEvaluationRows);
  }
  const int64_t rows = feed.rows(), size = ByteSize(request.dtype);
  std::vector<TensorData> outputs;
  std::vector<int32_t> nodes;
  std::vector<int64_t> widths;
  for (const auto& [name, node] : request.program.outputs) {
    TensorData output{request.dtype, request.program.nodes[static_cast<size_t>(node)].shape, {}};
    if (output.shape.empty()) ThrowInternal("outputs." + name, "an axis of rows", "a scalar");
    output.shape[0] = rows;
    output.bytes.resize(static_cast<size_t>(ElementCount(output.shape) * size));
    widths.push_back(rows == 0 ? 0 : ElementCount(output.shape) / rows);
    outputs.push_back(std::move(output));
    nodes.push_back(node);
  }
  const auto tasks = static_cast<int32_t>((rows + kEvaluationRows - 1) / kEvaluationRows);
  pool.Run(tasks, [&](int32_t task, int32_t worker) {
    if (cancelled) return;
    const int64_t first = task * kEvaluationRows, count = std::min(kEvaluationRows, rows - first);
    const ShardInput input = feed.Gather(nullptr, first, count, batches[static_cast<size_t>(worker)]);
    std::vector<void*> destinations;
    for (size_t i = 0; i < outputs.size(); ++i) destinations.push_back(outputs[i].bytes.data() + first * widths[i] * size);
    evaluators[static_cast<size_t>(worker)]->Outputs(input, nodes, destinations);
  });
  if (cancelled) throw Error("CANCELLED", "score", "to run to the end", "a cancellation");
  return outputs;
}

}  // namespace millrace
