// Threads over fixed chunks of work.
//
// The chunk boundaries depend on the problem alone, never on the number of threads, so anything
// reduced per chunk and then over chunks in order is the same for any thread count.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace salanet {

// The entry of the OpenMP library that PyTorch has loaded, or null. Its idle threads spin for a while
// after each of PyTorch's own operations; threads of ours would fight them for the cores and lose
// milliseconds. Shared, they start within microseconds. The other side: OpenMP waits at the end of
// each call for threads that other programs keep from the cores, ours only for those that have
// started. Kernels of many short calls, not run between PyTorch's, define SALANET_OWN_THREADS.
using OpenMpFork = void (*)(void (*)(void*), void*, unsigned, unsigned);

inline OpenMpFork shared_openmp() {
#if !defined(SALANET_OWN_THREADS) && (defined(__unix__) || defined(__APPLE__))
  return reinterpret_cast<OpenMpFork>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
#else
  return nullptr;
#endif
}

// PyTorch's threads, or without PyTorch a pool that lives as long as the process. `run` hands out
// chunk numbers 0..chunks-1; the calling thread works too. Calls to the pool take turns.
class Pool {
 public:
  explicit Pool(OpenMpFork openmp) : openmp_(openmp) {}

  static Pool& instance() {
    // Leaked on purpose: workers may outlive static destruction. A forked child inherits no threads,
    // neither ours nor OpenMP's, and perhaps a lock that nobody will release: it gets a new pool.
    static std::atomic<Pool*> pool = [] {
#if defined(__unix__) || defined(__APPLE__)
      pthread_atfork(nullptr, nullptr, [] { pool = new Pool(nullptr); });
#endif
      return new Pool(shared_openmp());
    }();
    return *pool;
  }

  // What a chunk throws is thrown here: of several errors that of the lowest chunk, whatever the
  // number of threads. No thread can be left to end the process with it.
  void run(int64_t chunks, int threads, const std::function<void(int64_t)>& body) {
    if (threads <= 1 || chunks <= 1) {
      for (int64_t chunk = 0; chunk < chunks; ++chunk) body(chunk);
      return;
    }
    Job job(body, chunks);
    if (openmp_ != nullptr)
      openmp_([](void* self) { static_cast<Job*>(self)->work(); }, &job,
              static_cast<unsigned>(threads), 0);
    else
      run_here(job, threads - 1);
    job.finish();
  }

 private:
  class Job {
   public:
    Job(const std::function<void(int64_t)>& body, int64_t chunks)
        : body_(body), chunks_(chunks), failed_(chunks) {}

    void work() noexcept {
      for (;;) {
        const int64_t chunk = next_.fetch_add(1, std::memory_order_relaxed);
        if (chunk >= chunks_) return;
        try {
          body_(chunk);
        } catch (...) {
          fail(chunk);
        }
      }
    }

    void finish() const {
      if (error_) std::rethrow_exception(error_);
    }

   private:
    void fail(int64_t chunk) {
      const std::lock_guard<std::mutex> lock(mutex_);
      next_.store(chunks_, std::memory_order_relaxed);  // the rest is not begun
      if (chunk >= failed_) return;
      failed_ = chunk;
      error_ = std::current_exception();
    }

    const std::function<void(int64_t)>& body_;
    const int64_t chunks_;
    std::atomic<int64_t> next_{0};
    std::mutex mutex_;
    int64_t failed_;
    std::exception_ptr error_;
  };

  void run_here(Job& job, int helpers) {
    const std::lock_guard<std::mutex> turn(turn_);
    helpers = grow(helpers);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      helpers_wanted_ = helpers;
      working_ = 0;
      ++round_;
    }
    wake_.notify_all();
    job.work();
    std::unique_lock<std::mutex> lock(mutex_);
    helpers_wanted_ = 0;  // a helper that has not started yet has nothing left to do
    done_.wait(lock, [&] { return working_ == 0; });
    job_ = nullptr;
  }

  // How many helpers there are, of those wanted: fewer where the system gives no more threads.
  int grow(int wanted) {
    try {
      for (; workers_ < wanted; ++workers_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
    }
    return std::min(workers_, wanted);
  }

  void serve() {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return round_ != seen && helpers_wanted_ > 0; });
      seen = round_;
      --helpers_wanted_;
      ++working_;
      Job& job = *job_;
      lock.unlock();
      job.work();
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }

  const OpenMpFork openmp_;
  std::mutex turn_, mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  uint64_t round_ = 0;
  int workers_ = 0;
  int helpers_wanted_ = 0;
  int working_ = 0;
};

// body(begin, end, chunk) over [0, total) cut into pieces of `grain`.
template <typename Body>
void parallel_for(int64_t total, int64_t grain, int threads, Body&& body) {
  const int64_t chunks = (total + grain - 1) / grain;
  Pool::instance().run(chunks, threads, [&](int64_t chunk) {
    const int64_t begin = chunk * grain;
    const int64_t end = begin + grain < total ? begin + grain : total;
    body(begin, end, chunk);
  });
}

}  // namespace salanet
