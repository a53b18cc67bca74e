// SPDX-License-Identifier: BSD-3-Clause
#include "bench/run_clock.h"

#include <algorithm>
#include <ctime>

namespace sallyport::bench {

// The CPU clock stands still while another thread runs.
void RunClock::look() {
  timespec cpu{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  const uint64_t tsc = rte_rdtsc();
  const uint64_t cpu_ns =
      static_cast<uint64_t>(cpu.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(cpu.tv_nsec);
  const double ran_tsc =
      static_cast<double>(cpu_ns - checked_cpu_ns_) * static_cast<double>(rte_get_tsc_hz()) / 1e9;
  const double lost_tsc = static_cast<double>(tsc - checked_tsc_) - ran_tsc;
  const uint64_t jump_tsc = tsc - last_tsc_;
  const bool first = checked_tsc_ == 0;
  last_tsc_ = checked_tsc_ = tsc;
  checked_cpu_ns_ = cpu_ns;
  if (first || jump_tsc < jump_tsc_) return;
  uint64_t forgiven_tsc = 0;
  if (lost_tsc >= static_cast<double>(kPreemptionTsc)) {
    ++preemptions_;
    forgiven_tsc = std::min(jump_tsc, static_cast<uint64_t>(lost_tsc));
  } else {
    ++stall_count_;
    stalled_tsc_ += jump_tsc;
  }
  taken_tsc_ += stalls_ == Stalls::kForgive ? jump_tsc : forgiven_tsc;
}

}  // namespace sallyport::bench
