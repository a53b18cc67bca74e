// SPDX-License-Identifier: BSD-3-Clause
// The manager thread's way to the workers, and the end of what can't go there. Manager thread.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/api/shared_state.h"
#include "dataplane/path/rings.h"

namespace sallyport::dataplane {

class Injector {
 public:
  // `counters`: the manager's own.
  Injector(Rings& rings, api::WorkerCounters& counters) : rings_(rings), counters_(counters) {}

  // A packet with its PacketMeta filled. False: the worker's ring was full, and the packet is dropped.
  bool inject(uint32_t worker, rte_mbuf* packet) {
    if (rte_ring_sp_enqueue(rings_.injections(worker), packet) == 0) return true;
    drop(packet, api::DropReason::kPuntRingFull);
    return false;
  }
  void drop(rte_mbuf* packet, api::DropReason reason) {
    count_drop(reason);
    rte_pktmbuf_free(packet);
  }
  void count_drop(api::DropReason reason) {
    auto& counter = counters_.drops[static_cast<size_t>(reason)];
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

 private:
  Rings& rings_;
  api::WorkerCounters& counters_;
};

}  // namespace sallyport::dataplane
