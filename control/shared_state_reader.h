// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's counters, read from its shared-state segment without asking it. Main thread; the writers
// are the dataplane's workers (dataplane/api/shared_state.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/api/shared_state.h"

namespace sallyport::control {

struct PortTotals {
  uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0, rx_dropped = 0, tx_dropped = 0;
};

struct WorkerTotals {
  uint64_t rx_packets, tx_packets, loops, idle_sleeps, handed_over, punted, busy_cycles, cycles;
};

struct InboundTotals {
  uint64_t right_edge, packets, bytes, last_use_ns, icv_failed, replayed, policy_dropped;
};

struct OutboundTotals {
  uint64_t reserved_sequence, packets, bytes, last_use_ns, policy_dropped;
};

class SharedStateReader {
 public:
  // Maps the file; false with the reason in words when it is absent or of another layout.
  [[nodiscard]] bool open(const std::string& path, std::string& why);
  void close() { mapping_.reset(); }
  [[nodiscard]] bool is_open() const { return mapping_ != nullptr; }

  // Workers, then one more for the manager thread.
  [[nodiscard]] uint32_t counters() const;
  [[nodiscard]] WorkerTotals worker(uint32_t index) const;
  [[nodiscard]] uint64_t drops(uint32_t index, api::DropReason reason) const;
  [[nodiscard]] PortTotals port(uint32_t port_id) const;
  // Nothing when the slot belongs to another SPI.
  [[nodiscard]] std::optional<InboundTotals> inbound(uint32_t slot, uint32_t spi) const;
  [[nodiscard]] std::optional<OutboundTotals> outbound(uint32_t slot, uint32_t spi) const;

 private:
  struct Mapping {
    Mapping(const void* base, size_t bytes) : base_(base), bytes_(bytes) {}
    ~Mapping();
    const void* base_;
    size_t bytes_;
  };
  [[nodiscard]] const api::SharedStateHeader& header() const;
  template <typename Row>
  [[nodiscard]] const Row* rows(uint64_t offset) const;

  std::unique_ptr<Mapping> mapping_;
};

}  // namespace sallyport::control
