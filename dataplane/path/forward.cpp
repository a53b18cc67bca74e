// SPDX-License-Identifier: BSD-3-Clause
// Steps lookup_route, select_tunnel and rewrite neighbour, and the ICMP errors they give rise to.
#include "dataplane/path/forward.h"

#include <cassert>
#include <cstddef>
#include <cstring>
#include <utility>

#include "dataplane/packet/addresses.h"
#include "dataplane/packet/fragment.h"
#include "dataplane/packet/icmp_error.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/path/choose_sa.h"
#include "dataplane/path/outbound.h"
#include "dataplane/path/policy_member.h"
#include "dataplane/path/probe_packets.h"
#include "dataplane/path/transmit.h"
#include "dataplane/path/validate.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMaxFragments = 32;

rte_ipv4_hdr& header_of(rte_mbuf* packet) {
  return *rte_pktmbuf_mtod(packet, rte_ipv4_hdr*);
}

// Packets of a burst that lie side by side and go one way: of one VRF, port and origin, to one destination.
// What is looked up for the way is looked up once.
struct Ways {
  uint32_t count = 0;
  bool one_vrf = true;
  uint32_t highest_destination = 0;
  std::array<uint32_t, kBurst + 1> starts;  // the first packet of each; one more: the burst's end
  std::array<uint32_t, kBurst> destinations, groups;
  std::array<Member, kBurst> members;  // kind 0: several, or none
  std::array<const Tunnel*, kBurst> tunnels;
};

void find_ways(std::span<const RoutedPacket> packets, Ways& ways) {
  const uint64_t first_way = packets[0].way;
  uint64_t last_way = ~first_way, differing = 0;
  uint32_t count = 0, highest_destination = 0;
  for (const RoutedPacket& packet : packets) {
    if (packet.way == last_way) continue;
    last_way = packet.way;
    differing |= last_way ^ first_way;
    ways.starts[count] = static_cast<uint32_t>(&packet - packets.data());
    const uint32_t destination = rte_be_to_cpu_32(packet.destination_be());
    highest_destination = std::max(highest_destination, destination);
    ways.destinations[count++] = destination;
  }
  ways.starts[count] = static_cast<uint32_t>(packets.size());
  ways.count = count;
  ways.highest_destination = highest_destination;
  ways.one_vrf = RoutedPacket{nullptr, differing}.vrf_id() == 0;
}

// For the ways [from, to), all of one VRF.
void lookup_routes_in(PathContext& context, uint8_t vrf_id, Ways& ways, uint32_t from, uint32_t to) {
  if (const Vrf* vrf = context.world->vrfs.at(vrf_id)) {
    vrf->fib4->lookup_burst(&ways.destinations[from], &ways.groups[from], to - from);
  } else {
    std::fill(&ways.groups[from], &ways.groups[to], kNoGroup);
  }
}

// Whatever a short prefix says: a multicast or broadcast packet is not for the one host that a route leads to
// (RFC 1812 section 5.3.5.1, RFC 5771 section 4).
[[gnu::cold, gnu::noinline]] void forget_group_addresses(Ways& ways) {
  for (uint32_t way = 0; way < ways.count; ++way) {
    if (is_group_address(rte_cpu_to_be_32(ways.destinations[way]))) ways.groups[way] = kNoGroup;
  }
}

// One bulk lookup for all that lie side by side in one VRF.
void lookup_routes(PathContext& context, std::span<const RoutedPacket> packets, Ways& ways) {
  if (ways.one_vrf) [[likely]] {
    lookup_routes_in(context, packets[0].vrf_id(), ways, 0, ways.count);
    return;
  }
  for (uint32_t from = 0, to = 0; from < ways.count; from = to) {
    const uint8_t vrf_id = packets[ways.starts[from]].vrf_id();
    while (to < ways.count && packets[ways.starts[to]].vrf_id() == vrf_id)
      ++to;
    lookup_routes_in(context, vrf_id, ways, from, to);
  }
}

// The address that ICMP errors come from: of the port the packet came by, or else of any port of the VRF.
uint32_t error_source_be(const PathContext& context, const RoutedPacket& packet) {
  const Port* port = context.world->ports.at(packet.port_id());
  if (port != nullptr && port->address_count > 0) return port->addresses_be[0];
  const PortList* list = context.world->port_list.load(std::memory_order_acquire);
  if (list == nullptr) return 0;
  for (const Port* other : list->ports) {
    if (other->vrf_id == packet.vrf_id() && other->address_count > 0) return other->addresses_be[0];
  }
  return 0;
}

void reply(PathContext& context, const RoutedPacket& packet, IcmpError error, uint16_t mtu_bytes) {
  if (packet.origin() == Origin::kMirror || context.reply_count == kBurst) return;
  const rte_ipv4_hdr& header = header_of(packet.packet);
  const uint32_t source_be = error_source_be(context, packet);
  if (source_be == 0 || !icmp_error_allowed(header) || !context.limits.icmp_errors.allow(context.now_ns))
    return;
  rte_mbuf* answer = build_icmp_error(context.pool, header, error, source_be, mtu_bytes);
  if (answer == nullptr) return;
  context.replies[context.reply_count++] =
      make_routed_ipv4(answer, packet.vrf_id(), kNoPort, Origin::kMirror);
}

// To the kernel, about a packet of its own. From that packet's destination, as Linux's own tunnels do it: an
// error from one of the kernel's own addresses would be a forgery to it.
void tell_kernel_mtu(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes) {
  const rte_ipv4_hdr& header = header_of(packet.packet);
  if (!icmp_error_allowed(header) || !context.limits.icmp_errors.allow(context.now_ns)) return;
  rte_mbuf* answer =
      build_icmp_error(context.pool, header, IcmpError::kFragmentationNeeded, header.dst_addr, mtu_bytes);
  if (answer != nullptr) punt_to_vrf(context, packet.vrf_id(), answer);
}

[[gnu::cold, gnu::noinline]] bool options_allowed(PathContext& context, rte_mbuf* packet) {
  if (ipv4_options_allowed(header_of(packet))) return true;
  drop(context, packet, api::DropReason::kIpOptions);
  return false;
}

// False: not to be forwarded with its options, and the packet is gone.
[[gnu::always_inline]] inline bool check_options(PathContext& context, const RoutedPacket& packet,
                                                 const rte_ipv4_hdr& header) {
  return !ipv4_has_options(header) || options_allowed(context, packet.packet);
}

// A hop of the packet's way: false where it ends here, and the packet is gone.
[[gnu::always_inline]] inline bool take_hop(PathContext& context, const RoutedPacket& packet) {
  rte_ipv4_hdr& header = header_of(packet.packet);
  if (!check_options(context, packet, header)) [[unlikely]]
    return false;
  if (packet.origin() == Origin::kMirror) return true;
  if (decrement_ttl(header) == kKeep) [[likely]]
    return true;
  refuse(context, packet, api::DropReason::kTtlExpired);
  return false;
}

template <typename Send>
void forward_fragments(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes, Send send) {
  std::array<rte_mbuf*, kMaxFragments> fragments;
  const uint32_t count = fragment_ipv4(packet.packet, mtu_bytes, context.pool, fragments);
  if (count == 0) {
    drop(context, packet.packet, api::DropReason::kFragmentFailed);
    return;
  }
  rte_pktmbuf_free(packet.packet);
  for (uint32_t i = 0; i < count; ++i)
    send(fragments[i]);
}

// A packet that is larger than the port's MTU: `send` takes its fragments.
template <typename Send>
void fit(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes, Send send) {
  if (!verify_checksum(context, packet.packet)) return;
  if (ipv4_df(header_of(packet.packet))) {
    refuse_too_big(context, packet, mtu_bytes);
  } else {
    forward_fragments(context, packet, mtu_bytes, send);
  }
}

[[gnu::cold, gnu::noinline]] void fit_to_neighbour(PathContext& context, const RoutedPacket& packet,
                                                   uint32_t neighbour_id, uint16_t mtu_bytes) {
  fit(context, packet, mtu_bytes,
      [&](rte_mbuf* fragment) { send_to_neighbour(context, neighbour_id, fragment); });
}

[[gnu::always_inline]] inline void to_neighbour(PathContext& context, std::span<const RoutedPacket> packets,
                                                uint32_t neighbour_id, Egress& egress) {
  const Exit exit = egress.exit(neighbour_id);
  const uint16_t mtu_bytes = exit.mtu_bytes();
  for (const RoutedPacket& packet : packets) {
    rte_mbuf* forwarded = packet.packet;
    if (!take_hop(context, packet)) [[unlikely]]
      continue;
    if (forwarded->pkt_len > mtu_bytes) [[unlikely]] {
      fit_to_neighbour(context, packet, neighbour_id, mtu_bytes);
    } else if (exit.buffer == nullptr || !prepend_ethernet(forwarded, *exit.rewrite)) [[unlikely]] {
      send_to_neighbour(context, neighbour_id, forwarded);
    } else {
      put_frame(context, *exit.port, *exit.buffer, forwarded);
    }
  }
}

// Step 6, first half, where there is more than one way, or none: then the packet is gone and the kind 0.
[[gnu::noinline]] Member select_among(PathContext& context, const RoutedPacket& packet, uint32_t group_id) {
  const NextHopGroup* group = context.world->groups.at(group_id);
  const rte_ipv4_hdr& header = header_of(packet.packet);
  const api::GroupMember* member = nullptr;
  if (group != nullptr) {
    member = group->choice() == api::MemberChoice::kByPolicy ? policy_member(context, *group, header)
                                                             : group->member(flow_hash(read_flow(header)));
  }
  if (member != nullptr) return Member::of(*member);
  if (group_id == kProbeGroup) {
    take_probe(context, packet);
    return {};
  }
  refuse(context, packet, group == nullptr ? api::DropReason::kNoRoute : api::DropReason::kNoTunnelUp);
  return {};
}

// Step 6, first half: the one live member of each way's group, and the tunnel where it is one.
void select_members(PathContext& context, Ways& ways) {
  for (uint32_t way = 0; way < ways.count; ++way) {
    const Member member = context.world->groups.only_member(ways.groups[way]);
    ways.members[way] = member;
    if (member.kind() != api::MemberKind::kTunnel) continue;
    ways.tunnels[way] = context.world->tunnels.at(member.id());
    rte_prefetch0(ways.tunnels[way]);
  }
}

// To a host of the port's link whose neighbour is yet to be found.
void to_connected(PathContext& context, const RoutedPacket& packet, uint32_t port_id) {
  const api::Address next_hop = to_address(header_of(packet.packet).dst_addr);
  const auto wait = [&](rte_mbuf* piece) { await_neighbour(context, port_id, api::kNone, next_hop, piece); };
  const uint16_t mtu_bytes = port_mtu(context, port_id);
  if (packet.packet->pkt_len > mtu_bytes) {
    fit(context, packet, mtu_bytes, wait);
  } else {
    wait(packet.packet);
  }
}

// All but a tunnel and a neighbour.
[[gnu::noinline]] void to_other_member(PathContext& context, const RoutedPacket& packet, Member member) {
  switch (member.kind()) {
    case api::MemberKind::kConnected:
      if (take_hop(context, packet)) to_connected(context, packet, member.id());
      return;
    case api::MemberKind::kLocal:
      if (check_options(context, packet, header_of(packet.packet))) to_local(context, packet);
      return;
    case api::MemberKind::kDrop:
      refuse(context, packet, api::DropReason::kNoRoute);
      return;
    default:
      return;  // the packet is gone already
  }
}

// Where the tunnel sends on several SAs.
[[gnu::noinline]] void to_side_by_side(PathContext& context, std::span<const RoutedPacket> packets,
                                       const Tunnel& tunnel, OutboundBurst& outbound) {
  for (const RoutedPacket& packet : packets) {
    if (!take_hop(context, packet)) continue;
    const Home home = choose_home(context, tunnel, header_of(packet.packet));
    if (home.sa == nullptr) {
      leave_home(context, packet, tunnel, home.slot);
    } else {
      outbound.append(tunnel, *home.sa, packet);
    }
  }
}

// The second half of step 6.
[[gnu::always_inline]] inline void to_tunnel(PathContext& context, std::span<const RoutedPacket> packets,
                                             const Tunnel* tunnel, OutboundBurst& outbound) {
  if (tunnel == nullptr) [[unlikely]] {
    for (const RoutedPacket& packet : packets)
      drop(context, packet.packet, api::DropReason::kNoTunnelUp);
    return;
  }
  const Home home = home_of(context, *tunnel);
  if (home.sa == nullptr) [[unlikely]] {
    if (home.depends_on_packet()) {
      to_side_by_side(context, packets, *tunnel, outbound);
      return;
    }
    for (const RoutedPacket& packet : packets) {
      if (take_hop(context, packet)) leave_home(context, packet, *tunnel, home.slot);
    }
    return;
  }
  OutboundPacket* next = outbound.end();
  for (const RoutedPacket& packet : packets) {
    if (take_hop(context, packet)) [[likely]]
      *next++ = {packet, tunnel, home.sa};
  }
  outbound.end_at(next);
}

[[gnu::always_inline]] inline void to_member(PathContext& context, std::span<const RoutedPacket> packets,
                                             Member member, const Tunnel* tunnel, OutboundBurst& outbound,
                                             Egress& egress) {
  if (member.kind() == api::MemberKind::kTunnel) {
    to_tunnel(context, packets, tunnel, outbound);
  } else if (member.kind() == api::MemberKind::kNeighbour) {
    to_neighbour(context, packets, member.id(), egress);
  } else {
    for (const RoutedPacket& packet : packets)
      to_other_member(context, packet, member);
  }
}

// A way whose group has several live members, or none: each packet by its flow.
[[gnu::noinline]] void spread(PathContext& context, std::span<const RoutedPacket> packets, uint32_t group_id,
                              OutboundBurst& outbound, Egress& egress) {
  for (const RoutedPacket& packet : packets) {
    if (!check_options(context, packet, header_of(packet.packet))) continue;
    const Member member = select_among(context, packet, group_id);
    const Tunnel* tunnel =
        member.kind() == api::MemberKind::kTunnel ? context.world->tunnels.at(member.id()) : nullptr;
    to_member(context, {&packet, 1}, member, tunnel, outbound, egress);
  }
}

}  // namespace

// The gateway itself: a LAN port's frames go to the port's TAP as they came, everything else to the VRF's
// TUN.
void to_local(PathContext& context, const RoutedPacket& packet) {
  if (packet.origin() == Origin::kMirror) {  // the kernel has no business sending its own addresses to us
    drop(context, packet.packet, api::DropReason::kNoRoute);
  } else if (packet.origin() == Origin::kLan &&
             rte_pktmbuf_prepend(packet.packet, RTE_ETHER_HDR_LEN) != nullptr) {
    // The Ethernet header was only stepped over: it is still there.
    punt_to_port(context, packet.port_id(), packet.packet, PuntClass::kRouting);
  } else {
    punt_to_vrf(context, packet.vrf_id(), packet.packet);
  }
}

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
  if (packet.origin() == Origin::kMirror) {
    tell_kernel_mtu(context, packet, mtu_bytes);
  } else {
    reply(context, packet, IcmpError::kFragmentationNeeded, mtu_bytes);
  }
  drop(context, packet.packet, api::DropReason::kTooBigDf);
}

void forward_burst(PathContext& context, std::span<const RoutedPacket> packets) {
  assert(!packets.empty());
  Ways ways;
  OutboundBurst outbound;
  Egress egress(context);
  find_ways(packets, ways);
  lookup_routes(context, packets, ways);
  if (ways.highest_destination >= kFirstGroupAddress) [[unlikely]]
    forget_group_addresses(ways);
  select_members(context, ways);
  for (uint32_t way = 0; way < ways.count; ++way) {
    const auto its_packets = packets.subspan(ways.starts[way], ways.starts[way + 1] - ways.starts[way]);
    if (ways.members[way].bits == 0) [[unlikely]] {
      spread(context, its_packets, ways.groups[way], outbound, egress);
    } else {
      to_member(context, its_packets, ways.members[way], ways.tunnels[way], outbound, egress);
    }
  }
  if (outbound.count > 0) encapsulate_burst(context, outbound);
}

bool verify_checksum(PathContext& context, rte_mbuf* packet) {
  if (ipv4_checksum_valid(header_of(packet))) return true;
  drop(context, packet, api::DropReason::kIpBadHeader);
  return false;
}

void send_replies(PathContext& context) {
  if (context.reply_count == 0) return;
  const uint32_t count = std::exchange(context.reply_count, 0);
  forward_burst(context, {context.replies.data(), count});
}

}  // namespace sallyport::dataplane
