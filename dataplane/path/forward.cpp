// SPDX-License-Identifier: BSD-3-Clause
// Steps lookup_route, select_tunnel and rewrite neighbour, and the ICMP errors they give rise to.
#include "dataplane/path/forward.h"

#include <utility>

#include "dataplane/packet/fragment.h"
#include "dataplane/packet/icmp_error.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/path/outbound.h"
#include "dataplane/path/transmit.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMaxFragments = 32;

rte_ipv4_hdr& header_of(rte_mbuf* packet) {
  return *rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
}

void lookup_routes(PathContext& context, std::span<RoutedPacket> packets, std::span<uint32_t> groups) {
  std::array<uint32_t, kBurst> destinations;
  for (size_t i = 0; i < packets.size(); ++i)
    destinations[i] = rte_be_to_cpu_32(header_of(packets[i].packet).dst_addr);
  // One bulk lookup for every run of packets of one VRF.
  for (size_t from = 0, to = 0; from < packets.size(); from = to) {
    const uint16_t vrf_id = packets[from].vrf_id;
    while (to < packets.size() && packets[to].vrf_id == vrf_id)
      ++to;
    if (const Vrf* vrf = context.world->vrfs.at(packets[from].vrf_id)) {
      vrf->fib4->lookup_burst(&destinations[from], &groups[from], static_cast<unsigned>(to - from));
    } else {
      std::fill(&groups[from], &groups[to], kNoGroup);
    }
  }
}

// The address that ICMP errors come from: of the port the packet came by, or else of any port of the VRF.
uint32_t error_source_be(const PathContext& context, const RoutedPacket& packet) {
  const Port* port = context.world->ports.at(packet.port_id);
  if (port != nullptr && port->address_count > 0) return port->addresses_be[0];
  const PortList* list = context.world->port_list.load(std::memory_order_acquire);
  if (list == nullptr) return 0;
  for (const Port* other : list->ports) {
    if (other->vrf_id == packet.vrf_id && other->address_count > 0) return other->addresses_be[0];
  }
  return 0;
}

void reply(PathContext& context, const RoutedPacket& packet, IcmpError error, uint16_t mtu_bytes) {
  if (packet.origin == Origin::kMirror || context.reply_count == kBurst) return;
  const rte_ipv4_hdr& header = header_of(packet.packet);
  const uint32_t source_be = error_source_be(context, packet);
  if (source_be == 0 || !icmp_error_allowed(header) || !context.limits.icmp_errors.allow(context.now_ns))
    return;
  rte_mbuf* answer = build_icmp_error(context.pool, header, error, source_be, mtu_bytes);
  if (answer == nullptr) return;
  context.replies[context.reply_count++] = make_routed(answer, packet.vrf_id, kNoPort, Origin::kMirror);
}

// To the kernel, about a packet of its own. From that packet's destination, as Linux's own tunnels do it: an
// error from one of the kernel's own addresses would be a forgery to it.
void tell_kernel_mtu(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes) {
  const rte_ipv4_hdr& header = header_of(packet.packet);
  if (!icmp_error_allowed(header) || !context.limits.icmp_errors.allow(context.now_ns)) return;
  rte_mbuf* answer =
      build_icmp_error(context.pool, header, IcmpError::kFragmentationNeeded, header.dst_addr, mtu_bytes);
  if (answer != nullptr) punt_to_vrf(context, packet.vrf_id, answer);
}

// False: expired, and the packet is gone.
[[gnu::always_inline]] inline bool decrement_ttl_for(PathContext& context, const RoutedPacket& packet) {
  if (packet.origin == Origin::kMirror) return true;
  if (decrement_ttl(header_of(packet.packet)) == kKeep) [[likely]]
    return true;
  refuse(context, packet, api::DropReason::kTtlExpired);
  return false;
}

void forward_fragments(PathContext& context, const RoutedPacket& packet, uint32_t neighbour_id,
                       uint16_t mtu_bytes) {
  std::array<rte_mbuf*, kMaxFragments> fragments;
  const uint32_t count = fragment_ipv4(packet.packet, mtu_bytes, context.pool, fragments);
  if (count == 0) {
    drop(context, packet.packet, api::DropReason::kFragmentFailed);
    return;
  }
  rte_pktmbuf_free(packet.packet);
  for (uint32_t i = 0; i < count; ++i)
    send_to_neighbour(context, neighbour_id, fragments[i]);
}

void to_neighbour(PathContext& context, const RoutedPacket& packet, uint32_t neighbour_id, Egress& egress) {
  if (!decrement_ttl_for(context, packet)) return;
  if (const uint16_t mtu_bytes = egress.mtu_bytes(neighbour_id); packet.packet->pkt_len > mtu_bytes)
      [[unlikely]] {
    if (ipv4_df(header_of(packet.packet))) {
      refuse_too_big(context, packet, mtu_bytes);
    } else {
      forward_fragments(context, packet, neighbour_id, mtu_bytes);
    }
    return;
  }
  egress.send(neighbour_id, packet.packet);
}

// The gateway itself: a LAN port's frames go to the port's TAP as they came, everything else to the VRF's
// TUN.
void to_local(PathContext& context, const RoutedPacket& packet) {
  if (packet.origin == Origin::kMirror) {  // the kernel has no business sending its own addresses to us
    drop(context, packet.packet, api::DropReason::kNoRoute);
  } else if (packet.origin == Origin::kLan &&
             rte_pktmbuf_prepend(packet.packet, RTE_ETHER_HDR_LEN) != nullptr) {
    // The Ethernet header was only stepped over: it is still there.
    punt_to_port(context, packet.port_id, packet.packet, PuntClass::kRouting);
  } else {
    punt_to_vrf(context, packet.vrf_id, packet.packet);
  }
}

// Step 6, first half, where there is more than one way, or none: then the packet is gone and the kind 0.
[[gnu::noinline]] Member select_among(PathContext& context, const RoutedPacket& packet, uint32_t group_id) {
  const NextHopGroup* group = context.world->groups.at(group_id);
  const api::GroupMember* member =
      group == nullptr ? nullptr : group->member(flow_hash(read_flow(header_of(packet.packet))));
  if (member != nullptr) return Member::of(*member);
  refuse(context, packet, group == nullptr ? api::DropReason::kNoRoute : api::DropReason::kNoTunnelUp);
  return {};
}

[[gnu::cold, gnu::noinline]] bool options_allowed(PathContext& context, rte_mbuf* packet) {
  if (ipv4_options_allowed(header_of(packet))) return true;
  drop(context, packet, api::DropReason::kIpOptions);
  return false;
}

// Step 6, first half: the member of its group for each packet, and the tunnel where it is one.
void select_members(PathContext& context, std::span<const RoutedPacket> packets, const uint32_t* groups,
                    Member* members, const Tunnel** tunnels) {
  for (size_t i = 0; i < packets.size(); ++i) {
    Member member = context.world->groups.only_member(groups[i]);
    if (ipv4_has_options(header_of(packets[i].packet)) && !options_allowed(context, packets[i].packet))
        [[unlikely]]
      member = {};
    else if (member.bits == 0) [[unlikely]]
      member = select_among(context, packets[i], groups[i]);
    members[i] = member;
    if (member.kind() != api::MemberKind::kTunnel) continue;
    tunnels[i] = context.world->tunnels.at(member.id());
    rte_prefetch0(tunnels[i]);
  }
}

// All but a tunnel and a neighbour.
[[gnu::noinline]] void to_other_member(PathContext& context, const RoutedPacket& packet, Member member) {
  switch (member.kind()) {
    case api::MemberKind::kConnected:
      if (decrement_ttl_for(context, packet)) {
        await_neighbour(context, member.id(), api::kNone, header_of(packet.packet).dst_addr, packet.packet);
      }
      return;
    case api::MemberKind::kLocal:
      to_local(context, packet);
      return;
    case api::MemberKind::kDrop:
      refuse(context, packet, api::DropReason::kNoRoute);
      return;
    default:
      return;  // the packet is gone already
  }
}

[[gnu::always_inline]] inline void to_tunnel(PathContext& context, const RoutedPacket& packet,
                                             const Tunnel* tunnel, OutboundBurst& outbound) {
  if (tunnel == nullptr) [[unlikely]] {
    drop(context, packet.packet, api::DropReason::kNoTunnelUp);
  } else if (decrement_ttl_for(context, packet)) {
    select_home(context, packet, *tunnel, outbound);
  }
}

}  // namespace

const rte_ipv4_hdr* quoted_by_icmp_error(const rte_ipv4_hdr& header) {
  constexpr uint32_t kIcmpBytes = 8, kQuotedPayloadBytes = 8;
  if (header.next_proto_id != IPPROTO_ICMP || ipv4_is_fragment(header)) return nullptr;
  const uint32_t header_bytes = ipv4_header_bytes(header);
  const uint32_t quoted_offset = header_bytes + kIcmpBytes;
  const uint32_t total_bytes = ipv4_total_bytes(header);
  if (total_bytes < quoted_offset + sizeof(rte_ipv4_hdr) + kQuotedPayloadBytes) return nullptr;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  const uint8_t type = bytes[header_bytes];
  if (type != 3 && type != 4 && type != 11 && type != 12) return nullptr;  // RFC 792: the errors
  const auto* quoted = reinterpret_cast<const rte_ipv4_hdr*>(bytes + quoted_offset);
  const uint32_t quoted_bytes = ipv4_header_bytes(*quoted);
  const bool is_whole = (quoted->version_ihl >> 4) == 4 && quoted_bytes >= sizeof(rte_ipv4_hdr) &&
                        total_bytes >= quoted_offset + quoted_bytes + kQuotedPayloadBytes &&
                        ipv4_total_bytes(*quoted) >= quoted_bytes + kQuotedPayloadBytes;
  return is_whole ? quoted : nullptr;
}

void refuse(PathContext& context, const RoutedPacket& packet, api::DropReason reason) {
  if (reason == api::DropReason::kTtlExpired) reply(context, packet, IcmpError::kTimeExceeded, 0);
  if (reason == api::DropReason::kNoRoute) reply(context, packet, IcmpError::kNetUnreachable, 0);
  if (reason == api::DropReason::kNoTunnelUp) reply(context, packet, IcmpError::kHostUnreachable, 0);
  if (reason == api::DropReason::kPolicyOutbound) reply(context, packet, IcmpError::kProhibited, 0);
  drop(context, packet.packet, reason);
}

void refuse_too_big(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes) {
  if (packet.origin == Origin::kMirror) {
    tell_kernel_mtu(context, packet, mtu_bytes);
  } else {
    reply(context, packet, IcmpError::kFragmentationNeeded, mtu_bytes);
  }
  drop(context, packet.packet, api::DropReason::kTooBigDf);
}

void forward_burst(PathContext& context, std::span<RoutedPacket> packets) {
  std::array<uint32_t, kBurst> groups;
  std::array<Member, kBurst> members;
  std::array<const Tunnel*, kBurst> tunnels;
  OutboundBurst outbound;
  Egress egress(context);
  lookup_routes(context, packets, groups);
  select_members(context, packets, groups.data(), members.data(), tunnels.data());
  for (size_t i = 0; i < packets.size(); ++i) {
    if (members[i].kind() == api::MemberKind::kTunnel) {
      to_tunnel(context, packets[i], tunnels[i], outbound);
    } else if (members[i].kind() == api::MemberKind::kNeighbour) {
      to_neighbour(context, packets[i], members[i].id(), egress);
    } else {
      to_other_member(context, packets[i], members[i]);
    }
  }
  if (outbound.count > 0) encapsulate_burst(context, outbound);
}

void send_replies(PathContext& context) {
  if (context.reply_count == 0) return;
  const uint32_t count = std::exchange(context.reply_count, 0);
  forward_burst(context, {context.replies.data(), count});
}

}  // namespace sallyport::dataplane
