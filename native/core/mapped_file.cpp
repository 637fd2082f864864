#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "error.h"

namespace millrace {

MappedFile::MappedFile(std::string path) : path_(std::move(path)) {
  const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error("ARTIFACT_MISSING", path_, "a file that can be read", std::strerror(errno));
  struct stat status {};
  if (fstat(file, &status) != 0) {
    const int reason = errno;
    close(file);
    throw Error("ARTIFACT_MISSING", path_, "a file that can be read", std::strerror(reason));
  }
  size_ = status.st_size;
  if (size_ > 0) {
    void* mapped = mmap(nullptr, static_cast<size_t>(size_), PROT_READ, MAP_SHARED, file, 0);
    const int reason = errno;
    close(file);
    if (mapped == MAP_FAILED) throw Error("ARTIFACT_MISSING", path_, "a file that can be mapped", std::strerror(reason));
    data_ = static_cast<const uint8_t*>(mapped);
  } else {
    close(file);
  }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), static_cast<size_t>(size_));
}

const uint8_t* MappedFile::Range(int64_t begin, int64_t end) const {
  if (begin < 0 || end < begin || end > size_) {
    throw Error("ARTIFACT_CORRUPT", path_, "a file of at least " + std::to_string(end) + " bytes",
                std::to_string(size_) + " bytes");
  }
  return data_ + begin;
}

}  // namespace millrace
