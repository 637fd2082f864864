// A fixed set of threads that take numbered tasks. The caller takes part, so a pool of one has no threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace millrace {

class ThreadPool {
 public:
  // `prepare` runs once on every thread of the pool, and on the caller.
  ThreadPool(int32_t threads, const std::function<void()>& prepare);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int32_t size() const { return static_cast<int32_t>(threads_.size()) + 1; }

  // Runs task(index, worker) for index 0 … count - 1, each once, in any order, and returns when all are done.
  // `worker` is below size() and no two tasks run on one worker at once.
  // Throws: what the task of the lowest number threw.
  void Run(int32_t count, const std::function<void(int32_t, int32_t)>& task);

 private:
  void Work(int32_t worker);
  void Take(int32_t worker);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int32_t> next_{0}, active_{0};
  int32_t count_ = 0;
  const std::function<void(int32_t, int32_t)>* task_ = nullptr;
  std::atomic<bool> stop_{false};
  std::vector<std::exception_ptr> errors_;
};

}  // namespace millrace
