#include "program.h"

#include "error.h"

namespace millrace {

double Node::Attribute(const char* key) const {
  auto found = attributes.find(key);
  if (found == attributes.end()) ThrowInternal(name, std::string("an attribute '") + key + "'", "none");
  return found->second;
}

std::vector<bool> ConstantNodes(const Program& program) {
  std::vector<bool> constant(program.nodes.size(), false);
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    const Node& node = program.nodes[i];
    if (node.inputs.empty()) {
      constant[i] = node.op == "tensor" || node.op == "constant";
      continue;
    }
    constant[i] = node.op != "dropout" && node.op != "batchNorm";
    for (int32_t input : node.inputs) constant[i] = constant[i] && constant[static_cast<size_t>(input)];
  }
  return constant;
}

void CheckProgram(const Program& program) {
  auto index_in = [](const Node& node, const char* key, size_t size) {
    const double value = node.Attribute(key);
    if (!(value >= 0 && value < static_cast<double>(size))) {
      ThrowInternal(node.name, std::string("a valid ") + key, std::to_string(value));
    }
  };
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    const Node& node = program.nodes[i];
    for (int32_t input : node.inputs) {
      if (input < 0 || static_cast<size_t>(input) >= i) {
        ThrowInternal(node.name, "inputs that come before it", std::to_string(input));
      }
    }
    if (node.op == "parameter") index_in(node, "index", program.parameters.size());
    if (node.op == "buffer") index_in(node, "index", program.buffers.size());
    if (node.op == "tensor") index_in(node, "index", program.tensors.size());
    if (node.op == "batchNorm") {
      for (size_t k = 3; k < 5; ++k) {
        if (node.inputs.size() != 5 || program.nodes[node.inputs[k]].op != "buffer") {
          ThrowInternal(node.name, "running statistics held in buffers", "another node");
        }
      }
    }
  }
  for (const auto& [name, node] : program.outputs) {
    if (node < 0 || static_cast<size_t>(node) >= program.nodes.size()) {
      ThrowInternal("outputs." + name, "a node", std::to_string(node));
    }
  }
  for (const TensorData& tensor : program.tensors) {
    if (static_cast<int64_t>(tensor.bytes.size()) != ElementCount(tensor.shape) * ByteSize(tensor.dtype)) {
      ThrowInternal("tensors", "as many bytes as the shape has", std::to_string(tensor.bytes.size()));
    }
  }
}

}  // namespace millrace
