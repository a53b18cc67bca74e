// SPDX-License-Identifier: BSD-3-Clause
// What a running dataplane's shared-state file and /proc say about it: packets in and out, drops by reason,
// memory. Costs the dataplane nothing.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>

#include "dataplane/api/shared_state.h"

namespace sallyport::bench {

struct PacketCounts {
  uint64_t received = 0, sent = 0;  // of all ports
  std::array<uint64_t, api::kDropReasonCount> drops{};

  PacketCounts operator-(const PacketCounts& earlier) const;
  uint64_t dropped() const;        // of all reasons
  std::string drops_json() const;  // {"reason":count,...} of those that are not zero
};

class DataplaneWatch {
 public:
  // Throws ApiError.
  explicit DataplaneWatch(const std::string& shared_state_path);
  ~DataplaneWatch();
  DataplaneWatch(const DataplaneWatch&) = delete;
  DataplaneWatch& operator=(const DataplaneWatch&) = delete;

  PacketCounts packets() const;

 private:
  const std::byte* base_ = nullptr;
  size_t size_ = 0;
};

// CPU time of the dataplane's threads, which other processes' load doesn't change as it does the wall's.
struct CpuSeconds {
  double manager = 0, workers = 0;
};
CpuSeconds cpu_seconds(pid_t dataplane);

// Resident memory of a process, hugepages not included; 0: there is none.
uint64_t resident_kib(pid_t pid);

}  // namespace sallyport::bench
