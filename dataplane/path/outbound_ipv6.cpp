// SPDX-License-Identifier: BSD-3-Clause
// The outbound steps of IPv6 packets, in the order packets take them.
#include "dataplane/path/outbound_ipv6.h"

#include <utility>

#include "dataplane/esp/encapsulate.h"
#include "dataplane/packet/tcp_mss.h"
#include "dataplane/path/events.h"
#include "dataplane/path/forward_ipv6.h"
#include "dataplane/path/send_fragments.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate_ipv6.h"
#include "dataplane/policy/selector_set.h"

namespace sallyport::dataplane {

namespace {

// Packets on their way through the cipher.
struct EspBurst {
  uint32_t count = 0;
  std::array<rte_mbuf*, kBurst> packets;
  std::array<CryptoJob, kBurst> jobs;
  std::array<OutboundSa*, kBurst> sas;
  std::array<const Tunnel*, kBurst> tunnels;
  std::array<api::DropReason, kBurst> verdicts;  // kKeep: outer IPv4; kKeepIpv6: outer IPv6
};

// As it came; the Ethernet header is still there.
void punt(PathContext& context, const Port& port, rte_mbuf* frame, PuntClass punt_class) {
  rte_pktmbuf_prepend(frame, RTE_ETHER_HDR_LEN);
  punt_to_port(context, port.id, frame, punt_class);
}

// Step 5. An ICMPv6 error passes where what it quotes, reversed, would (RFC 4301 section 6).
bool matches_policy(const OutboundSa& sa, const rte_ipv6_hdr& header) {
  if (sa.selectors == nullptr) return !sa.ipv4_only;
  if (sa.selectors->matches_outbound(header)) return true;
  const std::optional<Ipv6Flow> quoted = quoted_by_icmpv6_error(header);
  return quoted.has_value() && sa.selectors->matches_inbound(*quoted);
}

// Step 7: whether the packet may be sealed. Of what does not fit the tunnel's path MTU, packets up to 1280
// bytes are sealed all the same and the outer packet is fragmented: a tunnel, too, has to carry what every
// IPv6 link carries (RFC 8200 section 5, RFC 2473 section 7.1).
bool fits(PathContext& context, const OutboundPacket& packet) {
  const uint16_t mtu_bytes = tunnel_mtu(*packet.tunnel, *packet.sa);
  const uint32_t bytes = packet.routed.packet->pkt_len;
  if (bytes <= mtu_bytes) return true;
  bump(packet.sa->row->too_big);
  if (bytes <= kIpv6MinMtuBytes) return true;
  refuse_ipv6_too_big(context, packet.routed, mtu_bytes);
  return false;
}

void clamp_mss(const OutboundPacket& packet) {
  if (!packet.tunnel->mss_clamp.load(std::memory_order_relaxed)) return;
  const uint16_t mtu_bytes = std::max(tunnel_mtu(*packet.tunnel, *packet.sa), kIpv6MinMtuBytes);
  clamp_tcp_mss(ipv6_header_of(packet.routed.packet), tcp_mss_for_ipv6(mtu_bytes));
}

// Steps 5 and 7 to 9: into the burst, or gone.
void append(PathContext& context, const OutboundPacket& packet, EspBurst& burst) {
  rte_mbuf* sealed = packet.routed.packet;
  OutboundSa& sa = *packet.sa;
  if (!matches_policy(sa, ipv6_header_of(sealed))) {
    bump(sa.row->policy_dropped);
    refuse_ipv6(context, packet.routed, api::DropReason::kPolicyOutbound);
    return;
  }
  clamp_mss(packet);
  if (!fits(context, packet)) return;
  const Sequence sequence = assign_sequence(sa, sealed->pkt_len, context.now_ns);
  if (sa.due != 0) report_expiry(context, sa);
  const uint32_t i = burst.count;
  const api::DropReason verdict =
      sequence.drop == kKeep ? prepare_other_encapsulation(sealed, sa, sequence.number, burst.jobs[i])
                             : sequence.drop;
  if (!is_kept(verdict)) {
    bump(sa.row->other_dropped);
    drop(context, sealed, verdict);
    return;
  }
  burst.packets[i] = sealed;
  burst.sas[i] = &sa;
  burst.tunnels[i] = packet.tunnel;
  burst.verdicts[i] = verdict;
  ++burst.count;
}

// Steps 11 and 12 for a packet that was encrypted.
void send_sealed(PathContext& context, const EspBurst& burst, uint32_t i) {
  rte_mbuf* packet = burst.packets[i];
  const Tunnel& tunnel = *burst.tunnels[i];
  const uint32_t neighbour_id = tunnel.neighbour_id.load(std::memory_order_relaxed);
  const uint16_t mtu_bytes = tunnel.path_mtu_bytes.load(std::memory_order_relaxed);
  const auto send = burst.verdicts[i] == kKeepIpv6 ? send_ipv6_to_neighbour : send_to_neighbour;
  if (packet->pkt_len <= mtu_bytes) {
    send(context, neighbour_id, packet);
    return;
  }
  send_fragments(context, tunnel, *burst.sas[i], packet);
}

}  // namespace

void receive_lan_ipv6(PathContext& context, const Port& port, rte_mbuf* frame) {
  if (const api::DropReason reason = enter_ipv6(frame); reason != kKeep) {
    drop(context, frame, reason);
    return;
  }
  const auto packet = ipv6_packet_of(frame);
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep) {
    drop(context, frame, api::DropReason::kIpv6Extension);
    return;
  }
  const Ipv6Address destination = ipv6_destination(ipv6_header_of(frame));
  const uint8_t type = icmpv6_type(packet, transport);
  const bool for_the_link =
      is_link_scope_multicast(destination) || is_link_local(destination) || port.owns(destination);
  if (for_the_link && (is_neighbour_discovery(type) || is_multicast_listener(type))) {
    punt(context, port, frame, PuntClass::kArp);
  } else if (is_link_scope_multicast(destination) || is_link_local(destination)) {
    punt(context, port, frame, PuntClass::kRouting);
  } else {
    route_ipv6(context, make_routed(frame, port.vrf_id, port.id, Origin::kLan));
  }
}

void encapsulate_ipv6_burst(PathContext& context, OutboundBurst& outbound) {
  const uint32_t count = std::exchange(outbound.count, 0);
  for (uint32_t i = 0; i < count; ++i)
    prefetch_state(*outbound.packets[i].sa);
  EspBurst burst;
  for (uint32_t i = 0; i < count; ++i)
    append(context, outbound.packets[i], burst);
  context.engine->encrypt({burst.jobs.data(), burst.count});
  for (uint32_t i = 0; i < burst.count; ++i) {
    if (burst.jobs[i].ok) {
      send_sealed(context, burst, i);
    } else {
      bump(burst.sas[i]->row->other_dropped);
      drop(context, burst.packets[i], api::DropReason::kCryptoFailed);
    }
  }
}

}  // namespace sallyport::dataplane
