// SPDX-License-Identifier: BSD-3-Clause
// What every micro benchmark needs: EAL without hugepages, a pool of packets, and a clock of TSC cycles per
// item.
#pragma once

#include <benchmark/benchmark.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace sallyport::bench {

inline constexpr uint16_t kBufferBytes = RTE_PKTMBUF_HEADROOM + 2048;

enum class Pages { kOrdinary, kHuge };

// `memory_mb`: as text.
inline bool start_eal(const char* program, Pages pages = Pages::kOrdinary, const char* memory_mb = "256") {
  std::vector<const char*> arguments = {program,
                                        "-m",
                                        memory_mb,
                                        "--no-pci",
                                        "--no-shconf",
                                        "--no-telemetry",
                                        "--log-level=lib.*:error",
                                        pages == Pages::kHuge ? "--in-memory" : "--no-huge"};
  return rte_eal_init(static_cast<int>(arguments.size()), const_cast<char**>(arguments.data())) >= 0;
}

// Times only what lies between start() and stop(), so that putting packets back as they were doesn't count,
// and reports the median of all iterations, so that those in which the thread was preempted don't either.
class CycleClock {
 public:
  CycleClock() { samples_.reserve(kMaxSamples); }
  void start() { started_ = rte_rdtsc(); }
  void stop(benchmark::State& state) {
    const uint64_t cycles = rte_rdtsc() - started_;
    if (samples_.size() < kMaxSamples) samples_.push_back(cycles);
    state.SetIterationTime(static_cast<double>(cycles) / static_cast<double>(rte_get_tsc_hz()));
  }
  void report(benchmark::State& state, uint64_t items_per_iteration) {
    const auto middle = samples_.begin() + static_cast<long>(samples_.size() / 2);
    std::nth_element(samples_.begin(), middle, samples_.end());
    state.counters["cycles"] = static_cast<double>(*middle) / static_cast<double>(items_per_iteration);
  }

 private:
  static constexpr size_t kMaxSamples = 1 << 16;

  uint64_t started_ = 0;
  std::vector<uint64_t> samples_;
};

inline int run_benchmarks(int argc, char** argv, Pages pages = Pages::kOrdinary,
                          const char* memory_mb = "256") {
  if (!start_eal(argv[0], pages, memory_mb)) {
    std::fputs(pages == Pages::kHuge
                   ? "EAL did not start: are enough hugepages free (sysctl vm.nr_hugepages)?\n"
                   : "EAL did not start\n",
               stderr);
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace sallyport::bench
