// SPDX-License-Identifier: BSD-3-Clause
// A gateway's whole packet path in one process: real workers, tables and packet buffers, its ports' queues in
// the hands of the test. Everything is driven by poll(), so nothing runs unless the test says so.
#pragma once

#include <rte_ring.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/policy/selector_set.h"
#include "dataplane/worker/worker.h"
#include "tests/dataplane/esp_fixture.h"

namespace sallyport::dataplane::testing {

inline constexpr uint32_t kPublicPort = 0, kLanPort = 1, kOtherLanPort = 2;
inline constexpr uint32_t kVrf = 1, kOtherVrf = 2;

rte_ether_addr mac_of(uint8_t last);
Bytes ethernet(const Bytes& packet, const rte_ether_addr& destination, uint16_t ether_type = 0x0800);
Bytes without_ethernet(const Bytes& frame);

// A queue pair per worker, all ends ours.
struct TestPort {
  uint16_t device = 0;
  std::vector<rte_ring*> receive, transmit;
  std::unique_ptr<Port> port;
};

class Gateway {
 public:
  explicit Gateway(uint32_t workers = 1);
  ~Gateway();

  void add_port(uint32_t port_id, uint32_t vrf_id, uint32_t address);
  void add_address(uint32_t port_id, const Ipv6Address& address);
  void add_vrf(uint32_t vrf_id);
  void add_group(uint32_t group_id, uint32_t vrf_id, std::vector<api::GroupMember> members,
                 api::MemberChoice choice = api::MemberChoice::kByFlow);
  void add_route(uint32_t vrf_id, uint32_t prefix, uint8_t length, uint32_t group_id);
  void add_route(uint32_t vrf_id, const Ipv6Address& prefix, uint8_t length, uint32_t group_id);
  // Replaces the one with this id.
  void add_neighbour(uint32_t neighbour_id, uint32_t port_id, uint32_t address, bool resolved = true);
  void add_neighbour(uint32_t neighbour_id, uint32_t port_id, const api::Address& address,
                     bool resolved = true);
  Tunnel& add_tunnel(uint32_t tunnel_id, uint32_t vrf_id, uint32_t neighbour_id);
  InboundSa& add_inbound(const OracleSa& sa, uint32_t tunnel_id, const SelectorSet* selectors = nullptr,
                         api::Lifetimes lifetimes = {}, uint32_t replay_window = 64);
  // Makes the tunnel send on it.
  OutboundSa& add_outbound(const OracleSa& sa, uint32_t slot, uint32_t tunnel_id,
                           const SelectorSet* selectors = nullptr, api::Lifetimes lifetimes = {});

  // Has the tunnel send on the SAs of these slots side by side, newest first; there are two at least.
  void send_on(Tunnel& tunnel, const std::vector<uint32_t>& slots);

  // Into the port's queue as if the NIC had chosen that worker.
  void receive(uint32_t port_id, const Bytes& frame, uint32_t queue = 0);
  void receive(uint32_t port_id, rte_mbuf* frame, uint32_t queue = 0);
  // Each worker loops `times` times, in turn.
  void poll(uint32_t times = 3);
  // What was sent since, of all queues in order of the queues.
  std::vector<Bytes> sent(uint32_t port_id);
  std::vector<uint32_t> sent_by_queue(uint32_t port_id);  // how many, without taking them
  rte_ring* transmit_queue(uint32_t port_id, uint32_t queue) { return ports_.at(port_id).transmit.at(queue); }
  PacketPtr exception(uint32_t worker = 0);  // nullptr: none
  void inject(MetaKind kind, uint32_t id, const Bytes& bytes, uint32_t worker = 0);

  uint64_t drops(api::DropReason reason) const;
  uint64_t all_drops() const;
  api::InboundRow& inbound_row(uint32_t slot) { return inbound_rows_[slot]; }
  api::OutboundRow& outbound_row(uint32_t slot) { return outbound_rows_[slot]; }
  const api::WorkerCounters& counters(uint32_t worker) const { return counters_[worker]; }
  Port& port(uint32_t port_id) { return *ports_[port_id].port; }
  Vrf& vrf(uint32_t vrf_id);
  Worker& worker(uint32_t index) { return *workers_[index]; }
  const rte_ether_addr& mac(uint32_t port_id) const { return ports_[port_id].port->mac; }

  static constexpr uint32_t kSlots = 64;
  World world;
  std::unique_ptr<Rings> rings;

 private:
  uint32_t number_;
  std::unique_ptr<CryptoEngine> engine_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<TestPort> ports_;
  PortList port_list_;
  std::vector<std::unique_ptr<Vrf>> vrfs_;
  std::vector<std::unique_ptr<NextHopGroup>> groups_;
  std::vector<std::unique_ptr<Neighbour>> neighbours_;
  std::vector<TunnelPool::Pointer> tunnels_;
  std::vector<InboundSaPtr> inbound_sas_;
  std::vector<OutboundSaPtr> outbound_sas_;
  std::vector<api::WorkerCounters> counters_;
  std::vector<api::PortCounters> port_counters_;
  std::vector<api::InboundRow> inbound_rows_;
  std::vector<api::OutboundRow> outbound_rows_;
};

// All workers of a gateway, each on a thread of its own until the end of the object's life.
class RunningWorkers {
 public:
  explicit RunningWorkers(Gateway& gateway);
  ~RunningWorkers();
  RunningWorkers(const RunningWorkers&) = delete;
  RunningWorkers& operator=(const RunningWorkers&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace sallyport::dataplane::testing
