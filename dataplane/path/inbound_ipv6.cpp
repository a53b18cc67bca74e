// SPDX-License-Identifier: BSD-3-Clause
// The inbound steps of IPv6 packets, in the order packets take them.
#include "dataplane/path/inbound_ipv6.h"

#include <rte_udp.h>

#include <cstring>
#include <utility>

#include "dataplane/esp/overhead.h"
#include "dataplane/packet/tcp_mss.h"
#include "dataplane/path/classify_ipv6.h"
#include "dataplane/path/context.h"
#include "dataplane/path/forward_ipv6.h"
#include "dataplane/path/probe_packets.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate_ipv6.h"
#include "dataplane/policy/selector_set.h"
#include "dataplane/sa/peer_key.h"

namespace sallyport::dataplane {

namespace {

enum class Wholeness : uint8_t { kAsItCame, kReassembled };

// Cleartext to something behind a tunnel or on a LAN, or simply not to us.
api::DropReason foreign_reason(const PathContext& context, const Ipv6Address& destination) {
  for (uint32_t vrf_id = 1; vrf_id < api::kMaxVrfs; ++vrf_id) {
    const Vrf* vrf = context.world->vrfs.at(vrf_id);
    if (vrf != nullptr && vrf->fib6 != nullptr && vrf->fib6->covers(destination))
      return api::DropReason::kCleartextPublic;
  }
  return api::DropReason::kNotForUs;
}

// The frame for the mirror: the Ethernet header was only stepped over. A reassembled packet has none: it gets
// one with the port's own address.
void punt_frame(PathContext& context, const Port& port, rte_mbuf* packet, PuntClass punt_class,
                Wholeness wholeness) {
  char* start = rte_pktmbuf_prepend(packet, RTE_ETHER_HDR_LEN);
  if (start == nullptr) {
    drop(context, packet, api::DropReason::kNoRoom);
    return;
  }
  if (wholeness == Wholeness::kReassembled) {
    const rte_ether_hdr header{port.mac, port.mac, RTE_BE16(RTE_ETHER_TYPE_IPV6)};
    std::memcpy(start, &header, sizeof header);
  }
  punt_to_port(context, port.id, packet, punt_class);
}

// Step 2 for a packet that no buffer holds.
void classify_large(PathContext& context, const Port& port, rte_mbuf* packet) {
  Ipv6Transport transport;
  if (const api::DropReason reason = find_transport(ipv6_packet_of(packet), transport); reason != kKeep) {
    drop(context, packet, reason);
    return;
  }
  const Classified result = classify_segments(*packet, transport.protocol, transport.offset_bytes);
  if (result.what == PublicClass::kDrop) {
    drop(context, packet, result.drop);
  } else {
    punt_frame(context, port, packet,
               result.what == PublicClass::kIke ? PuntClass::kIke : PuntClass::kIkeInit,
               Wholeness::kReassembled);
  }
}

void classify(PathContext& context, const Port& port, rte_mbuf* packet, InboundBurst& inbound,
              Wholeness wholeness);

// The kernel, which would drop it by itself, can't see any more that it came in fragments.
bool must_not_be_fragmented(rte_mbuf* packet) {
  Ipv6Transport transport;
  return find_transport(ipv6_packet_of(packet), transport) == kKeep &&
         is_never_fragmented(icmpv6_type(ipv6_packet_of(packet), transport));
}

// Step 3.
void reassemble(PathContext& context, const Port& port, rte_mbuf* fragment, InboundBurst& inbound) {
  const Reassembler::Outcome outcome = context.reassembler->add_ipv6(fragment);
  if (outcome.given_up > 0) count_drops(context, api::DropReason::kFragmentTableFull, outcome.given_up);
  if (outcome.too_large > 0) count_drops(context, api::DropReason::kReassembledTooLarge, outcome.too_large);
  if (outcome.count == 0) return;
  rte_mbuf* packet = outcome.packets[0];
  if (packet->nb_segs > 1) {
    classify_large(context, port, packet);
    return;
  }
  if (fit_ipv6(packet) != kKeep) {
    drop(context, packet, api::DropReason::kIpBadHeader);
    return;
  }
  if (must_not_be_fragmented(packet)) {
    drop(context, packet, api::DropReason::kIpv6Extension);
    return;
  }
  classify(context, port, packet, inbound, Wholeness::kReassembled);
}

// Step 2: the packet goes into `inbound` or is gone.
void classify(PathContext& context, const Port& port, rte_mbuf* packet, InboundBurst& inbound,
              Wholeness wholeness) {
  const Classified result = classify_public_ipv6(ipv6_packet_of(packet), port);
  switch (result.what) {
    case PublicClass::kEsp:
      to_home(context, packet, result.esp_offset_bytes, port.id, inbound);
      return;
    case PublicClass::kDrop:
      drop(context, packet, result.drop);
      return;
    case PublicClass::kIke:
      punt_frame(context, port, packet, PuntClass::kIke, wholeness);
      return;
    case PublicClass::kIkeInit:
      punt_frame(context, port, packet, PuntClass::kIkeInit, wholeness);
      return;
    case PublicClass::kIcmp:
      punt_frame(context, port, packet, PuntClass::kIcmp, wholeness);
      return;
    case PublicClass::kNeighbourDiscovery:
      punt_frame(context, port, packet, PuntClass::kArp, wholeness);
      return;
    case PublicClass::kPathMtu:
      punt_path_mtu(context, port.id, packet);
      return;
    case PublicClass::kFragment:
      reassemble(context, port, packet, inbound);
      return;
    case PublicClass::kForeign:
      drop(context, packet, foreign_reason(context, ipv6_destination(ipv6_header_of(packet))));
      return;
  }
}

// An ICMPv6 error passes where what it quotes, reversed, would (RFC 4301 section 6).
bool matches_policy(const InboundSa& sa, const rte_ipv6_hdr& header) {
  if (sa.selectors == nullptr) return !sa.ipv4_only;
  if (sa.selectors->matches_inbound(header)) return true;
  const std::optional<Ipv6Flow> quoted = quoted_by_icmpv6_error(header);
  return quoted.has_value() && sa.selectors->matches_outbound(*quoted);
}

void clamp_mss(const PathContext& context, const InboundSa& sa, rte_ipv6_hdr& header) {
  const Tunnel* tunnel = context.world->tunnels.at(sa.tunnel_id);
  if (tunnel == nullptr || !tunnel->mss_clamp.load(std::memory_order_relaxed)) return;
  const uint32_t mtu_bytes =
      inner_mtu(tunnel->path_mtu_bytes.load(std::memory_order_relaxed), sa.shape,
                sa.encap.load(std::memory_order_relaxed), sa.outer_family.load(std::memory_order_relaxed));
  clamp_tcp_mss(header,
                tcp_mss_for_ipv6(static_cast<uint16_t>(std::max<uint32_t>(mtu_bytes, kIpv6MinMtuBytes))));
}

}  // namespace

void receive_public_ipv6(PathContext& context, const Port& port, rte_mbuf* frame, InboundBurst& inbound) {
  if (const api::DropReason reason = enter_ipv6(frame); reason != kKeep) {
    drop(context, frame, reason);
    return;
  }
  classify(context, port, frame, inbound, Wholeness::kAsItCame);
}

uint64_t ipv6_udp_peer(const uint8_t* outer, uint16_t esp_offset) {
  Ipv6Transport transport;
  if (find_transport({outer, esp_offset}, transport) != kKeep || transport.protocol != IPPROTO_UDP) return 0;
  rte_udp_hdr udp;
  std::memcpy(&udp, outer + esp_offset - sizeof udp, sizeof udp);
  return peer_key(ipv6_source(*reinterpret_cast<const rte_ipv6_hdr*>(outer)), rte_be_to_cpu_16(udp.src_port));
}

void accept_ipv6(PathContext& context, const DecapPacket& packet) {
  InboundSa& sa = *packet.sa;
  rte_ipv6_hdr& header = ipv6_header_of(packet.packet);
  if (!matches_policy(sa, header)) {
    bump(sa.row->policy_dropped);
    drop(context, packet.packet, api::DropReason::kPolicyInbound);
    return;
  }
  if (is_probe_address(ipv6_destination(header))) {
    punt_probe(context, sa.tunnel_id, packet.packet);
    return;
  }
  clamp_mss(context, sa, header);
  RoutedIpv6& accepted = context.accepted_ipv6;
  accepted.packets[accepted.count++] = make_routed(packet.packet, sa.vrf_id, kNoPort, Origin::kTunnel);
}

void route_accepted_ipv6(PathContext& context) {
  RoutedIpv6& accepted = context.accepted_ipv6;
  for (const RoutedPacket& packet : std::span(accepted.packets.data(), std::exchange(accepted.count, 0)))
    route_ipv6(context, packet);
}

}  // namespace sallyport::dataplane
