// The library itself: its version, its threads, its CUDA half.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <algorithm>
#include <mutex>

#include "primitives.h"

namespace millrace {

std::vector<std::string> PrimitiveNames() {
  std::vector<std::string> names;
  for (const auto& [name, function] : PrimitiveTable()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

void PrepareThread() { at::set_num_threads(1); }

std::string LibtorchVersion() {
  const std::string config = at::show_config();
  const std::string key = "TORCH_VERSION=";
  const size_t begin = config.find(key);
  if (begin == std::string::npos) return "unknown";
  const size_t end = config.find_first_of(",+ \n", begin);
  return config.substr(begin + key.size(), end - begin - key.size());
}

bool LoadCuda() {
  static std::once_flag once;
  static bool available = false;
  std::call_once(once, [] {
    // Before anything asks at::hasCUDA(): an earlier "no" is cached for ever.
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) return;
    try {
      available = at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0;
    } catch (...) {
      available = false;
    }
    if (available) at::globalContext().setDeterministicAlgorithms(true, false);
  });
  return available;
}

}  // namespace millrace
