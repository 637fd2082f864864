// One feed: a hardened DuckDB of its own, the parts of the rows, and the writer.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "duckdb_api.h"
#include "feed_writer.h"
#include "part_map.h"

namespace millrace::feed {

struct WriteResult {
  uint64_t rows;
  struct Found {
    // The column's position among all columns of all blocks; their number for a rule.
    uint32_t column;
    uint64_t count;
    uint64_t first;
  };
  std::vector<Found> problems;
};

// Thrown where Cancel ended the work.
struct Cancelled {};

// Thread: one call of AssignParts or Write at a time; Cancel, Progress from any thread.
class FeedSession {
 public:
  // library: path of libduckdb. settings: statements that set the database up, in order; the last ones lock it.
  // Throws std::runtime_error.
  FeedSession(const std::string& library, const std::vector<std::string>& settings, uint64_t rows);

  // Runs `sql`, which calls feed_part(position BIGINT, code TINYINT) for every row. Returns rows by code.
  std::array<uint64_t, kParts> AssignParts(const std::string& sql);

  // Runs `sql`, which calls feed_row(position BIGINT, columns FLOAT or INTEGER …, obeys BOOLEAN) for every row.
  // Where AssignParts has not run, every row is in targets[0].
  WriteResult Write(const std::string& sql, std::vector<Block> blocks, std::vector<PartTarget> targets);

  // Ends what runs with Cancelled; to be repeated until it has ended, since an interrupt between two statements is lost.
  void Cancel();

  // Rows that passed through the statement that runs.
  uint64_t Progress() const { return seen_.load(std::memory_order_relaxed); }

 private:
  void Run(const std::string& sql);
  void Register(const char* name, const std::vector<DuckType>& parameters, ScalarCallback callback);
  void CheckSeen() const;

  static void OnParts(DuckHandle info, DuckHandle input, DuckHandle output);
  static void OnRows(DuckHandle info, DuckHandle input, DuckHandle output);
  template <typename Body>
  static void Guarded(DuckHandle info, DuckHandle input, DuckHandle output, Body body);

  DuckDatabase database_;
  uint64_t rows_;
  std::unique_ptr<PartMap> map_;
  std::unique_ptr<FeedWriter> writer_;
  std::atomic<bool> is_cancelled_{false};
  std::atomic<uint64_t> seen_{0};
  std::atomic<int> write_error_{0};
};

}  // namespace millrace::feed
