// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/send_fragments.h"

#include <rte_random.h>

#include "dataplane/packet/fragment.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate_ipv6.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMaxFragments = 32;

// How many, none where that failed. What an IPv4 packet said about fragmentation was meant for routers.
uint32_t fragment(const PathContext& context, rte_mbuf* packet, uint16_t mtu_bytes,
                  std::span<rte_mbuf*> fragments) {
  if (is_ipv6_packet(packet))
    return fragment_ipv6(packet, mtu_bytes, static_cast<uint32_t>(rte_rand()), context.pool, fragments);
  rte_pktmbuf_mtod(packet, rte_ipv4_hdr*)->fragment_offset = 0;
  return fragment_ipv4(packet, mtu_bytes, context.pool, fragments);
}

}  // namespace

void send_fragments(PathContext& context, const Tunnel& tunnel, OutboundSa& sa, rte_mbuf* packet) {
  const uint32_t neighbour_id = tunnel.neighbour_id.load(std::memory_order_relaxed);
  const uint16_t mtu_bytes = tunnel.path_mtu_bytes.load(std::memory_order_relaxed);
  const auto send = is_ipv6_packet(packet) ? send_ipv6_to_neighbour : send_to_neighbour;
  std::array<rte_mbuf*, kMaxFragments> fragments;
  const uint32_t count = fragment(context, packet, mtu_bytes, fragments);
  if (count == 0) {
    bump(sa.row->other_dropped);
    drop(context, packet, api::DropReason::kFragmentFailed);
    return;
  }
  rte_pktmbuf_free(packet);
  for (uint32_t i = 0; i < count; ++i)
    send(context, neighbour_id, fragments[i]);
}

}  // namespace sallyport::dataplane
