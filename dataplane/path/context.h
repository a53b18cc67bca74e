// SPDX-License-Identifier: BSD-3-Clause
// All that one worker's packet path holds: where it counts, what it sends later in the loop, what limits it.
// Everything here belongs to that worker's thread.
#pragma once

#include <rte_ip.h>
#include <rte_mempool.h>

#include <array>
#include <memory>
#include <span>

#include "dataplane/api/shared_state.h"
#include "dataplane/crypto/crypto_engine.h"
#include "dataplane/path/first_packets.h"
#include "dataplane/path/rate_limiter.h"
#include "dataplane/path/reassembly.h"
#include "dataplane/path/rings.h"
#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

static_assert(kBurst <= kMaxCryptoBurst && api::kMaxPorts <= 64);

struct DecapPacket;

// Packets on their way to one place, sent together.
struct PacketBuffer {
  uint32_t count = 0;
  uint64_t bytes = 0;  // of all of them
  std::array<rte_mbuf*, kBurst> packets;
};

// Where a packet that is to be forwarded came from.
enum class Origin : uint8_t {
  kLan,     // a LAN port
  kTunnel,  // decrypted
  kMirror,  // the gateway itself, by a mirror or an ICMP error of ours: TTL kept, told of nothing but MTUs
};

// A packet between validation and route: data is exactly the IP packet, which has passed check_ipv4 or
// check_ipv6.
struct RoutedPacket {
  rte_mbuf* packet;
  // In one register, so that packets of one way are told by one comparison: VRF, LAN port that it came in by
  // (kNoPort: none), origin, a byte each; IPv4's destination in network order in the upper half, else 0.
  uint64_t way;

  uint8_t vrf_id() const { return static_cast<uint8_t>(way); }
  uint8_t port_id() const { return static_cast<uint8_t>(way >> 8); }
  Origin origin() const { return static_cast<Origin>(way >> 16 & 0xff); }
  uint32_t destination_be() const { return static_cast<uint32_t>(way >> 32); }
};
static_assert(sizeof(RoutedPacket) == 16 && api::kMaxVrfs <= 256);
inline constexpr uint8_t kNoPort = 0xff;
static_assert(api::kMaxPorts <= kNoPort);

// A way without its destination: IPv6's, or of packets that are routed already.
inline uint64_t source_bits(uint32_t vrf_id, uint32_t port_id, Origin origin) {
  return (vrf_id & 0xff) | (port_id & 0xff) << 8 | static_cast<uint32_t>(origin) << 16;
}
inline uint64_t way_bits(uint64_t source, const rte_ipv4_hdr& header) {
  return source | uint64_t{header.dst_addr} << 32;
}
inline RoutedPacket make_routed(rte_mbuf* packet, uint32_t vrf_id, uint32_t port_id, Origin origin) {
  return {packet, source_bits(vrf_id, port_id, origin)};
}
// IPv4, for forward_burst.
inline RoutedPacket make_routed_ipv4(rte_mbuf* packet, uint32_t vrf_id, uint32_t port_id, Origin origin) {
  return {packet,
          way_bits(source_bits(vrf_id, port_id, origin), *rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*))};
}

// IPv6 packets on their way to path/forward_ipv6.h.
struct RoutedIpv6 {
  uint32_t count = 0;
  std::array<RoutedPacket, kBurst> packets;
};

// The rates of what leaves the fast path, per worker and class.
struct PathLimits {
  std::array<RateLimiter, static_cast<size_t>(PuntClass::kCount)> punts;
  RateLimiter icmp_errors;
  std::array<RateLimiter, api::kAuditCauses> audits;  // by api::AuditCause
};
PathLimits default_limits();

struct PathContext {
  uint32_t index = 0;
  World* world = nullptr;
  Rings* rings = nullptr;
  rte_mempool* pool = nullptr;
  api::WorkerCounters* counters = nullptr;
  api::PortCounters* port_counters = nullptr;
  uint32_t counter_workers = 1;
  uint64_t now_ns = 0;  // CLOCK_MONOTONIC, of this loop

  std::unique_ptr<CryptoEngine> engine;
  std::unique_ptr<Reassembler> reassembler;
  FirstPackets first_packets;
  PathLimits limits = default_limits();
  std::array<uint32_t, api::kAuditCauses> unrecorded{};  // since the last record of this api::AuditCause

  // The burst whose packets are being routed; only while they are.
  std::span<const DecapPacket> decapsulated;

  bool has_news = false;  // something was put into a ring of the manager's in this loop
  std::array<PacketBuffer, api::kMaxPorts> transmit;
  uint64_t transmit_ports = 0;         // one bit for each of them that may hold packets
  std::vector<PacketBuffer> handover;  // by the worker it goes to
  uint32_t reply_count = 0;            // ICMP errors of ours, routed at the end of the loop
  std::array<RoutedPacket, kBurst> replies;
  RoutedIpv6 accepted_ipv6;  // decrypted, of the burst at hand
  RoutedIpv6 ipv6;           // received and decrypted, routed at the end of the loop
  RoutedIpv6 ipv6_replies;   // ICMPv6 errors of ours, after them

  api::PortCounters& port_counter(uint32_t port_id) {
    return port_counters[port_id * counter_workers + index];
  }
};

// Adds to a counter that this thread alone writes.
inline void bump(api::Counter& counter, uint64_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

inline void count_drops(PathContext& context, api::DropReason reason, uint32_t packets) {
  bump(context.counters->drops[static_cast<size_t>(reason)], packets);
}

// The one way a packet ends without being sent.
inline void drop(PathContext& context, rte_mbuf* packet, api::DropReason reason) {
  count_drops(context, reason, 1);
  rte_pktmbuf_free(packet);
}

}  // namespace sallyport::dataplane
