#include "thread_pool.h"

namespace millrace {
namespace {

// A step of a small network lasts some 200 µs: a sleeping thread would wake too late to help. Short, because the
// machine may be shared.
constexpr int kSpins = 4000;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int32_t threads, const std::function<void()>& prepare) {
  prepare();
  for (int32_t i = 1; i < threads; ++i) {
    threads_.emplace_back([this, prepare, i] {
      prepare();
      Work(i);
    });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    ++generation_;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Take(int32_t worker) {
  for (int32_t index = next_++; index < count_; index = next_++) {
    try {
      (*task_)(index, worker);
    } catch (...) {
      errors_[static_cast<size_t>(index)] = std::current_exception();
    }
  }
}

void ThreadPool::Work(int32_t worker) {
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin) Pause();
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
    }
    seen = generation_.load();
    if (stop_) return;
    Take(worker);
    if (--active_ == 0) {
      std::lock_guard lock(mutex_);
      done_.notify_one();
    }
  }
}

void ThreadPool::Run(int32_t count, const std::function<void(int32_t, int32_t)>& task) {
  errors_.assign(static_cast<size_t>(count), nullptr);
  if (threads_.empty() || count <= 1) {
    for (int32_t index = 0; index < count; ++index) task(index, 0);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    count_ = count;
    task_ = &task;
    next_ = 0;
    active_ = static_cast<int32_t>(threads_.size());
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  Take(0);
  for (int spin = 0; spin < kSpins && active_.load() != 0; ++spin) Pause();
  if (active_.load() != 0) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return active_.load() == 0; });
  }
  for (const std::exception_ptr& error : errors_) {
    if (error != nullptr) std::rethrow_exception(error);
  }
}

}  // namespace millrace
