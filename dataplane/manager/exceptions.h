// SPDX-License-Identifier: BSD-3-Clause
// The slow half of the packet path: what workers punt goes to mirrors or waits for its neighbour, what comes
// from mirrors is checked and injected, and what workers noticed becomes events of the API. Manager thread.
#pragma once

#include "dataplane/manager/hold_queue.h"
#include "dataplane/manager/injector.h"
#include "dataplane/manager/networks.h"
#include "dataplane/manager/next_hops.h"
#include "dataplane/manager/ports.h"
#include "dataplane/manager/probes.h"
#include "dataplane/manager/sas.h"
#include "dataplane/manager/tunnels.h"
#include "dataplane/path/rings.h"

namespace sallyport::dataplane {

struct ExceptionParts {
  TablesContext& context;
  Rings& rings;
  Ports& ports;
  Networks& networks;
  const NextHops& next_hops;
  Tunnels& tunnels;
  const Sas& sas;
  Probes& probes;
  Injector& injector;
};

class Exceptions {
 public:
  explicit Exceptions(const ExceptionParts& parts);

  // A bounded number of punts and events from every worker; how many there were.
  unsigned drain_workers(uint64_t now_ns);
  // All that the rings hold now, or as many as they can.
  void drain_rings(uint64_t now_ns);
  // A bounded number of packets from a mirror that is readable.
  void read_port_mirror(uint32_t port_id);
  void read_vrf_mirror(uint32_t vrf_id);
  // A neighbour was resolved: what waited for it goes on its way.
  void neighbour_resolved(const api::SetNeighbour& neighbour);
  void expire(uint64_t now_ns) { hold_queue_.expire(now_ns); }

 private:
  void handle_punt(rte_mbuf* packet, uint64_t now_ns);
  void hold(rte_mbuf* packet, uint64_t now_ns);
  void learn_path_mtu(const rte_mbuf& packet, uint64_t now_ns);
  void write(Mirror* mirror, rte_mbuf* packet);
  void tell(const WorkerEvent& event);

  ExceptionParts parts_;
  HoldQueue hold_queue_;
};

}  // namespace sallyport::dataplane
