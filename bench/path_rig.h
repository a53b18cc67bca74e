// SPDX-License-Identifier: BSD-3-Clause
// A gateway's packet path in the caller's own thread: a real worker over real tables, any number of static
// SAs with a tunnel and a /32 route each, and two ports whose queues are rings in the caller's hands.
#pragma once

#include <rte_ring.h>

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/worker/worker.h"

namespace sallyport::bench {

inline constexpr uint32_t kLanHost = 0xc633640a;      // 198.51.100.10
inline constexpr uint32_t kFirstRemote = 0xc6120000;  // 198.18.0.0: the one host behind SA 0's peer

struct RigOptions {
  uint32_t sas = 1;
  uint32_t aes_bits = 128;
  uint32_t replay_window = 1024;
  bool esn = true;
  // Addresses and SPIs of the peer's side, so that one rig decrypts what the other sends.
  bool is_peer = false;
};

class PathRig {
 public:
  // `pool`: of the packets that are received; private size kMbufPrivateBytes. Ends the process with a line
  // where the EAL is out of memory.
  PathRig(const RigOptions& options, rte_mempool* pool);
  ~PathRig();
  PathRig(const PathRig&) = delete;
  PathRig& operator=(const PathRig&) = delete;

  // A UDP packet of `ip_bytes` between the LAN's host and the host behind SA `sa`, as a frame for the LAN
  // port.
  void write_lan_frame(rte_mbuf* frame, uint32_t sa, uint32_t ip_bytes) const;
  // A frame sent by the peer's WAN port becomes one for ours.
  void address_to_wan(rte_mbuf* frame) const;

  void into_lan(std::span<rte_mbuf*> frames) { enqueue(lan_.receive, frames); }
  void into_wan(std::span<rte_mbuf*> frames) { enqueue(wan_.receive, frames); }
  // How many were sent; `frames` holds them.
  uint32_t from_lan(std::span<rte_mbuf*> frames) { return dequeue(lan_.transmit, frames); }
  uint32_t from_wan(std::span<rte_mbuf*> frames) { return dequeue(wan_.transmit, frames); }

  dataplane::Worker& worker() { return *worker_; }
  dataplane::World& world() { return world_; }
  uint64_t drops() const;

 private:
  struct RingPort {
    rte_ring* receive = nullptr;
    rte_ring* transmit = nullptr;
    dataplane::Port port{};
  };
  struct Sa;

  void open_port(RingPort& ring_port, uint32_t id, uint32_t vrf_id, uint32_t address);
  void add_neighbour(uint32_t id, const RingPort& port, uint32_t address);
  void add_route(uint32_t prefix, uint8_t length, api::GroupMember member);
  void add_sa(uint32_t index);
  static void enqueue(rte_ring* ring, std::span<rte_mbuf*> frames);
  static uint32_t dequeue(rte_ring* ring, std::span<rte_mbuf*> frames);

  RigOptions options_;
  rte_mempool* pool_;
  dataplane::World world_;
  std::unique_ptr<dataplane::Rings> rings_;
  std::unique_ptr<dataplane::CryptoEngine> engine_;
  std::unique_ptr<dataplane::Worker> worker_;
  RingPort wan_, lan_;
  dataplane::PortList port_list_;
  dataplane::Vrf vrf_;
  std::vector<std::unique_ptr<dataplane::NextHopGroup>> groups_;
  std::vector<std::unique_ptr<dataplane::Neighbour>> neighbours_;
  std::vector<std::unique_ptr<Sa>> sas_;
  std::vector<api::WorkerCounters> counters_;
  std::vector<api::PortCounters> port_counters_;
  dataplane::DpdkArray<api::InboundRow> inbound_rows_;
  dataplane::DpdkArray<api::OutboundRow> outbound_rows_;
};

// A pool of `packets` buffers for the frames of rigs.
rte_mempool* make_rig_pool(const char* name, uint32_t packets);

}  // namespace sallyport::bench
