// Writes safetensors files; headers are read and checked in TypeScript (native/ts/safetensors.ts).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "program.h"

namespace millrace {

// A tensor to write; `data` is borrowed until the call returns.
struct TensorView {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  const void* data;
};

// A tensor of a file whose header TypeScript has checked: bytes [begin, end) of the file.
struct TensorLocation {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  int64_t begin;
  int64_t end;
};

struct TensorFile {
  std::string path;
  std::vector<TensorLocation> tensors;
  std::map<std::string, std::string> metadata;
};

// Writes to a temporary name, fsyncs and renames: the old file or the new one is there, never half of one.
// Equal tensors and metadata give equal bytes. Tensors are laid out in the given order.
// Metadata gets `checksum`, the FNV-1a of all data in words of 8 bytes, where `with_checksum` is set.
// Throws: Error(DISK_FULL | STORE_UNREADABLE).
void WriteSafetensors(const std::string& path, const std::vector<TensorView>& tensors,
                      std::map<std::string, std::string> metadata, bool with_checksum);

// The same checksum over bytes that were read.
uint64_t ChecksumWords(uint64_t seed, const void* data, int64_t bytes);
inline constexpr uint64_t kChecksumSeed = 0xcbf29ce484222325ull;

}  // namespace millrace
