// SPDX-License-Identifier: BSD-3-Clause
// The rings between the threads, all single producer and single consumer, so that order is kept and nobody
// waits: a full ring drops. Made by main before any worker starts.
#pragma once

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <memory>
#include <vector>

#include "dataplane/path/meta.h"

namespace sallyport::dataplane {

struct RingsConfig {
  uint32_t workers = 1;
  uint32_t handover_packets = 2048;   // per ordered pair of workers; powers of two
  uint32_t exception_packets = 1024;  // per worker
  uint32_t injection_packets = 1024;  // per worker
  uint32_t events = 1024;             // per worker
};

class Rings {
 public:
  // nullptr when the EAL is out of memory.
  static std::unique_ptr<Rings> create(const RingsConfig& config);
  ~Rings();
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;

  // Packets with their PacketMeta filled. Producer: worker `from`; consumer: worker `to`.
  rte_ring* handover(uint32_t from, uint32_t to) const { return handover_[from * workers_ + to]; }
  // Producer: the worker; consumer: manager. kPuntPort, kPuntVrf, kUnresolved, kPathMtuIcmp.
  rte_ring* exceptions(uint32_t worker) const { return exceptions_[worker]; }
  // Producer: manager; consumer: the worker. kInjectPort, kInjectVrf, kInjectNeighbour. To keep the order of
  // a flow, the manager gives all packets of one mirror to one worker.
  rte_ring* injections(uint32_t worker) const { return injections_[worker]; }
  // Producer: the worker; consumer: manager.
  bool push_event(uint32_t worker, const WorkerEvent& event) {
    return rte_ring_sp_enqueue_elem(events_[worker], const_cast<WorkerEvent*>(&event), sizeof event) == 0;
  }
  bool pop_event(uint32_t worker, WorkerEvent& event) {
    return rte_ring_sc_dequeue_elem(events_[worker], &event, sizeof event) == 0;
  }
  uint32_t workers() const { return workers_; }

 private:
  explicit Rings(uint32_t workers) : workers_(workers) {}

  uint32_t workers_;
  std::vector<rte_ring*> handover_, exceptions_, injections_, events_;
};

}  // namespace sallyport::dataplane
