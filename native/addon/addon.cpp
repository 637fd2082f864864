// The addon's entrance. Long work runs on a thread of its own; JS values are touched on the JS thread alone.
#include <napi.h>
#include <torch/headeronly/version.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "../train/weights.h"
#include "convert.h"

namespace millrace {
namespace {

// Turns C++ exceptions of a synchronous call into JS errors.
template <typename F>
Napi::Value Guard(Napi::Env env, F body) {
  Failure failure;
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    failure = CurrentFailure();
  }
  throw FromFailure(env, failure);
}

// One long call: { promise, cancel() }. The thread is detached from libuv's pool and joined before its object dies.
class Job {
 public:
  using Settle = std::function<Napi::Value(Napi::Env)>;
  using Emit = std::function<void(std::function<Napi::Value(Napi::Env)>)>;
  using Work = std::function<Settle(const std::atomic<bool>& cancelled, const Emit& emit)>;

  static Napi::Value Start(Napi::Env env, const Napi::Value& on_event, Work work) {
    auto* job = new Job(env, std::move(work));
    const Napi::Function listener = on_event.IsFunction() ? on_event.As<Napi::Function>()
                                                          : Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
    Napi::Object result = Napi::Object::New(env);
    auto cancelled = job->cancelled_;
    result.Set("promise", job->deferred_.Promise());
    result.Set("cancel", Napi::Function::New(env, [cancelled](const Napi::CallbackInfo&) { *cancelled = true; }));
    job->events_ = Napi::ThreadSafeFunction::New(env, listener, "millrace", 0, 1, [job](Napi::Env environment) {
      job->thread_.join();
      job->Finish(environment);
      delete job;
    });
    job->thread_ = std::thread([job] { job->Run(); });
    return result;
  }

 private:
  Job(Napi::Env env, Work work)
      : work_(std::move(work)), deferred_(Napi::Promise::Deferred::New(env)), cancelled_(std::make_shared<std::atomic<bool>>(false)) {}

  void Run() noexcept {
    try {
      settle_ = work_(*cancelled_, [this](std::function<Napi::Value(Napi::Env)> make) {
        auto* owned = new std::function<Napi::Value(Napi::Env)>(std::move(make));
        const napi_status status = events_.NonBlockingCall(owned, [](Napi::Env env, Napi::Function listener, std::function<Napi::Value(Napi::Env)>* event) {
          std::unique_ptr<std::function<Napi::Value(Napi::Env)>> guard(event);
          if (env != nullptr) listener.Call({(*event)(env)});
        });
        if (status != napi_ok) delete owned;
      });
    } catch (...) {
      failure_ = CurrentFailure();
    }
    events_.Release();
  }

  void Finish(Napi::Env env) {
    const Napi::HandleScope scope(env);
    if (failure_.has_value()) {
      deferred_.Reject(FromFailure(env, *failure_).Value());
    } else {
      deferred_.Resolve(settle_(env));
    }
  }

  Work work_;
  Settle settle_;
  std::optional<Failure> failure_;
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  Napi::ThreadSafeFunction events_;
  std::thread thread_;
};

Napi::Value TrainCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&] {
    auto request = std::make_shared<TrainRequest>(ToTrainRequest(info[0].As<Napi::Object>()));
    return Job::Start(env, info[1], [request](const std::atomic<bool>& cancelled, const Job::Emit& emit) -> Job::Settle {
      const TrainOutcome outcome = Train(
          *request,
          [&](TrainEvent event) {
            auto shared = std::make_shared<TrainEvent>(std::move(event));
            emit([request, shared](Napi::Env environment) { return FromEvent(environment, request->program, *shared); });
          },
          cancelled);
      return [outcome](Napi::Env environment) { return FromOutcome(environment, outcome); };
    });
  });
}

Napi::Value ScoreCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&] {
    auto request = std::make_shared<ScoreRequest>(ToScoreRequest(info[0].As<Napi::Object>()));
    return Job::Start(env, env.Undefined(), [request](const std::atomic<bool>& cancelled, const Job::Emit&) -> Job::Settle {
      auto outputs = std::make_shared<std::vector<TensorData>>(Score(*request, cancelled));
      return [outputs](Napi::Env environment) -> Napi::Value {
        Napi::Array array = Napi::Array::New(environment, outputs->size());
        for (uint32_t i = 0; i < outputs->size(); ++i) array.Set(i, FromTensor(environment, (*outputs)[i]));
        return array;
      };
    });
  });
}

// Takes the values that are given (typed arrays of the run's dtype, null keeps the initial ones).
void SetWeights(const Napi::Object& object, const WeightStore& store) {
  const Weights& weights = store.weights();
  auto copy = [&](const char* key, void* flat, const FlatLayout& layout) {
    const auto values = object.Get(key).As<Napi::Array>();
    for (uint32_t i = 0; i < values.Length() && i < layout.counts.size(); ++i) {
      const Napi::Value value = values.Get(i);
      if (!value.IsTypedArray()) continue;
      const auto array = value.As<Napi::TypedArray>();
      const int64_t size = ByteSize(weights.dtype), bytes = layout.counts[i] * size;
      if (static_cast<int64_t>(array.ByteLength()) != bytes) {
        ThrowInternal(std::string("run.") + key, std::to_string(bytes) + " bytes", std::to_string(array.ByteLength()));
      }
      std::memcpy(static_cast<uint8_t*>(flat) + layout.offsets[i] * size,
                  static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(), static_cast<size_t>(bytes));
    }
  };
  copy("parameters", weights.parameters, weights.parameter_layout);
  copy("buffers", weights.buffers, weights.buffer_layout);
}

Napi::Value RunCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const auto object = info[0].As<Napi::Object>();
    const Program program = ToProgram(object.Get("program").As<Napi::Object>());
    WeightStore store(program, ToDType(object.Get("dtype")));
    const SingleRun run = ToSingleRun(object);
    store.Initialize(run.seed);
    SetWeights(object, store);
    const SingleResult result = RunOnce(program, store.weights(), run);
    auto list = [&](const std::vector<TensorData>& tensors) {
      Napi::Array array = Napi::Array::New(env, tensors.size());
      for (uint32_t i = 0; i < tensors.size(); ++i) array.Set(i, FromTensor(env, tensors[i]));
      return array;
    };
    Napi::Object out = Napi::Object::New(env);
    out.Set("outputs", list(result.outputs));
    out.Set("gradients", list(result.gradients));
    out.Set("buffers", list(result.buffers));
    return out;
  });
}

Napi::Value VersionCall(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    Napi::Object out = Napi::Object::New(env);
    Napi::Array names = Napi::Array::New(env);
    for (const std::string& name : PrimitiveNames()) names.Set(names.Length(), name);
    out.Set("libtorch", LibtorchVersion());
    out.Set("builtFor", TORCH_VERSION);
    out.Set("stamp", MILLRACE_STAMP);
    out.Set("primitives", names);
    return out;
  });
}

Napi::Value CudaCall(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&]() -> Napi::Value { return Napi::Boolean::New(info.Env(), LoadCuda()); });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::Function::New(env, VersionCall));
  exports.Set("loadCuda", Napi::Function::New(env, CudaCall));
  exports.Set("train", Napi::Function::New(env, TrainCall));
  exports.Set("score", Napi::Function::New(env, ScoreCall));
  exports.Set("run", Napi::Function::New(env, RunCall));
  return exports;
}

}  // namespace
}  // namespace millrace

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return millrace::Init(env, exports); }
NODE_API_MODULE(millrace, InitAddon)
