#include "trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "../core/error.h"
#include "../core/thread_pool.h"
#include "checkpoint.h"
#include "histogram.h"
#include "shuffle.h"

namespace millrace {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Below this many elements an update is not worth waking a thread for.
constexpr int64_t kSliceElements = 1 << 17;

class Trainer {
 public:
  Trainer(const TrainRequest& request, const std::function<void(TrainEvent)>& on_event,
          const std::atomic<bool>& cancelled)
      : request_(request),
        on_event_(on_event),
        cancelled_(cancelled),
        train_(request.train, request.dtype),
        validation_(request.validation, request.dtype),
        state_(request.program, request.dtype),
        sites_(FindBatchNormSites(request.program)),
        shards_(request.gradient_shards),
        pool_(std::max(1, request.threads), PrepareThread) {
    if (train_.rows() == 0) throw Error("DATA_EMPTY", "feed.train", "at least one row", "0 rows");
    if (validation_.rows() == 0) throw Error("DATA_EMPTY", "feed.validation", "at least one row", "0 rows");
    if (train_.rows() > std::numeric_limits<uint32_t>::max()) {
      throw Error("DATA_OUT_OF_RANGE", "feed.train", "at most 4294967295 rows", std::to_string(train_.rows()));
    }
    const Weights& weights = state_.current.weights();
    const int64_t shard_rows = (request.batch_size + shards_ - 1) / shards_;
    for (int32_t i = 0; i < pool_.size(); ++i) {
      std::unique_ptr<ShardStep> step;
      if (request.compiled && request.device == Device::kCpu) {
        step = MakeCompiledStep(request.program, weights, shard_rows);
      }
      compiled_ = step != nullptr;
      if (step == nullptr) step = MakeAutogradStep(request.program, weights, request.device);
      workers_.push_back({std::move(step), MakeEvaluator(request.program, weights, request.device),
                          FeedBatch(request.train, request.dtype, shard_rows),
                          FeedBatch(request.validation, request.dtype, kEvaluationRows)});
    }
    const int64_t size = ByteSize(request.dtype);
    for (int32_t i = 0; i < shards_; ++i) {
      gradients_.emplace_back(weights.parameter_layout.total * size);
      statistics_.emplace_back(StatisticsSize(sites_) * size);
    }
    results_.resize(static_cast<size_t>(shards_));
    batches_ = (train_.rows() + request.batch_size - 1) / request.batch_size;
    total_steps_ = batches_ * request.max_epochs;
  }

  TrainOutcome Run() {
    Restore();
    Progress& progress = state_.progress;
    TrainEvent started = Event(TrainEvent::Kind::kStarted);
    started.compiled = compiled_;
    on_event_(std::move(started));
    TellRestored();
    const Clock::time_point start = Clock::now();
    last_checkpoint_ = last_event_ = start;
    int64_t rows_done = 0;
    double step_seconds = 0;
    while (progress.epoch < request_.max_epochs && !Exhausted()) {
      ShuffleRows(request_.seed, progress.epoch, train_.rows(), order_);
      const Clock::time_point epoch_start = Clock::now();
      rows_since_event_ = 0;
      last_event_ = epoch_start;
      while (progress.batch < batches_) {
        if (cancelled_) Cancel();
        rows_done += Step();
        if (SecondsSince(last_checkpoint_) >= request_.checkpoint_seconds && progress.batch < batches_) Checkpoint();
      }
      step_seconds += SecondsSince(epoch_start);
      EndEpoch();
    }
    WriteSafetensors(request_.weights_path, state_.best.Views(""), {{"format", "pt"}}, false);
    TrainOutcome outcome;
    outcome.best_epoch = progress.best_epoch;
    outcome.epochs = progress.epoch;
    outcome.steps = progress.step;
    outcome.validation_loss = progress.best_loss;
    outcome.train_loss = progress.best_train_loss;
    outcome.duration_ms = SecondsSince(start) * 1000;
    outcome.rows_per_second = step_seconds > 0 ? static_cast<double>(rows_done) / step_seconds : 0;
    outcome.compiled = compiled_;
    return outcome;
  }

 private:
  struct Worker {
    std::unique_ptr<ShardStep> step;
    std::unique_ptr<ShardEvaluator> evaluator;
    FeedBatch batch, evaluation_batch;
  };

  TrainEvent Event(TrainEvent::Kind kind) const {
    TrainEvent event;
    event.kind = kind;
    event.epoch = state_.progress.epoch;
    event.step = state_.progress.step;
    event.steps = total_steps_;
    return event;
  }

  bool Exhausted() const { return request_.patience >= 0 && state_.progress.stale_epochs >= std::max<int64_t>(1, request_.patience); }

  void Restore() {
    if (request_.resume.has_value()) {
      try {
        LoadCheckpoint(*request_.resume, request_.program, request_.fingerprint, state_);
        if (state_.progress.epoch <= request_.max_epochs && state_.progress.batch <= batches_) {
          // A training that stopped between the last step of an epoch and its validation takes no step of this epoch.
          if (state_.progress.step > 0) learning_rate_ = LearningRate(state_.progress.step - 1);
          return;
        }
        throw Error("ARTIFACT_CORRUPT", request_.resume->path, "a position inside this training", "one beyond it");
      } catch (const Error& error) {
        TrainEvent event = Event(TrainEvent::Kind::kCheckpointUnusable);
        event.reason = error.what();
        on_event_(std::move(event));
        state_.progress = Progress();
        state_.curve.clear();
        std::memset(state_.first.data(), 0, static_cast<size_t>(state_.first.bytes()));
        std::memset(state_.second.data(), 0, static_cast<size_t>(state_.second.bytes()));
      }
    }
    state_.current.Initialize(request_.seed);
    if (request_.initial.has_value()) state_.current.Load(*request_.initial, "");
  }

  // The losses of the epochs that an earlier attempt finished: its process may have died before it told them.
  void TellRestored() const {
    for (size_t epoch = 0; epoch < state_.curve.size(); ++epoch) {
      const CurvePoint& point = state_.curve[epoch];
      TrainEvent event = Event(TrainEvent::Kind::kRestored);
      event.epoch = static_cast<int64_t>(epoch);
      event.step = point.step;
      event.train_loss = point.train_loss;
      event.validation_loss = point.validation_loss;
      event.learning_rate = point.learning_rate;
      on_event_(std::move(event));
    }
  }

  double LearningRate(int64_t step) const {
    return request_.optimizer.learning_rate * ScheduleFactor(request_.schedule, step, step / batches_, total_steps_);
  }

  // One batch; returns its rows.
  int64_t Step() {
    Progress& progress = state_.progress;
    const int64_t first = progress.batch * request_.batch_size;
    const int64_t rows = std::min(request_.batch_size, train_.rows() - first);
    const int64_t bytes = state_.current.parameter_bytes();
    pool_.Run(shards_, [&](int32_t shard, int32_t index) {
      const RowRange range = ShardRange(rows, shards_, shard);
      const auto at = static_cast<size_t>(shard);
      results_[at] = ShardResult();
      if (range.begin == range.end) {
        std::memset(gradients_[at].data(), 0, static_cast<size_t>(bytes));
        return;
      }
      Worker& worker = workers_[static_cast<size_t>(index)];
      ShardInput input = train_.Gather(order_.data() + first + range.begin, 0, range.end - range.begin, worker.batch);
      input.first_row = range.begin;
      input.seed = request_.seed;
      input.step = static_cast<uint64_t>(progress.step);
      results_[at] = worker.step->Run(input, gradients_[at].data(), statistics_[at].data());
    });
    double loss = 0, weight = 0;
    for (const ShardResult& result : results_) {
      loss += result.loss_sum;
      weight += result.weight_sum;
    }
    if (!std::isfinite(loss) || !std::isfinite(weight)) Diverge(loss, progress.epoch, progress.step);
    for (int32_t shard = 0; shard < shards_; ++shard) {
      const RowRange range = ShardRange(rows, shards_, shard);
      ApplyStatistics(sites_, state_.current.weights(), statistics_[static_cast<size_t>(shard)].data(), range.end - range.begin);
    }
    learning_rate_ = LearningRate(progress.step);
    if (request_.dtype == DType::kFloat64) {
      Update<double>(weight);
    } else {
      Update<float>(weight);
    }
    progress.loss_sum += loss;
    progress.weight_sum += weight;
    ++progress.step;
    ++progress.batch;
    rows_since_event_ += rows;
    Report();
    return rows;
  }

  // Sums the shards' gradients, divides by the batch's weight, clips, and updates the parameters.
  template <typename T>
  void Update(double weight) {
    std::vector<T*> gradients;
    for (AlignedBuffer& buffer : gradients_) gradients.push_back(buffer.as<T>());
    const double scale = weight > 0 ? 1.0 / weight : 0.0;
    const int64_t total = state_.current.weights().parameter_layout.total;
    const bool clips = request_.clip_norm >= 0;
    ForSlices(total, [&](int64_t begin, int64_t end) {
      SumShards<T>(gradients.data(), shards_, scale, begin, end);
      if (!clips) UpdateRange<T>(gradients[0], begin, end);
    });
    if (!clips) return;
    const double norm = std::sqrt(SquareSum<T>(gradients[0], 0, total));
    const double factor = request_.clip_norm / (norm + 1e-6);
    ForSlices(total, [&](int64_t begin, int64_t end) {
      if (factor < 1) ScaleSlice<T>(gradients[0], factor, begin, end);
      UpdateRange<T>(gradients[0], begin, end);
    });
  }

  template <typename T>
  void UpdateRange(T* gradients, int64_t begin, int64_t end) {
    auto* parameters = static_cast<T*>(state_.current.weights().parameters);
    // In blocks, so that gradients are still in the cache.
    for (int64_t at = begin; at < end; at += 4096) {
      UpdateSlice<T>(request_.optimizer, learning_rate_, state_.progress.step + 1,
                     {parameters, state_.first.as<T>(), state_.second.as<T>(), gradients, at, std::min(end, at + 4096)});
    }
  }

  // Elementwise work over [0, total), in slices over the pool where it is long.
  void ForSlices(int64_t total, const std::function<void(int64_t, int64_t)>& work) {
    const auto slices = static_cast<int32_t>(std::min<int64_t>(pool_.size(), (total + kSliceElements - 1) / kSliceElements));
    pool_.Run(std::max(1, slices), [&](int32_t slice, int32_t) {
      const RowRange range = ShardRange(total / 16, std::max(1, slices), slice);
      work(range.begin * 16, range.end * 16);
    });
  }

  void Report() {
    const double seconds = SecondsSince(last_event_);
    if (seconds < 0.25) return;
    TrainEvent event = Event(TrainEvent::Kind::kProgress);
    event.train_loss = TrainLoss();
    event.learning_rate = learning_rate_;
    event.rows_per_second = static_cast<double>(rows_since_event_) / seconds;
    rows_since_event_ = 0;
    last_event_ = Clock::now();
    on_event_(std::move(event));
  }

  double TrainLoss() const {
    return state_.progress.weight_sum > 0 ? state_.progress.loss_sum / state_.progress.weight_sum : 0.0;
  }

  double ValidationLoss() {
    const int64_t rows = validation_.rows();
    const auto tasks = static_cast<int32_t>((rows + kEvaluationRows - 1) / kEvaluationRows);
    std::vector<ShardResult> results(static_cast<size_t>(tasks));
    pool_.Run(tasks, [&](int32_t task, int32_t index) {
      if (cancelled_) return;
      Worker& worker = workers_[static_cast<size_t>(index)];
      const int64_t first = task * kEvaluationRows, count = std::min(kEvaluationRows, rows - first);
      const ShardInput input = validation_.Gather(nullptr, first, count, worker.evaluation_batch);
      results[static_cast<size_t>(task)] = worker.evaluator->Loss(input);
    });
    double loss = 0, weight = 0;
    for (const ShardResult& result : results) {
      loss += result.loss_sum;
      weight += result.weight_sum;
    }
    // A loss of 0 would make the first epoch the best one.
    if (!(weight > 0) && std::isfinite(loss) && !cancelled_) {
      throw Error("DATA_OUT_OF_RANGE", "feed.validation", "rows whose weights sum to more than 0",
                  std::to_string(rows) + " rows that weigh " + std::to_string(weight),
                  "Mend the weights of rows or classes.");
    }
    return loss / weight;
  }

  void EndEpoch() {
    Progress& progress = state_.progress;
    const double train_loss = TrainLoss(), validation_loss = ValidationLoss();
    // The position is still inside the epoch: a resumed run validates again.
    if (cancelled_) Cancel();
    if (!std::isfinite(validation_loss)) Diverge(validation_loss, progress.epoch, progress.step);
    const bool first = progress.best_epoch < 0, best = first || validation_loss < progress.best_loss;
    TrainEvent event = Event(TrainEvent::Kind::kEpoch);
    if (best) {
      state_.best.CopyFrom(state_.current);
      progress.best_epoch = progress.epoch;
      progress.best_loss = validation_loss;
      progress.best_train_loss = train_loss;
    }
    if (first || validation_loss < progress.reference_loss - request_.minimum_delta) {
      progress.reference_loss = validation_loss;
      progress.stale_epochs = 0;
    } else {
      ++progress.stale_epochs;
    }
    state_.curve.push_back({progress.step, train_loss, validation_loss, learning_rate_});
    ++progress.epoch;
    progress.batch = 0;
    progress.loss_sum = progress.weight_sum = 0;
    Checkpoint();
    const Weights& weights = state_.current.weights();
    event.train_loss = train_loss;
    event.validation_loss = validation_loss;
    event.learning_rate = learning_rate_;
    event.best = best;
    event.weights = Histograms(weights.parameter_layout, weights.dtype, weights.parameters);
    event.gradients = Histograms(weights.parameter_layout, weights.dtype, gradients_[0].data());
    on_event_(std::move(event));
  }

  void Checkpoint() {
    SaveCheckpoint(request_.checkpoint_path, request_.program, state_, request_.fingerprint);
    last_checkpoint_ = Clock::now();
    on_event_(Event(TrainEvent::Kind::kCheckpoint));
  }

  [[noreturn]] void Cancel() {
    SaveCheckpoint(request_.checkpoint_path, request_.program, state_, request_.fingerprint);
    throw Error("CANCELLED", "training", "to run to the end",
                "a cancellation at step " + std::to_string(state_.progress.step));
  }

  [[noreturn]] static void Diverge(double loss, int64_t epoch, int64_t step) {
    const std::string value = std::isnan(loss) ? "NaN" : loss > 0 ? "infinity" : "-infinity";
    throw Error("TRAIN_DIVERGED", "training", "a finite loss",
                value + " at step " + std::to_string(step) + " (epoch " + std::to_string(epoch) + ")",
                "Lower training.optimizer.learningRate, or set training.gradientClipNorm.")
        .With("step", static_cast<double>(step))
        .With("epoch", static_cast<double>(epoch));
  }

  const TrainRequest& request_;
  const std::function<void(TrainEvent)>& on_event_;
  const std::atomic<bool>& cancelled_;
  FeedReader train_, validation_;
  TrainState state_;
  std::vector<BatchNormSite> sites_;
  int32_t shards_;
  ThreadPool pool_;
  std::vector<Worker> workers_;
  std::vector<AlignedBuffer> gradients_, statistics_;
  std::vector<ShardResult> results_;
  std::vector<uint32_t> order_;
  int64_t batches_ = 0, total_steps_ = 0, rows_since_event_ = 0;
  double learning_rate_ = 0;
  bool compiled_ = false;
  Clock::time_point last_checkpoint_, last_event_;
};

}  // namespace

TrainOutcome Train(const TrainRequest& request, const std::function<void(TrainEvent)>& on_event,
                   const std::atomic<bool>& cancelled) {
  return Trainer(request, on_event, cancelled).Run();
}

}  // namespace millrace
