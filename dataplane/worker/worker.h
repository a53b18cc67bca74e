// SPDX-License-Identifier: BSD-3-Clause
// One packet worker: polls its queue of every port and its rings, runs the packet path, reports a quiescent
// state after every loop. A Worker belongs to the thread that runs it; all that others may touch are World,
// Rings and the counters.
#pragma once

#include <rte_mempool.h>

#include <atomic>
#include <memory>

#include "dataplane/api/shared_state.h"
#include "dataplane/path/rings.h"
#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

enum class Idle : uint8_t { kPoll, kSleep };

struct PathContext;

struct WorkerConfig {
  uint32_t index = 0;
  int socket_id = -1;  // of the memory to use
  Idle idle = Idle::kPoll;
  World* world = nullptr;
  Rings* rings = nullptr;
  rte_mempool* pool = nullptr;              // for packets of our own making; private size kMbufPrivateBytes
  api::WorkerCounters* counters = nullptr;  // this worker's
  api::PortCounters* port_counters =
      nullptr;  // of port 0 and worker 0: laid out [kMaxPorts][counter_workers]
  uint32_t counter_workers = 1;
};

class Worker {
 public:
  // nullptr when memory is short or the CPU lacks what the crypto needs. After EAL, and before run or
  // poll_once: best on the core that will run it, whose memory it then gets.
  static std::unique_ptr<Worker> create(const WorkerConfig& config);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Until `stop`. The worker is online for QSBR from here on until it returns. On the thread that calls it.
  void run(const std::atomic<bool>& stop);

  // One loop without waiting: the packets taken from ports and rings. `run` is this, repeated; QSBR only
  // where online.
  uint32_t poll_once();
  // The same at this time (CLOCK_MONOTONIC, never less than before), for who keeps the clock himself.
  uint32_t poll_at(uint64_t now_ns);

 private:
  class Clock;

  Worker(std::unique_ptr<PathContext> context, Idle idle);
  uint32_t poll(uint64_t now_ns, uint64_t start_tsc);

  std::unique_ptr<PathContext> context_;
  std::unique_ptr<Clock> clock_;
  uint64_t next_expiry_ns_ = 0;
  Idle idle_;
};

}  // namespace sallyport::dataplane
