// Threads over fixed chunks of work.
//
// The chunk boundaries depend on the problem alone, never on the number of threads, so anything
// reduced per chunk and then over chunks in order is the same for any thread count.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

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

  void run(int64_t chunks, int threads, const std::function<void(int64_t)>& body) {
    if (threads <= 1 || chunks <= 1) {
      for (int64_t chunk = 0; chunk < chunks; ++chunk) body(chunk);
      return;
    }
    if (openmp_ != nullptr) {
      Shared shared{&body, chunks, {0}};
      openmp_(&Shared::work, &shared, static_cast<unsigned>(threads), 0);
      return;
    }
    std::lock_guard<std::mutex> turn(turn_);
    grow(threads - 1);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      body_ = &body;
      chunks_ = chunks;
      next_.store(0, std::memory_order_relaxed);
      helpers_wanted_ = threads - 1;
      working_ = 0;
      ++round_;
    }
    wake_.notify_all();
    take_chunks(body, chunks, next_);
    std::unique_lock<std::mutex> lock(mutex_);
    helpers_wanted_ = 0;  // a helper that has not started yet has nothing left to do
    done_.wait(lock, [&] { return working_ == 0; });
    body_ = nullptr;
  }

 private:
  struct Shared {  // one call handed to OpenMP
    const std::function<void(int64_t)>* body;
    int64_t chunks;
    std::atomic<int64_t> next;

    static void work(void* self) {
      Shared& shared = *static_cast<Shared*>(self);
      take_chunks(*shared.body, shared.chunks, shared.next);
    }
  };

  static void take_chunks(const std::function<void(int64_t)>& body, int64_t chunks,
                          std::atomic<int64_t>& next) {
    for (;;) {
      const int64_t chunk = next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= chunks) return;
      body(chunk);
    }
  }

  void grow(int helpers) {
    while (static_cast<int>(workers_.size()) < helpers) {
      workers_.emplace_back([this] { work(); });
      workers_.back().detach();
    }
  }

  void work() {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return round_ != seen && helpers_wanted_ > 0; });
      seen = round_;
      --helpers_wanted_;
      ++working_;
      const auto* body = body_;
      const int64_t chunks = chunks_;
      lock.unlock();
      take_chunks(*body, chunks, next_);
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }

  const OpenMpFork openmp_;
  std::mutex turn_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  const std::function<void(int64_t)>* body_ = nullptr;
  std::atomic<int64_t> next_{0};
  int64_t chunks_ = 0;
  uint64_t round_ = 0;
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
