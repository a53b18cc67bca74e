// SPDX-License-Identifier: BSD-3-Clause
// The TSC as far as a thread ran. A worker is meant to have its core to itself: where other processes take it
// away, that time counts as not passed. Where it stands still without that (interrupts, the hypervisor, what
// other cores do to this one), the time counts, unless it is told to forgive that too. Of one thread.
#pragma once

#include <rte_cycles.h>

#include <cstdint>

namespace sallyport::bench {

enum class Stalls : uint8_t { kCount, kForgive };

class RunClock {
 public:
  explicit RunClock(Stalls stalls) : stalls_(stalls) {}

  // To be called more often than every kJumpTsc: a longer time since the last call is looked into.
  uint64_t now_tsc() {
    const uint64_t tsc = rte_rdtsc();
    if (tsc - last_tsc_ > kJumpTsc || tsc - checked_tsc_ > kCheckTsc) [[unlikely]]
      look();
    else
      last_tsc_ = tsc;
    return last_tsc_ - taken_tsc_;
  }
  uint64_t preemptions() const { return preemptions_; }
  uint64_t stalls() const { return stall_count_; }
  uint64_t stalled_tsc() const { return stalled_tsc_; }

 private:
  static constexpr uint64_t kJumpTsc = 26'000;       // 10 us: longer than two full bursts take
  static constexpr uint64_t kPreemptionTsc = 2'600;  // two changes of threads take longer
  static constexpr uint64_t kCheckTsc = 2'600'000;   // 1 ms: in longer than that the two clocks drift apart

  void look();

  Stalls stalls_;
  uint64_t last_tsc_ = 0, taken_tsc_ = 0;
  uint64_t preemptions_ = 0, stall_count_ = 0, stalled_tsc_ = 0;
  uint64_t checked_tsc_ = 0, checked_cpu_ns_ = 0;  // one moment, by both clocks
};

}  // namespace sallyport::bench
