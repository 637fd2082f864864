// The feed's N-API: `new FeedSession(library, settings, rows)` with assignParts, write, cancel, progress.
// Fields are always present; the same names in the same order as in native/ts/feed-addon.ts.
#include <napi.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <system_error>

#include "../feed_session.h"

namespace millrace::feed {
namespace {

std::vector<std::string> Strings(const Napi::Value& value) {
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < array.Length(); i++) result.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return result;
}

uint64_t Unsigned(const Napi::Value& value) { return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()); }

std::vector<Block> ReadBlocks(const Napi::Value& value) {
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<Block> blocks;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object block = array.Get(i).As<Napi::Object>();
    blocks.push_back({block.Get("isFloat").As<Napi::Boolean>().Value(), static_cast<uint32_t>(Unsigned(block.Get("width")))});
  }
  return blocks;
}

std::vector<PartTarget> ReadTargets(const Napi::Value& value) {
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<PartTarget> targets;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Napi::Object object = array.Get(i).As<Napi::Object>();
    PartTarget target{static_cast<int>(Unsigned(object.Get("code"))), Unsigned(object.Get("rows")),
                      Unsigned(object.Get("shardRows")), {}};
    const Napi::Array shards = object.Get("shards").As<Napi::Array>();
    for (uint32_t j = 0; j < shards.Length(); j++) {
      const Napi::Object from = shards.Get(j).As<Napi::Object>();
      Shard shard{from.Get("path").As<Napi::String>().Utf8Value(), Unsigned(from.Get("rows")), {}};
      const Napi::Array offsets = from.Get("offsets").As<Napi::Array>();
      for (uint32_t k = 0; k < offsets.Length(); k++) shard.offsets.push_back(Unsigned(offsets.Get(k)));
      target.shards.push_back(std::move(shard));
    }
    targets.push_back(std::move(target));
  }
  return targets;
}

// Runs `work` off the JS thread. What it throws becomes an Error with a `code`: CANCELLED, DISK_FULL, WRITE or QUERY.
template <typename T>
class Task final : public Napi::AsyncWorker {
 public:
  Task(Napi::Env env, std::shared_ptr<FeedSession> session, std::function<T(FeedSession&)> work,
       std::function<Napi::Value(Napi::Env, const T&)> convert)
      : AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        session_(std::move(session)),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      result_ = work_(*session_);
    } catch (const Cancelled&) {
      Fail("CANCELLED", "cancelled");
    } catch (const std::system_error& error) {
      const int reason = error.code().value();
      Fail(reason == ENOSPC || reason == EDQUOT ? "DISK_FULL" : "WRITE", error.what());
    } catch (const std::exception& error) {
      Fail("QUERY", error.what());
    } catch (...) {
      Fail("QUERY", "an unknown exception");
    }
  }

  void OnOK() override {
    Napi::HandleScope scope(Env());
    deferred_.Resolve(convert_(Env(), result_));
  }

  void OnError(const Napi::Error& error) override {
    Napi::HandleScope scope(Env());
    error.Set("code", Napi::String::New(Env(), code_));
    deferred_.Reject(error.Value());
  }

 private:
  void Fail(const char* code, const std::string& message) {
    code_ = code;
    SetError(message);
  }

  Napi::Promise::Deferred deferred_;
  std::shared_ptr<FeedSession> session_;
  std::function<T(FeedSession&)> work_;
  std::function<Napi::Value(Napi::Env, const T&)> convert_;
  T result_{};
  std::string code_;
};

class FeedSessionWrap final : public Napi::ObjectWrap<FeedSessionWrap> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "FeedSession",
                       {InstanceMethod("assignParts", &FeedSessionWrap::AssignParts),
                        InstanceMethod("write", &FeedSessionWrap::Write),
                        InstanceMethod("cancel", &FeedSessionWrap::Cancel),
                        InstanceMethod("progress", &FeedSessionWrap::Progress)});
  }

  explicit FeedSessionWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    try {
      session_ = std::make_shared<FeedSession>(info[0].As<Napi::String>().Utf8Value(), Strings(info[1]), Unsigned(info[2]));
    } catch (const std::exception& error) {
      throw Napi::Error::New(info.Env(), error.what());
    }
  }

 private:
  using Counts = std::array<uint64_t, kParts>;

  Napi::Value AssignParts(const Napi::CallbackInfo& info) {
    const std::string sql = info[0].As<Napi::String>().Utf8Value();
    auto* task = new Task<Counts>(
        info.Env(), session_, [sql](FeedSession& session) { return session.AssignParts(sql); },
        [](Napi::Env env, const Counts& counts) -> Napi::Value {
          Napi::Array array = Napi::Array::New(env, counts.size());
          for (uint32_t i = 0; i < counts.size(); i++) array.Set(i, Napi::Number::New(env, static_cast<double>(counts[i])));
          return array;
        });
    const Napi::Promise promise = task->promise();
    task->Queue();
    return promise;
  }

  Napi::Value Write(const Napi::CallbackInfo& info) {
    const Napi::Object request = info[0].As<Napi::Object>();
    const std::string sql = request.Get("sql").As<Napi::String>().Utf8Value();
    const std::vector<Block> blocks = ReadBlocks(request.Get("blocks"));
    const std::vector<PartTarget> targets = ReadTargets(request.Get("targets"));
    auto* task = new Task<WriteResult>(
        info.Env(), session_,
        [sql, blocks, targets](FeedSession& session) { return session.Write(sql, blocks, targets); },
        [](Napi::Env env, const WriteResult& result) -> Napi::Value {
          Napi::Array problems = Napi::Array::New(env, result.problems.size());
          for (uint32_t i = 0; i < result.problems.size(); i++) {
            Napi::Object problem = Napi::Object::New(env);
            problem.Set("column", Napi::Number::New(env, result.problems[i].column));
            problem.Set("count", Napi::Number::New(env, static_cast<double>(result.problems[i].count)));
            problem.Set("first", Napi::Number::New(env, static_cast<double>(result.problems[i].first)));
            problems.Set(i, problem);
          }
          Napi::Object object = Napi::Object::New(env);
          object.Set("rows", Napi::Number::New(env, static_cast<double>(result.rows)));
          object.Set("problems", problems);
          return object;
        });
    const Napi::Promise promise = task->promise();
    task->Queue();
    return promise;
  }

  void Cancel(const Napi::CallbackInfo&) { session_->Cancel(); }

  Napi::Value Progress(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(session_->Progress()));
  }

  std::shared_ptr<FeedSession> session_;
};

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("FeedSession", FeedSessionWrap::Define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(millrace_feed, Init)

}  // namespace millrace::feed
