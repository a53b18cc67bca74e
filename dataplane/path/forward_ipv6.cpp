// SPDX-License-Identifier: BSD-3-Clause
// Steps validate, lookup_route, select_tunnel and rewrite neighbour for IPv6.
#include "dataplane/path/forward_ipv6.h"

#include <algorithm>
#include <utility>

#include "dataplane/packet/addresses.h"
#include "dataplane/packet/icmpv6_error.h"
#include "dataplane/path/choose_sa.h"
#include "dataplane/path/forward.h"
#include "dataplane/path/outbound_ipv6.h"
#include "dataplane/path/policy_member.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate_ipv6.h"

namespace sallyport::dataplane {

namespace {

// The first of the port's addresses that means something beyond its link; nullptr: none.
const Ipv6Address* routable_address(const Port& port) {
  const std::span addresses(port.ipv6_addresses.data(), port.ipv6_count);
  const auto found = std::find_if_not(addresses.begin(), addresses.end(), is_link_local);
  return found == addresses.end() ? nullptr : &*found;
}

// The address that ICMPv6 errors come from: of the port the packet came by, or else of any port of the VRF.
const Ipv6Address* error_source(const PathContext& context, const RoutedPacket& packet) {
  if (const Port* port = context.world->ports.at(packet.port_id())) {
    if (const Ipv6Address* address = routable_address(*port)) return address;
  }
  const PortList* list = context.world->port_list.load(std::memory_order_acquire);
  if (list == nullptr) return nullptr;
  for (const Port* other : list->ports) {
    const Ipv6Address* address = other->vrf_id == packet.vrf_id() ? routable_address(*other) : nullptr;
    if (address != nullptr) return address;
  }
  return nullptr;
}

void reply(PathContext& context, const RoutedPacket& packet, Icmpv6Error error, uint16_t mtu_bytes) {
  RoutedIpv6& replies = context.ipv6_replies;
  if (packet.origin() == Origin::kMirror || replies.count == kBurst) return;
  const rte_ipv6_hdr& header = ipv6_header_of(packet.packet);
  const Ipv6Address* source = error_source(context, packet);
  if (source == nullptr || !icmpv6_error_allowed(header, error) ||
      !context.limits.icmp_errors.allow(context.now_ns)) {
    return;
  }
  rte_mbuf* answer = build_icmpv6_error(context.pool, header, error, *source, mtu_bytes);
  if (answer == nullptr) return;
  replies.packets[replies.count++] = make_routed(answer, packet.vrf_id(), kNoPort, Origin::kMirror);
}

// To the kernel, about a packet of its own; from that packet's destination, as for IPv4.
void tell_kernel_mtu(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes) {
  const rte_ipv6_hdr& header = ipv6_header_of(packet.packet);
  if (!icmpv6_error_allowed(header, Icmpv6Error::kPacketTooBig) ||
      !context.limits.icmp_errors.allow(context.now_ns)) {
    return;
  }
  rte_mbuf* answer = build_icmpv6_error(context.pool, header, Icmpv6Error::kPacketTooBig,
                                        ipv6_destination(header), mtu_bytes);
  if (answer != nullptr) punt_to_vrf(context, packet.vrf_id(), answer);
}

// False: expired, and the packet is gone.
bool decrement_for(PathContext& context, const RoutedPacket& packet) {
  if (packet.origin() == Origin::kMirror || decrement_hop_limit(ipv6_header_of(packet.packet)) == kKeep)
    return true;
  refuse_ipv6(context, packet, api::DropReason::kTtlExpired);
  return false;
}

uint32_t lookup_route(const PathContext& context, const RoutedPacket& packet) {
  const Vrf* vrf = context.world->vrfs.at(packet.vrf_id());
  if (vrf == nullptr || vrf->fib6 == nullptr) return kNoGroup;
  return vrf->fib6->lookup(ipv6_destination(ipv6_header_of(packet.packet)));
}

// The member of its group for a packet; of kind 0 where the packet is gone.
Member select_member(PathContext& context, const RoutedPacket& packet) {
  if (const api::DropReason reason = check_scope(ipv6_packet_of(packet.packet)); reason != kKeep) {
    drop(context, packet.packet, reason);
    return {};
  }
  const uint32_t group_id = lookup_route(context, packet);
  if (const Member only = context.world->groups.only_member(group_id); only.bits != 0) return only;
  const NextHopGroup* group = context.world->groups.at(group_id);
  const rte_ipv6_hdr& header = ipv6_header_of(packet.packet);
  const api::GroupMember* member = nullptr;
  if (group != nullptr) {
    member = group->choice() == api::MemberChoice::kByPolicy ? policy_member(context, *group, header)
                                                             : group->member(flow_hash(read_flow(header)));
  }
  if (member != nullptr) return Member::of(*member);
  refuse_ipv6(context, packet, group == nullptr ? api::DropReason::kNoRoute : api::DropReason::kNoTunnelUp);
  return {};
}

void to_neighbour(PathContext& context, const RoutedPacket& packet, uint32_t neighbour_id, Egress& egress) {
  if (!decrement_for(context, packet)) return;
  if (const uint16_t mtu_bytes = egress.exit(neighbour_id).mtu_bytes(); packet.packet->pkt_len > mtu_bytes) {
    refuse_ipv6_too_big(context, packet, mtu_bytes);
    return;
  }
  send_ipv6_to_neighbour(context, neighbour_id, packet.packet);
}

void to_connected(PathContext& context, const RoutedPacket& packet, uint32_t port_id) {
  if (!decrement_for(context, packet)) return;
  if (const uint16_t mtu_bytes = port_mtu(context, port_id); packet.packet->pkt_len > mtu_bytes) {
    refuse_ipv6_too_big(context, packet, mtu_bytes);
    return;
  }
  const api::Address next_hop = to_address(ipv6_destination(ipv6_header_of(packet.packet)));
  await_neighbour(context, port_id, api::kNone, next_hop, packet.packet);
}

void to_tunnel(PathContext& context, const RoutedPacket& packet, uint32_t tunnel_id,
               OutboundBurst& outbound) {
  const Tunnel* tunnel = context.world->tunnels.at(tunnel_id);
  if (tunnel == nullptr) {
    drop(context, packet.packet, api::DropReason::kNoTunnelUp);
  } else if (decrement_for(context, packet)) {
    const Home home = home_for(context, *tunnel, ipv6_header_of(packet.packet));
    if (home.sa == nullptr) {
      leave_home(context, packet, *tunnel, home.slot);
    } else {
      outbound.append(*tunnel, *home.sa, packet);
    }
  }
}

void forward_burst(PathContext& context, RoutedIpv6& burst) {
  const std::span packets(burst.packets.data(), std::exchange(burst.count, 0));
  OutboundBurst outbound;
  Egress egress(context);
  for (const RoutedPacket& packet : packets) {
    const Member member = select_member(context, packet);
    switch (member.kind()) {
      case api::MemberKind::kTunnel:
        to_tunnel(context, packet, member.id(), outbound);
        break;
      case api::MemberKind::kNeighbour:
        to_neighbour(context, packet, member.id(), egress);
        break;
      case api::MemberKind::kConnected:
        to_connected(context, packet, member.id());
        break;
      case api::MemberKind::kLocal:
        to_local(context, packet);
        break;
      case api::MemberKind::kDrop:
        refuse_ipv6(context, packet, api::DropReason::kNoRoute);
        break;
      default:
        break;  // the packet is gone already
    }
  }
  if (outbound.count > 0) encapsulate_ipv6_burst(context, outbound);
}

}  // namespace

void route_ipv6(PathContext& context, const RoutedPacket& packet) {
  context.ipv6.packets[context.ipv6.count++] = packet;
  if (context.ipv6.count == kBurst) forward_burst(context, context.ipv6);
}

void forward_ipv6(PathContext& context) {
  if (context.ipv6.count > 0) forward_burst(context, context.ipv6);
}

void send_ipv6_replies(PathContext& context) {
  if (context.ipv6_replies.count > 0) forward_burst(context, context.ipv6_replies);
}

void refuse_ipv6(PathContext& context, const RoutedPacket& packet, api::DropReason reason) {
  if (reason == api::DropReason::kTtlExpired) reply(context, packet, Icmpv6Error::kTimeExceeded, 0);
  if (reason == api::DropReason::kNoRoute) reply(context, packet, Icmpv6Error::kNoRoute, 0);
  if (reason == api::DropReason::kNoTunnelUp) reply(context, packet, Icmpv6Error::kAddressUnreachable, 0);
  if (reason == api::DropReason::kPolicyOutbound) reply(context, packet, Icmpv6Error::kProhibited, 0);
  drop(context, packet.packet, reason);
}

void refuse_ipv6_too_big(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes) {
  const uint16_t told_bytes = std::max(mtu_bytes, kIpv6MinMtuBytes);
  if (packet.origin() == Origin::kMirror) {
    tell_kernel_mtu(context, packet, told_bytes);
  } else {
    reply(context, packet, Icmpv6Error::kPacketTooBig, told_bytes);
  }
  drop(context, packet.packet, api::DropReason::kTooBigDf);
}

std::optional<Ipv6Flow> quoted_by_icmpv6_error(const rte_ipv6_hdr& header) {
  constexpr uint32_t kIcmpBytes = 8, kQuotedPayloadBytes = 8;
  constexpr uint8_t kFirstInformational = 128;
  const std::span packet(reinterpret_cast<const uint8_t*>(&header), ipv6_total_bytes(header));
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep || transport.fragment) return std::nullopt;
  const uint8_t type = icmpv6_type(packet, transport);
  if (type == 0 || type >= kFirstInformational) return std::nullopt;
  const auto message = packet.subspan(transport.offset_bytes);
  if (message.size() < kIcmpBytes + sizeof(rte_ipv6_hdr) + kQuotedPayloadBytes) return std::nullopt;
  const auto quoted = message.subspan(kIcmpBytes);
  if (quoted[0] >> 4 != 6) return std::nullopt;
  return read_flow(*reinterpret_cast<const rte_ipv6_hdr*>(quoted.data()),
                   static_cast<uint32_t>(quoted.size()));
}

}  // namespace sallyport::dataplane
