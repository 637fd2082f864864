// A file mapped for reading.
#pragma once

#include <cstdint>
#include <string>

namespace millrace {

class MappedFile {
 public:
  // Throws: Error(ARTIFACT_MISSING) where the file cannot be opened.
  explicit MappedFile(std::string path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  MappedFile& operator=(MappedFile&&) = delete;

  const uint8_t* data() const { return data_; }
  int64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  // Borrowed bytes [begin, end). Throws: Error(ARTIFACT_CORRUPT) where they are not inside the file.
  const uint8_t* Range(int64_t begin, int64_t end) const;

 private:
  std::string path_;
  const uint8_t* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace millrace
