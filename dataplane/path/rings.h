// SPDX-License-Identifier: BSD-3-Clause
// The rings between the threads, and what wakes the manager thread. All single producer and single consumer,
// so that order is kept and nobody waits: a full ring drops. Made by main before any worker starts.
#pragma once

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <atomic>
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
  // nullptr when the EAL is out of memory or the process of file descriptors.
  static std::unique_ptr<Rings> create(const RingsConfig& config);
  ~Rings();
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;

  // Packets with their PacketMeta filled. Producer: worker `from`; consumer: worker `to`.
  rte_ring* handover(uint32_t from, uint32_t to) const { return handover_[from * workers_ + to]; }
  // Producer: the worker; consumer: manager. kPuntPort, kPuntVrf, kUnresolved, kPathMtuIcmp,
  // kPuntProbe.
  rte_ring* exceptions(uint32_t worker) const { return exceptions_[worker]; }
  // Producer: manager; consumer: the worker. kInjectPort, kInjectVrf, kInjectNeighbour,
  // kInjectTunnel. To keep the order of
  // a flow, the manager gives all packets of one mirror to one worker.
  rte_ring* injections(uint32_t worker) const { return injections_[worker]; }
  // Producer: the worker; consumer: manager.
  bool push_event(uint32_t worker, const WorkerEvent& event) {
    return rte_ring_sp_enqueue_elem(events_[worker], const_cast<WorkerEvent*>(&event), sizeof event) == 0;
  }
  bool pop_event(uint32_t worker, WorkerEvent& event) {
    return rte_ring_sc_dequeue_elem(events_[worker], &event, sizeof event) == 0;
  }
  // After a worker put something into a ring of the manager's. A system call only where the manager may not
  // know yet that there is something. Any worker.
  void wake_manager() {
    if (!manager_woken_.exchange(true, std::memory_order_acq_rel)) signal_manager();
  }
  // Readable once the manager was woken; it then calls take_wake and after that looks at its rings.
  int wake_fd() const { return wake_fd_; }
  void take_wake();
  uint32_t workers() const { return workers_; }
  uint32_t handover_packets() const { return rte_ring_get_size(handover_[0]); }

 private:
  Rings(uint32_t workers, int wake_fd) : workers_(workers), wake_fd_(wake_fd) {}
  [[gnu::cold]] void signal_manager();

  uint32_t workers_;
  int wake_fd_;  // an eventfd
  alignas(64) std::atomic<bool> manager_woken_{false};
  std::vector<rte_ring*> handover_, exceptions_, injections_, events_;
};

}  // namespace sallyport::dataplane
