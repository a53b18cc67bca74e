// SPDX-License-Identifier: BSD-3-Clause
// From a LAN port into a tunnel: the outbound column of the packet path, one function a step. Worker thread.
#pragma once

#include "dataplane/esp/overhead.h"
#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// A packet whose tunnel is chosen, on the home worker of its SA; TTL already decremented.
struct OutboundPacket {
  RoutedPacket routed;
  const Tunnel* tunnel;
  OutboundSa* sa;
};
struct OutboundBurst {
  uint32_t count = 0;
  std::array<OutboundPacket, kBurst> packets;

  // There must be room.
  void append(const Tunnel& tunnel, OutboundSa& sa, const RoutedPacket& packet) {
    packets[count++] = {packet, &tunnel, &sa};
  }
  // For several at a time: where the next one goes, and where the last of them ended.
  OutboundPacket* end() { return packets.data() + count; }
  void end_at(const OutboundPacket* end) { count = static_cast<uint32_t>(end - packets.data()); }
};

// Steps 1 to 6: frames of a LAN port, at most kBurst. Takes them all; IPv6 ones are routed later in the loop.
void receive_lan(PathContext& context, const Port& port, std::span<rte_mbuf*> frames);

// To the home worker of the slot; dropped where no SA is there.
[[gnu::noinline]] void leave_home(PathContext& context, const RoutedPacket& packet, const Tunnel& tunnel,
                                  uint32_t slot);

// Where a tunnel's packets are encrypted: here where `sa` is one, else they leave for the slot's home worker,
// once the packet has said which slot that is where there are several (path/choose_sa.h).
struct Home {
  OutboundSa* sa;
  uint32_t slot;

  bool depends_on_packet() const { return (slot & kSeveralSas) != 0; }
};
inline Home home_of(const PathContext& context, const Tunnel& tunnel) {
  const uint32_t slot = tunnel.outbound_slot.load(std::memory_order_relaxed);
  OutboundSa* sa = context.world->outbound_sas.at(slot);  // api::kNone is beyond the table
  if (sa == nullptr || context.world->home_worker(slot) != context.index) [[unlikely]]
    return {nullptr, slot};
  prefetch_sa(*sa);
  return {sa, slot};
}

// Step 7's number: the largest inner packet that fits the tunnel's path MTU in one outer packet.
inline uint16_t tunnel_mtu(const Tunnel& tunnel, const OutboundSa& sa) {
  const uint16_t path_mtu_bytes = tunnel.path_mtu_bytes.load(std::memory_order_relaxed);
  if (sa.plain_addresses.load(std::memory_order_relaxed) != 0)
    return static_cast<uint16_t>(inner_mtu(path_mtu_bytes, sa.shape, false, api::Family::kIpv4));
  const OuterHeader& outer = *sa.outer.load(std::memory_order_acquire);
  return static_cast<uint16_t>(inner_mtu(path_mtu_bytes, sa.shape, outer.encap, outer.family));
}

// Steps 7 to 12 (and 5: match_policy needs the SA) for IPv4 packets, and empties the burst.
void encapsulate_burst(PathContext& context, OutboundBurst& outbound);

}  // namespace sallyport::dataplane
