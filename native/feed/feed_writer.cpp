#include "feed_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace millrace::feed {
namespace {

// Rows that are put side by side before the next ones: with 64 columns they fill half of an L1 cache.
constexpr uint64_t kTile = 64;
// All ones in the exponent: NaN or infinity.
constexpr uint32_t kExponent = 0x7f800000u;

void WriteAll(int file, const void* data, uint64_t bytes, uint64_t offset, const std::string& path) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::pwrite(file, from, bytes, static_cast<off_t>(offset));
    if (done < 0) {
      if (errno == EINTR) continue;
      throw std::system_error(errno, std::generic_category(), path);
    }
    from += done;
    offset += static_cast<uint64_t>(done);
    bytes -= static_cast<uint64_t>(done);
  }
}

// Four values, of four rows or of four columns; compilers make shuffles of what is put together from two of them.
using Quad = uint32_t __attribute__((vector_size(16)));
constexpr uint32_t kSide = 4;

// Where the rows of a tile are in a column: one behind the other, or scattered.
struct Run {
  uint32_t first;
  uint32_t One(const uint32_t* column, uint64_t row) const { return column[first + row]; }
  Quad Four(const uint32_t* column, uint64_t row) const {
    Quad values;
    std::memcpy(&values, column + first + row, sizeof values);
    return values;
  }
};
struct Scattered {
  const uint32_t* index;
  uint32_t One(const uint32_t* column, uint64_t row) const { return column[index[row]]; }
  Quad Four(const uint32_t* column, uint64_t row) const {
    return Quad{column[index[row]], column[index[row + 1]], column[index[row + 2]], column[index[row + 3]]};
  }
};

// Puts `columns` (four, or one) columns side by side, `width` values a row, in squares of four by four.
// Returns whether a value has all ones in the exponent.
template <typename Rows>
bool FillColumns(const uint32_t* const* from, uint32_t columns, Rows place, uint64_t rows, uint32_t* to, uint64_t width) {
  uint64_t row = 0;
  Quad bad{};
  if (columns == kSide) {
    for (; row + kSide <= rows; row += kSide) {
      const Quad a = place.Four(from[0], row), b = place.Four(from[1], row);
      const Quad c = place.Four(from[2], row), d = place.Four(from[3], row);
      bad |= Quad((a & kExponent) == kExponent) | Quad((b & kExponent) == kExponent) |
             Quad((c & kExponent) == kExponent) | Quad((d & kExponent) == kExponent);
      const Quad low_ab{a[0], b[0], a[1], b[1]}, high_ab{a[2], b[2], a[3], b[3]};
      const Quad low_cd{c[0], d[0], c[1], d[1]}, high_cd{c[2], d[2], c[3], d[3]};
      const Quad out[kSide] = {{low_ab[0], low_ab[1], low_cd[0], low_cd[1]},
                               {low_ab[2], low_ab[3], low_cd[2], low_cd[3]},
                               {high_ab[0], high_ab[1], high_cd[0], high_cd[1]},
                               {high_ab[2], high_ab[3], high_cd[2], high_cd[3]}};
      for (uint32_t k = 0; k < kSide; k++) std::memcpy(to + (row + k) * width, &out[k], sizeof(Quad));
    }
  }
  uint32_t rest = 0;
  for (; row < rows; row++) {
    for (uint32_t column = 0; column < columns; column++) {
      const uint32_t bits = place.One(from[column], row);
      rest |= (bits & kExponent) == kExponent ? 1u : 0u;
      to[row * width + column] = bits;
    }
  }
  return (bad[0] | bad[1] | bad[2] | bad[3] | rest) != 0;
}

// Takes the room of the whole file at once: a full disk is found before anything is decoded, and the file system need
// not find room page by page. File systems that cannot are left as they are. Returns errno, or 0.
int Reserve(int file) {
#if defined(__linux__)
  struct stat status {};
  if (::fstat(file, &status) != 0) return errno;
  if (status.st_size == 0) return 0;
  while (::fallocate(file, 0, 0, status.st_size) != 0) {
    if (errno == EINTR) continue;
    return errno == ENOSPC || errno == EDQUOT ? errno : 0;
  }
#else
  (void)file;
#endif
  return 0;
}

bool IsValid(const uint64_t* validity, uint64_t row) {
  return validity == nullptr || ((validity[row / 64] >> (row % 64)) & 1u) != 0;
}

}  // namespace

void Problem::Add(uint64_t position) {
  count.fetch_add(1, std::memory_order_relaxed);
  uint64_t known = first.load(std::memory_order_relaxed);
  while (position < known && !first.compare_exchange_weak(known, position, std::memory_order_relaxed)) {
  }
}

struct FeedWriter::OpenTarget {
  explicit OpenTarget(PartTarget wanted) : target(std::move(wanted)) {
    for (const Shard& shard : target.shards) {
      const int file = ::open(shard.path.c_str(), O_WRONLY | O_CLOEXEC);
      if (file < 0) {
        const int reason = errno;
        Close();
        throw std::system_error(reason, std::generic_category(), shard.path);
      }
      files.push_back(file);
      if (const int reason = Reserve(file); reason != 0) {
        Close();
        throw std::system_error(reason, std::generic_category(), shard.path);
      }
    }
  }
  ~OpenTarget() { Close(); }

  void Close() {
    for (int file : files) ::close(file);
    files.clear();
  }

  PartTarget target;
  std::vector<int> files;
};

FeedWriter::FeedWriter(std::vector<Block> blocks, std::vector<PartTarget> targets, const PartMap* map, uint64_t rows)
    : blocks_(std::move(blocks)), map_(map), rows_(rows) {
  for (const Block& block : blocks_) columns_ += block.width;
  for (PartTarget& target : targets) {
    uint64_t sum = 0;
    for (const Shard& shard : target.shards) {
      if (shard.offsets.size() != blocks_.size()) throw std::invalid_argument("a shard needs an offset for each block");
      sum += shard.rows;
    }
    if (sum != target.rows || (target.rows > 0 && target.shard_rows == 0)) {
      throw std::invalid_argument("the shards of a part have to hold its rows");
    }
    expected_ += target.rows;
    targets_.push_back(std::make_unique<OpenTarget>(std::move(target)));
  }
  problems_ = std::vector<Problem>(columns_ + 1);
}

FeedWriter::~FeedWriter() = default;

void FeedWriter::WriteChunk(const EncodedChunk& chunk) {
  thread_local std::vector<uint32_t> index;
  index.resize(chunk.rows);
  uint64_t start = 0;
  while (start < chunk.rows) {
    uint64_t end = start + 1;
    while (end < chunk.rows && chunk.positions[end] == chunk.positions[end - 1] + 1) end++;
    const int64_t first = chunk.positions[start];
    if (first < 0 || static_cast<uint64_t>(first) + (end - start) > rows_) {
      throw std::out_of_range("a row lies beyond the rows that the dataset's manifest names");
    }
    for (const auto& open : targets_) {
      uint64_t count = 0;
      uint64_t destination = static_cast<uint64_t>(first);
      if (map_ == nullptr) {
        for (uint64_t row = start; row < end; row++) index[count++] = static_cast<uint32_t>(row);
      } else {
        destination = map_->Rank(open->target.code, static_cast<uint64_t>(first));
        const uint8_t code = static_cast<uint8_t>(open->target.code);
        for (uint64_t row = start; row < end; row++) {
          index[count] = static_cast<uint32_t>(row);
          count += map_->Code(static_cast<uint64_t>(first) + (row - start)) == code ? 1 : 0;
        }
      }
      if (count > 0) WriteRows(chunk, *open, destination, index.data(), count);
    }
    start = end;
  }
}

void FeedWriter::WriteRows(const EncodedChunk& chunk, const OpenTarget& open, uint64_t destination,
                           const uint32_t* index, uint64_t count) {
  thread_local std::vector<uint32_t> buffer;
  for (uint64_t row = 0; row < count; row++) {
    if (!chunk.obeys[index[row]]) problems_[columns_].Add(static_cast<uint64_t>(chunk.positions[index[row]]));
  }
  while (count > 0) {
    const uint64_t number = destination / open.target.shard_rows;
    const uint64_t row = destination % open.target.shard_rows;
    if (number >= open.target.shards.size()) throw std::out_of_range("a part has more rows than were counted");
    const Shard& shard = open.target.shards[number];
    const uint64_t taken = std::min(count, open.target.shard_rows - row);
    if (row + taken > shard.rows) throw std::out_of_range("a shard has more rows than were counted");
    uint32_t column = 0;
    for (size_t at = 0; at < blocks_.size(); at++) {
      const Block& block = blocks_[at];
      buffer.resize(taken * block.width);
      Fill(chunk, block, column, index, taken, buffer.data());
      WriteAll(open.files[number], buffer.data(), buffer.size() * sizeof(uint32_t),
               shard.offsets[at] + row * block.width * sizeof(uint32_t), shard.path);
      column += block.width;
    }
    written_.fetch_add(taken, std::memory_order_relaxed);
    destination += taken;
    index += taken;
    count -= taken;
  }
}

void FeedWriter::Fill(const EncodedChunk& chunk, const Block& block, uint32_t first_column, const uint32_t* index,
                      uint64_t count, uint32_t* out) {
  const uint32_t width = block.width;
  for (uint64_t tile = 0; tile < count; tile += kTile) {
    const uint64_t rows = std::min(kTile, count - tile);
    const uint32_t* rows_of_tile = index + tile;
    const bool is_run = rows_of_tile[rows - 1] - rows_of_tile[0] == rows - 1;
    for (uint32_t at = 0; at < width;) {
      const uint32_t columns = width - at >= kSide ? kSide : 1;
      const uint32_t* const* from = chunk.values.data() + first_column + at;
      uint32_t* to = out + tile * width + at;
      const bool bad = is_run ? FillColumns(from, columns, Run{rows_of_tile[0]}, rows, to, width)
                              : FillColumns(from, columns, Scattered{rows_of_tile}, rows, to, width);
      for (uint32_t end = at + columns; at < end; at++) {
        const uint32_t column = first_column + at;
        if ((block.is_float && bad) || chunk.validity[column] != nullptr) {
          Inspect(chunk, column, rows_of_tile, rows, block.is_float);
        }
      }
    }
  }
}

void FeedWriter::Inspect(const EncodedChunk& chunk, uint32_t column, const uint32_t* index, uint64_t count,
                         bool is_float) {
  for (uint64_t row = 0; row < count; row++) {
    const uint32_t at = index[row];
    const bool is_bad = !IsValid(chunk.validity[column], at) ||
                        (is_float && (chunk.values[column][at] & kExponent) == kExponent);
    if (is_bad) problems_[column].Add(static_cast<uint64_t>(chunk.positions[at]));
  }
}

}  // namespace millrace::feed
