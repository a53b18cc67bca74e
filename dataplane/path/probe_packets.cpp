// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/probe_packets.h"

#include <algorithm>
#include <span>

#include "dataplane/esp/decapsulate.h"
#include "dataplane/path/transmit.h"

namespace sallyport::dataplane {

namespace {

// Of one tunnel: two requests and two answers at the shortest interval, and what piled up on the way.
constexpr uint32_t kMaxPerWindow = 32;
constexpr uint64_t kWindowNs = 100'000'000;

// A peer may ask no more often than that, so that it can't keep others' probes from being answered. The
// number of the window in the high bits, the count in the low.
bool within_rate(std::atomic<uint32_t>& count, uint64_t now_ns) {
  constexpr uint32_t kCountBits = 8, kCountMask = (1u << kCountBits) - 1;
  const auto window = static_cast<uint32_t>(now_ns / kWindowNs) << kCountBits;
  const uint32_t last = count.load(std::memory_order_relaxed);
  const uint32_t next = ((last & ~kCountMask) == window ? last : window) + 1;
  if ((next & kCountMask) > kMaxPerWindow) return false;
  count.store(next, std::memory_order_relaxed);
  return true;
}

}  // namespace

void take_probe(PathContext& context, const RoutedPacket& packet) {
  if (packet.origin() == Origin::kTunnel) {
    const auto burst = context.decapsulated;
    const auto found = std::find_if(burst.begin(), burst.end(), [&](const DecapPacket& decapsulated) {
      return decapsulated.packet == packet.packet;
    });
    if (found != burst.end()) {
      punt_probe(context, found->sa->tunnel_id, packet.packet);
      return;
    }
  }
  drop(context, packet.packet, api::DropReason::kProbeAddress);
}

void punt_probe(PathContext& context, uint32_t tunnel_id, rte_mbuf* packet) {
  if (!within_rate(context.world->probe_counts[tunnel_id], context.now_ns)) {
    drop(context, packet, api::DropReason::kPuntRateLimited);
    return;
  }
  PacketMeta& meta = meta_of(packet);
  meta.kind = MetaKind::kPuntProbe;
  meta.tunnel_id = tunnel_id;
  punt(context, packet, PuntClass::kProbe);
}

}  // namespace sallyport::dataplane
