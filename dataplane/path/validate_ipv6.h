// SPDX-License-Identifier: BSD-3-Clause
// The first look at an IPv6 packet: the bounds of the packet in a frame, and what may go on from one link to
// another. Worker threads.
#pragma once

#include <netinet/icmp6.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

inline rte_ipv6_hdr& ipv6_header_of(rte_mbuf* packet) {
  return *rte_pktmbuf_mtod(packet, rte_ipv6_hdr*);
}
inline std::span<const uint8_t> ipv6_packet_of(rte_mbuf* packet) {
  return {rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len};
}

// Whether an IP packet calls itself one of version 6.
inline bool is_ipv6_packet(rte_mbuf* packet) {
  return packet->data_len > 0 && *rte_pktmbuf_mtod(packet, const uint8_t*) >> 4 == 6;
}

// Checks the IPv6 packet whose header is at the data's start, in one piece, and cuts link-layer padding off.
inline api::DropReason fit_ipv6(rte_mbuf* packet) {
  if (check_ipv6(rte_pktmbuf_mtod(packet, const void*), packet->data_len) != kKeep)
    return api::DropReason::kIpBadHeader;
  const uint32_t excess_bytes = packet->pkt_len - ipv6_total_bytes(ipv6_header_of(packet));
  return rte_pktmbuf_trim(packet, static_cast<uint16_t>(excess_bytes)) == 0 ? kKeep
                                                                            : api::DropReason::kIpBadHeader;
}

// Steps over the Ethernet header, which stays where it is: prepending 14 bytes brings it back. What the link
// layer sent to many must not be for one node.
inline api::DropReason enter_ipv6(rte_mbuf* frame) {
  const bool to_many =
      rte_is_multicast_ether_addr(&rte_pktmbuf_mtod(frame, const rte_ether_hdr*)->dst_addr) != 0;
  rte_pktmbuf_adj(frame, sizeof(rte_ether_hdr));
  if (const api::DropReason reason = fit_ipv6(frame); reason != kKeep) return reason;
  return to_many && !is_multicast(ipv6_destination(ipv6_header_of(frame))) ? api::DropReason::kNotForUs
                                                                           : kKeep;
}

// The type of the ICMPv6 message behind the headers; 0, which is none, for anything else.
inline uint8_t icmpv6_type(std::span<const uint8_t> packet, const Ipv6Transport& transport) {
  const bool is_there = transport.protocol == IPPROTO_ICMPV6 && !transport.later_fragment &&
                        transport.offset_bytes < packet.size();
  return is_there ? packet[transport.offset_bytes] : uint8_t{0};
}

// RFC 4861: solicitations, advertisements and redirects.
inline bool is_neighbour_discovery(uint8_t type) {
  return type >= ND_ROUTER_SOLICIT && type <= ND_REDIRECT;
}
// RFC 6980 section 5: what must not come in fragments, those and SEND's certification path solicitation.
inline bool is_never_fragmented(uint8_t type) {
  constexpr uint8_t kCertificationPathSolicitation = 148;
  return is_neighbour_discovery(type) || type == kCertificationPathSolicitation;
}
// RFC 2710, RFC 3810.
inline bool is_multicast_listener(uint8_t type) {
  return (type >= MLD_LISTENER_QUERY && type <= MLD_LISTENER_REDUCTION) || type == 143;
}

// Whether a packet may go from link to link (RFC 4291 sections 2.5.2, 2.5.3, 2.5.6 and 2.7; RFC 4861 section
// 7.1): kKeep, kNoRoute for multicast, kIpv6Scope, or kIpv6Extension.
inline api::DropReason check_scope(std::span<const uint8_t> packet) {
  const auto& header = *reinterpret_cast<const rte_ipv6_hdr*>(packet.data());
  const Ipv6Address source = ipv6_source(header), destination = ipv6_destination(header);
  if (is_multicast(destination)) return api::DropReason::kNoRoute;
  const auto stays = [](const Ipv6Address& address) {
    return is_link_local(address) || is_unspecified(address) || is_loopback(address);
  };
  if (stays(source) || stays(destination) || is_multicast(source)) return api::DropReason::kIpv6Scope;
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep) return api::DropReason::kIpv6Extension;
  return is_neighbour_discovery(icmpv6_type(packet, transport)) ? api::DropReason::kIpv6Scope : kKeep;
}

}  // namespace sallyport::dataplane
