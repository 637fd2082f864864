#include "duckdb_api.h"

#include <dlfcn.h>

#include <mutex>
#include <stdexcept>

namespace millrace::feed {
namespace {

template <typename F>
void Find(void* library, const char* name, F& target) {
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) throw std::runtime_error(std::string("libduckdb has no function ") + name);
  target = reinterpret_cast<F>(symbol);
}

DuckApi Load(const std::string& path) {
  // Never closed: its threads may outlive any point at which it could be.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    throw std::runtime_error(reason != nullptr ? reason : "dlopen gives no reason");
  }
  DuckApi api{};
  Find(library, "duckdb_open", api.open);
  Find(library, "duckdb_close", api.close);
  Find(library, "duckdb_connect", api.connect);
  Find(library, "duckdb_disconnect", api.disconnect);
  Find(library, "duckdb_interrupt", api.interrupt);
  Find(library, "duckdb_query", api.query);
  Find(library, "duckdb_destroy_result", api.destroy_result);
  Find(library, "duckdb_result_error", api.result_error);
  Find(library, "duckdb_create_scalar_function", api.create_scalar_function);
  Find(library, "duckdb_destroy_scalar_function", api.destroy_scalar_function);
  Find(library, "duckdb_scalar_function_set_name", api.scalar_function_set_name);
  Find(library, "duckdb_scalar_function_add_parameter", api.scalar_function_add_parameter);
  Find(library, "duckdb_scalar_function_set_return_type", api.scalar_function_set_return_type);
  Find(library, "duckdb_scalar_function_set_special_handling", api.scalar_function_set_special_handling);
  Find(library, "duckdb_scalar_function_set_volatile", api.scalar_function_set_volatile);
  Find(library, "duckdb_scalar_function_set_extra_info", api.scalar_function_set_extra_info);
  Find(library, "duckdb_scalar_function_set_function", api.scalar_function_set_function);
  Find(library, "duckdb_scalar_function_get_extra_info", api.scalar_function_get_extra_info);
  Find(library, "duckdb_scalar_function_set_error", api.scalar_function_set_error);
  Find(library, "duckdb_register_scalar_function", api.register_scalar_function);
  Find(library, "duckdb_create_logical_type", api.create_logical_type);
  Find(library, "duckdb_destroy_logical_type", api.destroy_logical_type);
  Find(library, "duckdb_data_chunk_get_size", api.data_chunk_get_size);
  Find(library, "duckdb_data_chunk_get_vector", api.data_chunk_get_vector);
  Find(library, "duckdb_vector_get_data", api.vector_get_data);
  Find(library, "duckdb_vector_get_validity", api.vector_get_validity);
  return api;
}

}  // namespace

const DuckApi& LoadDuckApi(const std::string& library) {
  static std::mutex mutex;
  static DuckApi api;
  static std::string loaded;
  std::lock_guard<std::mutex> lock(mutex);
  if (loaded != library) {
    if (!loaded.empty()) throw std::runtime_error("another libduckdb is loaded: " + loaded);
    api = Load(library);
    loaded = library;
  }
  return api;
}

DuckDatabase::DuckDatabase(const DuckApi& api) : api_(api) {
  if (api_.open(nullptr, &database_) != 0) throw std::runtime_error("DuckDB does not open an in-memory database");
  if (api_.connect(database_, &connection_) != 0) {
    api_.close(&database_);
    throw std::runtime_error("DuckDB does not connect to its in-memory database");
  }
}

DuckDatabase::~DuckDatabase() {
  api_.disconnect(&connection_);
  api_.close(&database_);
}

void DuckDatabase::Run(const std::string& sql) {
  DuckResult result{};
  if (api_.query(connection_, sql.c_str(), &result) == 0) {
    api_.destroy_result(&result);
    return;
  }
  const char* message = api_.result_error(&result);
  std::string text = message != nullptr ? message : "DuckDB gives no reason";
  api_.destroy_result(&result);
  throw std::runtime_error(text);
}

void DuckDatabase::Interrupt() { api_.interrupt(connection_); }

}  // namespace millrace::feed
