// The part of DuckDB's C API that the feed needs, declared by hand: libduckdb.so ships without its header.
// Checked against DuckDB 1.5.5; the names and layouts are part of its stable C API since 1.2.
#pragma once

#include <cstdint>
#include <string>

namespace millrace::feed {

using idx_t = uint64_t;

// Passed by value by the C API: six words.
struct DuckResult {
  idx_t deprecated_column_count;
  idx_t deprecated_row_count;
  idx_t deprecated_rows_changed;
  void* deprecated_columns;
  char* deprecated_error_message;
  void* internal_data;
};
static_assert(sizeof(DuckResult) == 48, "duckdb_result is 48 bytes");

using DuckHandle = void*;
using ScalarCallback = void (*)(DuckHandle info, DuckHandle input, DuckHandle output);

enum class DuckType : uint32_t { kBoolean = 1, kTinyint = 2, kInteger = 4, kBigint = 5, kFloat = 10 };

// Functions by name; filled once, valid while the process lives.
struct DuckApi {
  uint32_t (*open)(const char* path, DuckHandle* database);
  void (*close)(DuckHandle* database);
  uint32_t (*connect)(DuckHandle database, DuckHandle* connection);
  void (*disconnect)(DuckHandle* connection);
  void (*interrupt)(DuckHandle connection);
  uint32_t (*query)(DuckHandle connection, const char* sql, DuckResult* result);
  void (*destroy_result)(DuckResult* result);
  const char* (*result_error)(DuckResult* result);
  DuckHandle (*create_scalar_function)();
  void (*destroy_scalar_function)(DuckHandle* function);
  void (*scalar_function_set_name)(DuckHandle function, const char* name);
  void (*scalar_function_add_parameter)(DuckHandle function, DuckHandle type);
  void (*scalar_function_set_return_type)(DuckHandle function, DuckHandle type);
  void (*scalar_function_set_special_handling)(DuckHandle function);
  void (*scalar_function_set_volatile)(DuckHandle function);
  void (*scalar_function_set_extra_info)(DuckHandle function, void* extra, void (*destroy)(void*));
  void (*scalar_function_set_function)(DuckHandle function, ScalarCallback callback);
  void* (*scalar_function_get_extra_info)(DuckHandle info);
  void (*scalar_function_set_error)(DuckHandle info, const char* error);
  uint32_t (*register_scalar_function)(DuckHandle connection, DuckHandle function);
  DuckHandle (*create_logical_type)(DuckType type);
  void (*destroy_logical_type)(DuckHandle* type);
  idx_t (*data_chunk_get_size)(DuckHandle chunk);
  DuckHandle (*data_chunk_get_vector)(DuckHandle chunk, idx_t column);
  void* (*vector_get_data)(DuckHandle vector);
  uint64_t* (*vector_get_validity)(DuckHandle vector);
};

// Loads the library and returns its functions. Throws std::runtime_error with what is missing.
const DuckApi& LoadDuckApi(const std::string& library);

// A connection to an in-memory database of its own. Owns both; closes them in order.
class DuckDatabase {
 public:
  explicit DuckDatabase(const DuckApi& api);
  ~DuckDatabase();
  DuckDatabase(const DuckDatabase&) = delete;
  DuckDatabase& operator=(const DuckDatabase&) = delete;

  // Runs one statement and drops its rows. Throws std::runtime_error with DuckDB's message.
  // Blocks until it is done; Interrupt ends it early.
  void Run(const std::string& sql);

  // Thread: any.
  void Interrupt();

  const DuckApi& api() const { return api_; }
  DuckHandle connection() const { return connection_; }

 private:
  const DuckApi& api_;
  DuckHandle database_ = nullptr;
  DuckHandle connection_ = nullptr;
};

}  // namespace millrace::feed
