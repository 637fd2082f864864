#include "checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "../core/error.h"
#include "../core/mapped_file.h"

namespace millrace {
namespace {

// Hexadecimal, so that a double comes back with the same bits.
std::string Exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

// Visits every field under its name in the metadata.
template <typename P, typename Integer, typename Real>
void VisitProgress(P& progress, Integer integer, Real real) {
  integer("epoch", progress.epoch);
  integer("batch", progress.batch);
  integer("step", progress.step);
  integer("bestEpoch", progress.best_epoch);
  integer("staleEpochs", progress.stale_epochs);
  real("lossSum", progress.loss_sum);
  real("weightSum", progress.weight_sum);
  real("bestLoss", progress.best_loss);
  real("bestTrainLoss", progress.best_train_loss);
  real("referenceLoss", progress.reference_loss);
}

std::string Metadata(const TensorFile& file, const std::string& key) {
  auto found = file.metadata.find(key);
  if (found == file.metadata.end()) throw Error("ARTIFACT_CORRUPT", file.path, "metadata '" + key + "'", "none");
  return found->second;
}

// "step,train,validation,rate;" for every epoch.
std::string CurveText(const std::vector<CurvePoint>& curve) {
  std::string text;
  for (const CurvePoint& point : curve) {
    text += std::to_string(point.step) + ',' + Exact(point.train_loss) + ',' + Exact(point.validation_loss) + ',' +
            Exact(point.learning_rate) + ';';
  }
  return text;
}

std::vector<CurvePoint> ParseCurve(const TensorFile& file, int64_t epochs) {
  const std::string text = Metadata(file, "curve");
  std::vector<CurvePoint> curve;
  const char* at = text.c_str();
  // Every number is followed by its mark; a text that is cut anywhere does not parse.
  auto after = [&](char* end, char mark) {
    if (end == at || *end != mark) throw Error("ARTIFACT_CORRUPT", file.path, "a curve of numbers", "another text");
    at = end + 1;
  };
  auto real = [&](char mark) {
    char* end = nullptr;
    const double value = std::strtod(at, &end);
    after(end, mark);
    return value;
  };
  while (*at != '\0') {
    CurvePoint point;
    char* end = nullptr;
    point.step = std::strtoll(at, &end, 10);
    after(end, ',');
    point.train_loss = real(',');
    point.validation_loss = real(',');
    point.learning_rate = real(';');
    curve.push_back(point);
  }
  if (static_cast<int64_t>(curve.size()) != epochs) {
    throw Error("ARTIFACT_CORRUPT", file.path, "a curve of " + std::to_string(epochs) + " epochs", std::to_string(curve.size()));
  }
  return curve;
}

void CheckChecksum(const TensorFile& file) {
  const MappedFile mapped(file.path);
  int64_t begin = mapped.size(), end = 0;
  for (const TensorLocation& tensor : file.tensors) {
    begin = std::min(begin, tensor.begin);
    end = std::max(end, tensor.end);
  }
  // Tensor by tensor in file order, as it was written: words do not run across tensors.
  uint64_t hash = kChecksumSeed;
  for (const TensorLocation& tensor : file.tensors) {
    hash = ChecksumWords(hash, mapped.Range(tensor.begin, tensor.end), tensor.end - tensor.begin);
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  const std::string expected = Metadata(file, "checksum");
  if (expected != text) throw Error("ARTIFACT_CORRUPT", file.path, "checksum " + expected, text);
}

}  // namespace

void SaveCheckpoint(const std::string& path, const Program& program, const TrainState& state,
                    const std::string& fingerprint) {
  const Weights& weights = state.current.weights();
  std::vector<TensorView> views = state.current.Views("current/");
  auto append = [&](std::vector<TensorView> more) { views.insert(views.end(), more.begin(), more.end()); };
  append(FlatViews(program, weights.parameter_layout, weights.dtype, state.first.data(), "optimizer/first/"));
  append(FlatViews(program, weights.parameter_layout, weights.dtype, state.second.data(), "optimizer/second/"));
  if (state.progress.best_epoch >= 0) append(state.best.Views("best/"));
  std::map<std::string, std::string> metadata{
      {"formatVersion", "2"}, {"fingerprint", fingerprint}, {"curve", CurveText(state.curve)}};
  VisitProgress(
      state.progress, [&](const char* key, int64_t value) { metadata[key] = std::to_string(value); },
      [&](const char* key, double value) { metadata[key] = Exact(value); });
  WriteSafetensors(path, views, std::move(metadata), true);
}

void LoadCheckpoint(const TensorFile& file, const Program& program, const std::string& fingerprint, TrainState& state) {
  const std::string version = Metadata(file, "formatVersion"), found = Metadata(file, "fingerprint");
  if (version != "2") throw Error("ARTIFACT_CORRUPT", file.path, "formatVersion 2", version);
  if (found != fingerprint) throw Error("ARTIFACT_CORRUPT", file.path, "a checkpoint of this training", "one of another");
  CheckChecksum(file);
  VisitProgress(
      state.progress,
      [&](const char* key, int64_t& value) { value = std::strtoll(Metadata(file, key).c_str(), nullptr, 10); },
      [&](const char* key, double& value) { value = std::strtod(Metadata(file, key).c_str(), nullptr); });
  if (state.progress.epoch < 0 || state.progress.batch < 0 || state.progress.step < 0) {
    throw Error("ARTIFACT_CORRUPT", file.path, "a position in the data", "a negative one");
  }
  state.curve = ParseCurve(file, state.progress.epoch);
  const Weights& weights = state.current.weights();
  state.current.Load(file, "current/");
  LoadFlat(program, weights.parameter_layout, weights.dtype, state.first.data(), file, "optimizer/first/");
  LoadFlat(program, weights.parameter_layout, weights.dtype, state.second.data(), file, "optimizer/second/");
  if (state.progress.best_epoch >= 0) state.best.Load(file, "best/");
}

}  // namespace millrace
