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
  // `jump_tsc`: the thread calls more often than that, unless something keeps it from it.
  RunClock(Stalls stalls, uint64_t jump_tsc) : stalls_(stalls), jump_tsc_(jump_tsc) {}

  uint64_t now_tsc() {
    const uint64_t tsc = rte_rdtsc();
    if (tsc - last_tsc_ > jump_tsc_ || tsc - checked_tsc_ > kCheckTsc) [[unlikely]]
      look();
    else
      last_tsc_ = tsc;
    return last_tsc_ - taken_tsc_;
  }
  uint64_t preemptions() const { return preemptions_; }
  uint64_t stalls() const { return stall_count_; }
  uint64_t stalled_tsc() const { return stalled_tsc_; }

 private:
  static constexpr uint64_t kPreemptionTsc = 2'600;  // two changes of threads take longer
  static constexpr uint64_t kCheckTsc = 2'600'000;   // 1 ms: in longer than that the two clocks drift apart

  void look();

  Stalls stalls_;
  uint64_t jump_tsc_;
  uint64_t last_tsc_ = 0, taken_tsc_ = 0;
  uint64_t preemptions_ = 0, stall_count_ = 0, stalled_tsc_ = 0;
  uint64_t checked_tsc_ = 0, checked_cpu_ns_ = 0;  // one moment, by both clocks
};

}  // namespace sallyport::bench
