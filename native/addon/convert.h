// Napi values to plain C++ and back. All fields are present in every object; null stands for absent.
#pragma once

#include <napi.h>

#include <string>

#include "../core/error.h"
#include "../graph/step.h"
#include "../train/trainer.h"

namespace millrace {

TrainRequest ToTrainRequest(const Napi::Object& object);
ScoreRequest ToScoreRequest(const Napi::Object& object);
Program ToProgram(const Napi::Object& object);
TensorFile ToTensorFile(const Napi::Object& object);
FeedSource ToFeedSource(const Napi::Object& object);
SingleRun ToSingleRun(const Napi::Object& object);
DType ToDType(const Napi::Value& value);

Napi::Object FromTensor(Napi::Env env, const TensorData& tensor);
Napi::Object FromEvent(Napi::Env env, const Program& program, const TrainEvent& event);
Napi::Object FromOutcome(Napi::Env env, const TrainOutcome& outcome);

// An error as data, taken on any thread.
struct Failure {
  std::string code, path, expected, received, hint;
  std::map<std::string, double> details;
};
Failure CurrentFailure() noexcept;  // inside a catch block
Napi::Error FromFailure(Napi::Env env, const Failure& failure);

}  // namespace millrace
