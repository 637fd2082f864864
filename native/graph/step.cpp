#include "step.h"

#include "../core/error.h"

namespace millrace {
namespace {

template <typename T>
void Apply(const std::vector<BatchNormSite>& sites, const Weights& weights, const T* statistics) {
  auto* buffers = static_cast<T*>(weights.buffers);
  for (const BatchNormSite& site : sites) {
    const T momentum = static_cast<T>(site.momentum);
    T* mean = buffers + weights.buffer_layout.offsets[static_cast<size_t>(site.mean_buffer)];
    T* variance = buffers + weights.buffer_layout.offsets[static_cast<size_t>(site.variance_buffer)];
    const T* batch = statistics + site.offset;
    for (int64_t i = 0; i < site.channels; ++i) {
      mean[i] = (1 - momentum) * mean[i] + momentum * batch[i];
      variance[i] = (1 - momentum) * variance[i] + momentum * batch[site.channels + i];
    }
  }
}

}  // namespace

std::vector<BatchNormSite> FindBatchNormSites(const Program& program) {
  std::vector<BatchNormSite> sites;
  int64_t offset = 0;
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    const Node& node = program.nodes[i];
    if (node.op != "batchNorm") continue;
    BatchNormSite site;
    site.node = static_cast<int32_t>(i);
    site.mean_buffer = program.nodes[static_cast<size_t>(node.inputs[3])].Index("index");
    site.variance_buffer = program.nodes[static_cast<size_t>(node.inputs[4])].Index("index");
    site.momentum = node.Attribute("momentum");
    site.channels = ElementCount(program.buffers[static_cast<size_t>(site.mean_buffer)].shape);
    site.offset = offset;
    offset += 2 * site.channels;
    sites.push_back(site);
  }
  return sites;
}

int64_t StatisticsSize(const std::vector<BatchNormSite>& sites) {
  return sites.empty() ? 0 : sites.back().offset + 2 * sites.back().channels;
}

void ApplyStatistics(const std::vector<BatchNormSite>& sites, const Weights& weights, const void* statistics,
                     int64_t rows) {
  if (rows < 2) return;
  if (weights.dtype == DType::kFloat64) {
    Apply(sites, weights, static_cast<const double*>(statistics));
  } else {
    Apply(sites, weights, static_cast<const float*>(statistics));
  }
}

}  // namespace millrace
