#include "safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "error.h"

namespace millrace {
namespace {

std::string Quote(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

const char* DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "F32";
    case DType::kFloat64:
      return "F64";
    case DType::kInt64:
      return "I64";
    case DType::kBool:
      return "BOOL";
  }
  return "U8";
}

// A file that is removed again unless it was renamed to its place.
class PendingFile {
 public:
  explicit PendingFile(const std::string& target) : target_(target) {
    static std::atomic<uint32_t> counter{0};
    path_ = target + "." + std::to_string(getpid()) + "-" + std::to_string(counter++) + ".tmp";
    file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file_ < 0) Throw();
  }
  ~PendingFile() {
    if (file_ >= 0) close(file_);
    if (!path_.empty()) unlink(path_.c_str());
  }
  void Write(const void* data, size_t bytes) {
    auto* at = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t written = write(file_, at, bytes);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) Throw();
      at += written;
      bytes -= static_cast<size_t>(written);
    }
  }
  void Commit() {
    if (fsync(file_) != 0) Throw();
    const int closed = close(file_);
    file_ = -1;
    if (closed != 0) Throw();
    if (rename(path_.c_str(), target_.c_str()) != 0) Throw();
    path_.clear();
    const std::string folder = target_.substr(0, target_.find_last_of('/'));
    const int directory = open(folder.empty() ? "/" : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
      fsync(directory);
      close(directory);
    }
  }

 private:
  [[noreturn]] void Throw() const {
    const int reason = errno;
    if (reason == ENOSPC || reason == EDQUOT) {
      throw Error("DISK_FULL", target_, "room to write the file", std::strerror(reason),
                  "Free space on this disk and run again.");
    }
    throw Error("STORE_UNREADABLE", target_, "a path that can be written", std::strerror(reason),
                "Check that the folder exists and its permissions.");
  }
  std::string target_, path_;
  int file_ = -1;
};

}  // namespace

uint64_t ChecksumWords(uint64_t seed, const void* data, int64_t bytes) {
  auto* at = static_cast<const uint8_t*>(data);
  uint64_t hash = seed;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = (hash ^ word) * 0x100000001b3ull;
    hash ^= hash >> 29;
  }
  for (; bytes > 0; --bytes, ++at) hash = (hash ^ *at) * 0x100000001b3ull;
  return hash;
}

void WriteSafetensors(const std::string& path, const std::vector<TensorView>& tensors,
                      std::map<std::string, std::string> metadata, bool with_checksum) {
  auto bytes_of = [](const TensorView& tensor) { return ElementCount(tensor.shape) * ByteSize(tensor.dtype); };
  if (with_checksum) {
    uint64_t hash = kChecksumSeed;
    for (const TensorView& tensor : tensors) hash = ChecksumWords(hash, tensor.data, bytes_of(tensor));
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    metadata["checksum"] = text;
  }
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      header += (first ? "" : ",") + Quote(key) + ":" + Quote(value);
      first = false;
    }
    header += tensors.empty() ? "}" : "},";
  }
  int64_t offset = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& tensor = tensors[i];
    header += (i == 0 ? "" : ",") + Quote(tensor.name) + ":{\"dtype\":\"" + DTypeName(tensor.dtype) + "\",\"shape\":[";
    for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      header += (axis == 0 ? "" : ",") + std::to_string(tensor.shape[axis]);
    }
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + bytes_of(tensor)) + "]}";
    offset += bytes_of(tensor);
  }
  header += "}";
  while (header.size() % 8 != 0) header += ' ';

  PendingFile file(path);
  const uint64_t length = header.size();
  file.Write(&length, sizeof length);
  file.Write(header.data(), header.size());
  for (const TensorView& tensor : tensors) file.Write(tensor.data, static_cast<size_t>(bytes_of(tensor)));
  file.Commit();
}

}  // namespace millrace
