#include "convert.h"

#include <cstring>

namespace millrace {
namespace {

Napi::Value Field(const Napi::Object& object, const char* key) {
  Napi::Value value = object.Get(key);
  if (value.IsUndefined()) ThrowInternal("addon", std::string("a field '") + key + "'", "undefined");
  return value;
}

double Number(const Napi::Object& object, const char* key) {
  const Napi::Value value = Field(object, key);
  if (!value.IsNumber()) ThrowInternal("addon", std::string("a number in '") + key + "'", "another type");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t Integer(const Napi::Object& object, const char* key) { return static_cast<int64_t>(Number(object, key)); }
bool Flag(const Napi::Object& object, const char* key) { return Field(object, key).ToBoolean().Value(); }

std::string Text(const Napi::Object& object, const char* key) {
  const Napi::Value value = Field(object, key);
  if (!value.IsString()) ThrowInternal("addon", std::string("a string in '") + key + "'", "another type");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object Child(const Napi::Object& object, const char* key) {
  const Napi::Value value = Field(object, key);
  if (!value.IsObject()) ThrowInternal("addon", std::string("an object in '") + key + "'", "another type");
  return value.As<Napi::Object>();
}

template <typename F>
void Each(const Napi::Object& object, const char* key, F visit) {
  const Napi::Array array = Child(object, key).As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) visit(array.Get(i));
}

std::vector<int64_t> Sizes(const Napi::Object& object, const char* key) {
  std::vector<int64_t> sizes;
  Each(object, key, [&](const Napi::Value& value) { sizes.push_back(value.As<Napi::Number>().Int64Value()); });
  return sizes;
}

// Multiplies sizes that come from outside.
void CheckShape(const std::string& name, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > (int64_t{1} << 40)) {
      ThrowInternal(name, "a shape that fits memory", std::to_string(size));
    }
  }
}

Initializer ToInitializer(const Napi::Object& object) {
  const std::string kind = Text(object, "kind");
  if (kind == "constant") return {Initializer::Kind::kConstant, Number(object, "value")};
  if (kind == "uniform") return {Initializer::Kind::kUniform, Number(object, "value")};
  if (kind == "normal") return {Initializer::Kind::kNormal, Number(object, "value")};
  ThrowInternal("initializer", "constant, uniform or normal", "'" + kind + "'");
}

Node ToNode(const Napi::Object& object) {
  Node node;
  node.op = Text(object, "op");
  node.name = Text(object, "name");
  node.dtype = ToDType(Field(object, "dtype"));
  node.shape = Sizes(object, "shape");
  for (int64_t input : Sizes(object, "inputs")) node.inputs.push_back(static_cast<int32_t>(input));
  const Napi::Object attributes = Child(object, "attributes");
  const Napi::Array keys = attributes.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).As<Napi::String>().Utf8Value();
    node.attributes[key] = attributes.Get(key).As<Napi::Number>().DoubleValue();
  }
  return node;
}

TensorData ToTensor(const Napi::Object& object) {
  TensorData tensor;
  tensor.dtype = ToDType(Field(object, "dtype"));
  tensor.shape = Sizes(object, "shape");
  CheckShape("tensor", tensor.shape);
  const Napi::Value data = Field(object, "data");
  if (!data.IsTypedArray()) ThrowInternal("tensor", "a typed array", "another value");
  const auto array = data.As<Napi::TypedArray>();
  tensor.bytes.resize(array.ByteLength());
  if (!tensor.bytes.empty()) {
    std::memcpy(tensor.bytes.data(), static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(), tensor.bytes.size());
  }
  return tensor;
}

OptimizerSpec ToOptimizer(const Napi::Object& object) {
  OptimizerSpec spec;
  const std::string kind = Text(object, "kind");
  spec.learning_rate = Number(object, "learningRate");
  spec.weight_decay = Number(object, "weightDecay");
  if (kind == "sgd") {
    spec.kind = OptimizerSpec::Kind::kSgd;
    spec.momentum = Number(object, "momentum");
    spec.nesterov = Flag(object, "nesterov");
    return spec;
  }
  if (kind != "adam" && kind != "adamW") ThrowInternal("optimizer.kind", "sgd, adam or adamW", "'" + kind + "'");
  spec.kind = kind == "adam" ? OptimizerSpec::Kind::kAdam : OptimizerSpec::Kind::kAdamW;
  spec.beta1 = Number(object, "beta1");
  spec.beta2 = Number(object, "beta2");
  spec.epsilon = Number(object, "epsilon");
  return spec;
}

ScheduleSpec ToSchedule(const Napi::Object& object) {
  ScheduleSpec spec;
  const std::string kind = Text(object, "kind");
  if (kind == "constant") return spec;
  if (kind == "step") {
    spec.kind = ScheduleSpec::Kind::kStep;
    spec.every_epochs = std::max<int64_t>(1, Integer(object, "everyEpochs"));
    spec.factor = Number(object, "factor");
    return spec;
  }
  spec.warmup_fraction = Number(object, "warmupFraction");
  if (kind == "cosine") {
    spec.kind = ScheduleSpec::Kind::kCosine;
    spec.minimum_factor = Number(object, "minimumFactor");
    return spec;
  }
  if (kind != "oneCycle") ThrowInternal("schedule.kind", "constant, step, cosine or oneCycle", "'" + kind + "'");
  spec.kind = ScheduleSpec::Kind::kOneCycle;
  spec.start_divisor = Number(object, "startDivisor");
  spec.end_divisor = Number(object, "endDivisor");
  return spec;
}

std::optional<TensorFile> OptionalFile(const Napi::Object& object, const char* key) {
  const Napi::Value value = Field(object, key);
  if (value.IsNull()) return std::nullopt;
  return ToTensorFile(value.As<Napi::Object>());
}

Napi::Object FromHistogram(Napi::Env env, const Histogram& histogram) {
  Napi::Object object = Napi::Object::New(env);
  auto list = [&](const std::vector<double>& values) {
    Napi::Array array = Napi::Array::New(env, values.size());
    for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, values[i]);
    return array;
  };
  object.Set("left", histogram.left);
  object.Set("limits", list(histogram.limits));
  object.Set("counts", list(histogram.counts));
  return object;
}

}  // namespace

DType ToDType(const Napi::Value& value) {
  const std::string name = value.As<Napi::String>().Utf8Value();
  if (name == "float32") return DType::kFloat32;
  if (name == "float64") return DType::kFloat64;
  if (name == "int64") return DType::kInt64;
  if (name == "bool") return DType::kBool;
  ThrowInternal("dtype", "float32, float64, int64 or bool", "'" + name + "'");
}

Program ToProgram(const Napi::Object& object) {
  Program program;
  Each(object, "nodes", [&](const Napi::Value& value) { program.nodes.push_back(ToNode(value.As<Napi::Object>())); });
  Each(object, "parameters", [&](const Napi::Value& value) {
    const auto item = value.As<Napi::Object>();
    program.parameters.push_back({Text(item, "name"), Sizes(item, "shape"), ToInitializer(Child(item, "initializer"))});
    CheckShape(program.parameters.back().name, program.parameters.back().shape);
  });
  Each(object, "buffers", [&](const Napi::Value& value) {
    const auto item = value.As<Napi::Object>();
    program.buffers.push_back({Text(item, "name"), Sizes(item, "shape"), Number(item, "fill")});
    CheckShape(program.buffers.back().name, program.buffers.back().shape);
  });
  Each(object, "tensors", [&](const Napi::Value& value) { program.tensors.push_back(ToTensor(value.As<Napi::Object>())); });
  Each(object, "outputs", [&](const Napi::Value& value) {
    const auto item = value.As<Napi::Object>();
    program.outputs.emplace_back(Text(item, "name"), static_cast<int32_t>(Integer(item, "node")));
  });
  CheckProgram(program);
  return program;
}

TensorFile ToTensorFile(const Napi::Object& object) {
  TensorFile file;
  file.path = Text(object, "path");
  Each(object, "tensors", [&](const Napi::Value& value) {
    const auto item = value.As<Napi::Object>();
    TensorLocation tensor{Text(item, "name"), ToDType(Field(item, "dtype")), Sizes(item, "shape"), Integer(item, "begin"),
                          Integer(item, "end")};
    CheckShape(tensor.name, tensor.shape);
    file.tensors.push_back(std::move(tensor));
  });
  const Napi::Object metadata = Child(object, "metadata");
  const Napi::Array keys = metadata.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).As<Napi::String>().Utf8Value();
    file.metadata[key] = metadata.Get(key).As<Napi::String>().Utf8Value();
  }
  return file;
}

FeedSource ToFeedSource(const Napi::Object& object) {
  FeedSource source;
  source.float_columns = Integer(object, "floatColumns");
  source.index_columns = Integer(object, "indexColumns");
  source.has_label = Flag(object, "hasLabel");
  source.label_is_index = Flag(object, "labelIsIndex");
  source.label_columns = Integer(object, "labelColumns");
  source.has_weight = Flag(object, "hasWeight");
  Each(object, "shards", [&](const Napi::Value& value) {
    const auto item = value.As<Napi::Object>();
    source.shards.push_back({Text(item, "path"), Integer(item, "rows"), Integer(item, "floatBegin"), Integer(item, "indexBegin"),
                             Integer(item, "labelBegin"), Integer(item, "weightBegin")});
  });
  return source;
}

TrainRequest ToTrainRequest(const Napi::Object& object) {
  TrainRequest request;
  request.program = ToProgram(Child(object, "program"));
  request.dtype = ToDType(Field(object, "dtype"));
  request.optimizer = ToOptimizer(Child(object, "optimizer"));
  request.schedule = ToSchedule(Child(object, "schedule"));
  request.batch_size = std::max<int64_t>(1, Integer(object, "batchSize"));
  request.max_epochs = Integer(object, "maxEpochs");
  request.patience = Integer(object, "patience");
  request.minimum_delta = Number(object, "minimumDelta");
  request.clip_norm = Number(object, "clipNorm");
  request.seed = static_cast<uint64_t>(Integer(object, "seed"));
  request.gradient_shards = std::max<int32_t>(1, static_cast<int32_t>(Integer(object, "gradientShards")));
  request.threads = static_cast<int32_t>(Integer(object, "threads"));
  request.device = Text(object, "device") == "cuda" ? Device::kCuda : Device::kCpu;
  request.compiled = Flag(object, "compiled");
  request.train = ToFeedSource(Child(object, "train"));
  request.validation = ToFeedSource(Child(object, "validation"));
  request.weights_path = Text(object, "weightsPath");
  request.checkpoint_path = Text(object, "checkpointPath");
  request.fingerprint = Text(object, "fingerprint");
  request.checkpoint_seconds = Number(object, "checkpointSeconds");
  request.initial = OptionalFile(object, "initial");
  request.resume = OptionalFile(object, "resume");
  return request;
}

ScoreRequest ToScoreRequest(const Napi::Object& object) {
  ScoreRequest request;
  request.program = ToProgram(Child(object, "program"));
  request.dtype = ToDType(Field(object, "dtype"));
  request.feed = ToFeedSource(Child(object, "feed"));
  request.weights = ToTensorFile(Child(object, "weights"));
  request.threads = static_cast<int32_t>(Integer(object, "threads"));
  request.device = Text(object, "device") == "cuda" ? Device::kCuda : Device::kCpu;
  return request;
}

SingleRun ToSingleRun(const Napi::Object& object) {
  SingleRun run;
  run.training = Flag(object, "training");
  run.seed = static_cast<uint64_t>(Integer(object, "seed"));
  run.step = static_cast<uint64_t>(Integer(object, "step"));
  run.objective = static_cast<int32_t>(Integer(object, "objective"));
  return run;
}

Napi::Object FromTensor(Napi::Env env, const TensorData& tensor) {
  static const char* const names[] = {"float32", "float64", "int64", "bool"};
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, tensor.bytes.size());
  if (!tensor.bytes.empty()) std::memcpy(buffer.Data(), tensor.bytes.data(), tensor.bytes.size());
  Napi::Array shape = Napi::Array::New(env, tensor.shape.size());
  for (uint32_t i = 0; i < tensor.shape.size(); ++i) shape.Set(i, static_cast<double>(tensor.shape[i]));
  Napi::Object object = Napi::Object::New(env);
  object.Set("dtype", names[static_cast<int>(tensor.dtype)]);
  object.Set("shape", shape);
  object.Set("buffer", buffer);
  return object;
}

Napi::Object FromEvent(Napi::Env env, const Program& program, const TrainEvent& event) {
  static const char* const kinds[] = {"started", "restored", "progress", "epoch", "checkpoint", "checkpointUnusable"};
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", kinds[static_cast<int>(event.kind)]);
  object.Set("epoch", static_cast<double>(event.epoch));
  object.Set("step", static_cast<double>(event.step));
  object.Set("steps", static_cast<double>(event.steps));
  object.Set("trainLoss", event.train_loss);
  object.Set("validationLoss", event.validation_loss);
  object.Set("learningRate", event.learning_rate);
  object.Set("rowsPerSecond", event.rows_per_second);
  object.Set("best", event.best);
  object.Set("compiled", event.compiled);
  object.Set("reason", event.reason);
  auto by_name = [&](const std::vector<Histogram>& histograms) {
    Napi::Object result = Napi::Object::New(env);
    for (size_t i = 0; i < histograms.size(); ++i) result.Set(program.parameters[i].name, FromHistogram(env, histograms[i]));
    return result;
  };
  object.Set("weights", by_name(event.weights));
  object.Set("gradients", by_name(event.gradients));
  return object;
}

Napi::Object FromOutcome(Napi::Env env, const TrainOutcome& outcome) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("bestEpoch", static_cast<double>(outcome.best_epoch));
  object.Set("epochs", static_cast<double>(outcome.epochs));
  object.Set("steps", static_cast<double>(outcome.steps));
  object.Set("validationLoss", outcome.validation_loss);
  object.Set("trainLoss", outcome.train_loss);
  object.Set("durationMs", outcome.duration_ms);
  object.Set("rowsPerSecond", outcome.rows_per_second);
  object.Set("compiled", outcome.compiled);
  return object;
}

Failure CurrentFailure() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.path(), error.expected(), error.received(), error.hint(), error.details()};
  } catch (const std::bad_alloc&) {
    return {"INTERNAL", "native", "enough memory", "none left", "Lower batchSize or the memory of other stages.", {}};
  } catch (const std::exception& error) {
    // c10::Error's text carries a C++ backtrace after its first line.
    std::string text = error.what();
    text = text.substr(0, text.find('\n'));
    return {"INTERNAL", "native", "no error from libtorch", text, "", {}};
  } catch (...) {
    return {"INTERNAL", "native", "a known exception", "another one", "", {}};
  }
}

Napi::Error FromFailure(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.path + ": expected " + failure.expected + "; received " + failure.received + ".");
  Napi::Object details = Napi::Object::New(env);
  for (const auto& [key, value] : failure.details) details.Set(key, value);
  error.Set("code", Napi::String::New(env, failure.code));
  error.Set("path", Napi::String::New(env, failure.path));
  error.Set("expected", Napi::String::New(env, failure.expected));
  error.Set("received", Napi::String::New(env, failure.received));
  error.Set("hint", Napi::String::New(env, failure.hint));
  error.Set("details", details);
  return error;
}

}  // namespace millrace
