// SPDX-License-Identifier: BSD-3-Clause
// A port whose wire is in the bench's hands: frames arrive at set times of the TSC, whoever polls then or
// later, and wait in a receive ring of bounded size as they would in a NIC's; what is sent is timed and
// freed. The worker's thread does both; nothing else runs between arrival and departure.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bench/frames.h"
#include "bench/run_clock.h"

namespace sallyport::bench {

// Of times in TSC cycles, in steps of 16; what is longer than some milliseconds counts as the longest.
class Histogram {
 public:
  Histogram() : buckets_(kBuckets) {}
  void add(uint64_t cycles) {
    ++buckets_[std::min<uint64_t>(cycles >> kShift, kBuckets - 1)];
    ++count_;
    longest_ = std::max(longest_, cycles);
  }
  void add(const Histogram& other);
  void clear();
  uint64_t count() const { return count_; }
  uint64_t longest() const { return longest_; }
  // The time that this fraction of all stays below.
  uint64_t quantile(double fraction) const;

 private:
  static constexpr unsigned kShift = 4;
  static constexpr uint64_t kBuckets = 1 << 20;

  std::vector<uint32_t> buckets_;
  uint64_t count_ = 0, longest_ = 0;
};

struct Arrivals {
  uint64_t taken = 0, missed = 0;  // missed: the receive ring was full
  uint64_t bursts = 0;             // polls that found something
};

class ScheduledPort {
 public:
  explicit ScheduledPort(RunClock& clock) : clock_(clock) {}
  ScheduledPort(const ScheduledPort&) = delete;
  ScheduledPort& operator=(const ScheduledPort&) = delete;

  // Replaces what the device's driver does, from its next poll on. `pool`: of the arriving packets.
  void attach(uint16_t device, rte_mempool* pool);
  // Frames arrive from now on, in turn, as a Poisson process with this mean distance; 0: whenever it polls.
  void start(const std::vector<Frame>* frames, double gap_tsc);
  void stop() { frames_ = nullptr; }

  Arrivals& arrivals() { return arrivals_; }
  Histogram& departures() { return departures_; }  // since each one's arrival

 private:
  static constexpr uint64_t kRingPackets = 1024;

  static uint16_t receive_burst(void* port, rte_mbuf** packets, uint16_t count);
  static uint16_t transmit_burst(void* port, rte_mbuf** packets, uint16_t count);
  uint16_t receive(rte_mbuf** packets, uint16_t count);
  void skip_missed(uint64_t now_tsc);
  rte_mbuf* make_packet(uint64_t arrival_tsc);
  double next_gap();

  RunClock& clock_;
  rte_mempool* pool_ = nullptr;
  const std::vector<Frame>* frames_ = nullptr;
  size_t next_frame_ = 0;
  double gap_tsc_ = 0, due_tsc_ = 0;
  size_t next_gap_ = 0;
  Arrivals arrivals_;
  Histogram departures_;
  void* self_ = this;  // the queue's data, as the driver's queues are reached
};

}  // namespace sallyport::bench
