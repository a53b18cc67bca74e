// SPDX-License-Identifier: BSD-3-Clause
// The shared-state segment: a tmpfs file that the dataplane maps for writing and sallyportd for reading. It
// holds the counters, and what must outlive the dataplane so that no IV is ever used twice and no packet is
// accepted twice: each outbound SA's reserved sequence numbers and each inbound SA's right window edge.
//
// Every field is written by one thread (named beside it) with relaxed atomic stores; readers use relaxed
// loads. The file: SharedStateHeader, WorkerCounters[workers], PortCounters[kMaxPorts][workers],
// InboundRow[slots], OutboundRow[slots]; offsets are in the header.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/api/drop_reason.h"

namespace sallyport::api {

inline constexpr uint64_t kSharedStateMagic = 0x5350535441544532;
inline constexpr uint32_t kSharedStateVersion = 1;
inline constexpr uint64_t kSequenceReservation = 65536;

using Counter = std::atomic<uint64_t>;

struct alignas(64) SharedStateHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t workers;  // number of WorkerCounters: the workers, then one more for the manager thread
  uint32_t slots;
  uint32_t ports;
  uint64_t worker_offset, port_offset, inbound_offset, outbound_offset;  // bytes from the file's start
  uint64_t size_bytes;
};

struct alignas(64) WorkerCounters {  // writer: that worker
  Counter rx_packets, tx_packets, loops, idle_sleeps, handed_over, punted, busy_cycles, cycles;
  std::array<Counter, 120> drops;  // by DropReason
};
static_assert(kDropReasonCount <= 120);

struct alignas(64) PortCounters {  // writer: that worker, its own queue pair
  Counter rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped, tx_dropped, reserved[2];
};

struct alignas(64) InboundRow {  // writer: the home worker; spi, and all of it at install: manager
  Counter spi;         // 0: none. The row survives the dataplane; an install of the same SPI goes on with it
  Counter right_edge;  // highest verified sequence number (64 bits with ESN)
  Counter packets, bytes;  // verified; bytes of the inner packets, as charon counts
  Counter last_use_ns;     // CLOCK_MONOTONIC; 0: never
  Counter icv_failed, replayed, policy_dropped;
};

struct alignas(64) OutboundRow {  // writer: the home worker; spi, and all of it at install: manager
  Counter spi;
  Counter reserved_sequence;  // sequence numbers below this may have been used; a restart goes on here
  Counter packets, bytes;
  Counter last_use_ns;
  Counter too_big, policy_dropped, other_dropped;
};

static_assert(sizeof(WorkerCounters) == 1024 && sizeof(PortCounters) == 64);
static_assert(sizeof(InboundRow) == 64 && sizeof(OutboundRow) == 64);

}  // namespace sallyport::api
