#include "feed_session.h"

#include <cstring>
#include <stdexcept>
#include <system_error>

namespace millrace::feed {
namespace {

// The C API hands callbacks one static api; there is one library in a process.
const DuckApi* g_api = nullptr;

}  // namespace

FeedSession::FeedSession(const std::string& library, const std::vector<std::string>& settings, uint64_t rows)
    : database_(LoadDuckApi(library)), rows_(rows) {
  g_api = &database_.api();
  // Before the settings: they lock the database.
  Register("feed_part", {DuckType::kBigint, DuckType::kTinyint}, &FeedSession::OnParts);
  for (const std::string& setting : settings) database_.Run(setting);
}

void FeedSession::Register(const char* name, const std::vector<DuckType>& parameters, ScalarCallback callback) {
  const DuckApi& api = database_.api();
  DuckHandle function = api.create_scalar_function();
  api.scalar_function_set_name(function, name);
  for (DuckType parameter : parameters) {
    DuckHandle type = api.create_logical_type(parameter);
    api.scalar_function_add_parameter(function, type);
    api.destroy_logical_type(&type);
  }
  DuckHandle type = api.create_logical_type(DuckType::kInteger);
  api.scalar_function_set_return_type(function, type);
  api.destroy_logical_type(&type);
  api.scalar_function_set_special_handling(function);
  api.scalar_function_set_volatile(function);
  api.scalar_function_set_extra_info(function, this, nullptr);
  api.scalar_function_set_function(function, callback);
  const uint32_t state = api.register_scalar_function(database_.connection(), function);
  api.destroy_scalar_function(&function);
  if (state != 0) throw std::runtime_error(std::string("DuckDB takes no function ") + name);
}

void FeedSession::Cancel() {
  is_cancelled_.store(true);
  database_.Interrupt();
}

void FeedSession::Run(const std::string& sql) {
  if (is_cancelled_.load()) throw Cancelled{};
  seen_.store(0);
  try {
    database_.Run(sql);
  } catch (const std::runtime_error&) {
    if (is_cancelled_.load()) throw Cancelled{};
    if (const int reason = write_error_.load(); reason != 0) {
      throw std::system_error(reason, std::generic_category(), "the feed's files");
    }
    throw;
  }
  if (is_cancelled_.load()) throw Cancelled{};
}

void FeedSession::CheckSeen() const {
  if (seen_.load() != rows_) {
    throw std::runtime_error("the dataset's manifest names " + std::to_string(rows_) + " rows, its files hold " +
                             std::to_string(seen_.load()));
  }
}

std::array<uint64_t, kParts> FeedSession::AssignParts(const std::string& sql) {
  map_ = std::make_unique<PartMap>(rows_);
  Run(sql);
  CheckSeen();
  return map_->Finish();
}

WriteResult FeedSession::Write(const std::string& sql, std::vector<Block> blocks, std::vector<PartTarget> targets) {
  std::vector<DuckType> parameters{DuckType::kBigint};
  for (const Block& block : blocks) {
    parameters.insert(parameters.end(), block.width, block.is_float ? DuckType::kFloat : DuckType::kInteger);
  }
  parameters.push_back(DuckType::kBoolean);
  writer_ = std::make_unique<FeedWriter>(std::move(blocks), std::move(targets), map_.get(), rows_);
  Register("feed_row", parameters, &FeedSession::OnRows);
  Run(sql);
  CheckSeen();
  if (writer_->written() != writer_->expected()) {
    throw std::runtime_error("the parts name " + std::to_string(writer_->expected()) + " rows, " +
                             std::to_string(writer_->written()) + " were written");
  }
  WriteResult result{writer_->written(), {}};
  const auto& problems = writer_->problems();
  for (uint32_t column = 0; column < problems.size(); column++) {
    const uint64_t count = problems[column].count.load();
    if (count > 0) result.problems.push_back({column, count, problems[column].first.load()});
  }
  writer_.reset();
  return result;
}

// No exception may pass through DuckDB's C API.
template <typename Body>
void FeedSession::Guarded(DuckHandle info, DuckHandle input, DuckHandle output, Body body) {
  auto* session = static_cast<FeedSession*>(g_api->scalar_function_get_extra_info(info));
  try {
    if (session->is_cancelled_.load(std::memory_order_relaxed)) {
      g_api->scalar_function_set_error(info, "cancelled");
      return;
    }
    const uint64_t rows = g_api->data_chunk_get_size(input);
    body(*session, rows);
    std::memset(g_api->vector_get_data(output), 0, rows * sizeof(int32_t));
    session->seen_.fetch_add(rows, std::memory_order_relaxed);
  } catch (const std::system_error& error) {
    session->write_error_.store(error.code().value());
    g_api->scalar_function_set_error(info, error.what());
  } catch (const std::exception& error) {
    g_api->scalar_function_set_error(info, error.what());
  } catch (...) {
    g_api->scalar_function_set_error(info, "an unknown exception");
  }
}

void FeedSession::OnParts(DuckHandle info, DuckHandle input, DuckHandle output) {
  Guarded(info, input, output, [&](FeedSession& session, uint64_t rows) {
    const auto* positions =
        static_cast<const int64_t*>(g_api->vector_get_data(g_api->data_chunk_get_vector(input, 0)));
    const auto* codes = static_cast<const int8_t*>(g_api->vector_get_data(g_api->data_chunk_get_vector(input, 1)));
    for (uint64_t row = 0; row < rows; row++) {
      if (!session.map_->Set(static_cast<uint64_t>(positions[row]), codes[row])) {
        throw std::out_of_range("a row lies beyond the rows that the dataset's manifest names");
      }
    }
  });
}

void FeedSession::OnRows(DuckHandle info, DuckHandle input, DuckHandle output) {
  Guarded(info, input, output, [&](FeedSession& session, uint64_t rows) {
    const uint32_t columns = session.writer_->columns();
    EncodedChunk chunk{rows, nullptr, {}, {}, nullptr};
    chunk.positions = static_cast<const int64_t*>(g_api->vector_get_data(g_api->data_chunk_get_vector(input, 0)));
    chunk.values.reserve(columns);
    chunk.validity.reserve(columns);
    for (uint32_t column = 0; column < columns; column++) {
      DuckHandle vector = g_api->data_chunk_get_vector(input, column + 1);
      chunk.values.push_back(static_cast<const uint32_t*>(g_api->vector_get_data(vector)));
      chunk.validity.push_back(g_api->vector_get_validity(vector));
    }
    chunk.obeys = static_cast<const bool*>(g_api->vector_get_data(g_api->data_chunk_get_vector(input, columns + 1)));
    session.writer_->WriteChunk(chunk);
  });
}

}  // namespace millrace::feed
