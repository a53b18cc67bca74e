// SPDX-License-Identifier: BSD-3-Clause
// What travels with a packet between threads: handed over from worker to worker, punted to the manager
// thread, injected by it. It lives in the mbuf's private area, so every pool of packets has a private size of
// kMbufPrivateBytes. A packet that stays on its worker never touches it.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

enum class MetaKind : uint8_t {
  kNone = 0,
  // worker -> worker; data starts at the IP header
  kHandoverInbound,   // ESP or ESP in UDP; port_id, slot, esp_offset_bytes
  kHandoverOutbound,  // inner packet after select_tunnel and validation; tunnel_id, origin, port_id
  // worker -> manager
  kPuntPort,     // to the mirror TAP of port_id; data starts at the Ethernet header
  kPuntVrf,      // to the mirror TUN of vrf_id; data starts at the IP header
  kUnresolved,   // waits for neighbour next_hop on port_id (neighbour_id if there is an object, else
                 // api::kNone); data starts at the IP header
  kPathMtuIcmp,  // ICMP fragmentation needed or ICMPv6 packet too big to an own address that quotes ESP; data
                 // starts at the IP header
  kPuntProbe,    // to a probe address, decrypted from tunnel_id; data starts at the IP header
  // manager -> worker
  kInjectPort,  // whole frame from the mirror TAP of port_id (mirror_may_send already said yes)
  kInjectVrf,   // IP packet from the mirror TUN of vrf_id: routed as if it came from the LAN, TTL untouched
  kInjectNeighbour,  // a packet that was kUnresolved, its neighbour_id now resolved; data starts at the IP
                     // header
  kInjectTunnel,     // inner packet of ours for tunnel_id, whatever the groups say; the fields of
                     // kHandoverOutbound
};

// Each class has its own token bucket per worker, so that none starves another.
enum class PuntClass : uint8_t {
  kIke = 0,  // UDP 500 and 4500 with both SPIs set: an IKE SA that exists, or pretends to
  kIkeInit,  // IKE_SA_INIT and IKEv1 first messages: the responder SPI is zero
  kArp,      // and IPv6 neighbour discovery
  kIcmp,
  kRouting,    // to a LAN port's or VRF's own address, or link-local multicast: BGP, BFD, OSPF
  kNeighbour,  // packets that wait for a neighbour
  kProbe,      // of tunnels
  kCount
};

struct alignas(64) PacketMeta {
  MetaKind kind;
  PuntClass punt_class;
  uint16_t esp_offset_bytes;
  uint32_t port_id;  // API id
  uint32_t vrf_id;
  uint32_t tunnel_id;
  uint32_t slot;
  uint32_t neighbour_id;
  uint32_t origin;  // Origin of path/context.h
  api::Address next_hop;
};
static_assert(sizeof(PacketMeta) == 64);

inline constexpr uint16_t kMbufPrivateBytes = sizeof(PacketMeta);

inline PacketMeta& meta_of(rte_mbuf* packet) {
  return *static_cast<PacketMeta*>(rte_mbuf_to_priv(packet));
}

// A worker's news for the manager thread; fixed size, in a ring of its own. Lost (and told again later) if it
// is full.
enum class EventKind : uint8_t { kPeerMoved = 1, kSaExpired = 2, kPacketAudited = 3 };

struct WorkerEvent {
  EventKind kind;
  uint8_t outbound;  // kSaExpired: 1 for an outbound SA
  uint8_t hard;      // kSaExpired
  uint8_t cause;     // kSaExpired: api::ExpireCause; kPacketAudited: api::AuditCause
  uint32_t slot;
  uint32_t spi;
  api::Address remote;   // kPeerMoved: where the verified packet came from; kPacketAudited: its source
  uint16_t remote_port;  // kPeerMoved, host order
  uint16_t reserved;
  api::Address local;                         // kPacketAudited: its destination
  uint32_t sequence, flow_label, unrecorded;  // kPacketAudited, as in api::PacketAudited
};
static_assert(sizeof(WorkerEvent) == 68);

}  // namespace sallyport::dataplane
