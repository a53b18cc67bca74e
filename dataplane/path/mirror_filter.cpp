// SPDX-License-Identifier: BSD-3-Clause
// The filter between a mirror device and the wire. Everything it doesn't know is forbidden.
#include "dataplane/path/mirror_filter.h"

#include <rte_arp.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/packet/ipv4.h"
#include "dataplane/path/validate_ipv6.h"

namespace sallyport::dataplane {

namespace {

constexpr uint16_t kIkePort = 500, kNattPort = 4500;
constexpr uint8_t kKeepalive = 0xff;

template <typename Header>
bool copy_header(std::span<const uint8_t> bytes, Header& header) {
  if (bytes.size() < sizeof(Header)) return false;
  std::memcpy(&header, bytes.data(), sizeof(Header));
  return true;
}

bool arp_allowed(std::span<const uint8_t> packet, const Port& port) {
  rte_arp_hdr arp;
  if (!copy_header(packet, arp)) return false;
  const bool is_ethernet_ipv4 = arp.arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
                                arp.arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) && arp.arp_hlen == 6 &&
                                arp.arp_plen == 4;
  if (!is_ethernet_ipv4 || !rte_is_same_ether_addr(&arp.arp_data.arp_sha, &port.mac)) return false;
  if (arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST)) {
    const bool is_probe = arp.arp_data.arp_sip == 0 && port.owns(arp.arp_data.arp_tip);
    return is_probe || port.owns(arp.arp_data.arp_sip);
  }
  return arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) && port.owns(arp.arp_data.arp_sip);
}

// IKE, but no ESP in UDP: port 4500 on either side needs the non-ESP marker (RFC 3948 section 2.2) or is a
// keepalive.
bool udp_allowed(std::span<const uint8_t> datagram) {
  rte_udp_hdr udp;
  if (!copy_header(datagram, udp) || rte_be_to_cpu_16(udp.dgram_len) != datagram.size()) return false;
  const uint16_t source = rte_be_to_cpu_16(udp.src_port), destination = rte_be_to_cpu_16(udp.dst_port);
  if (source == kIkePort && destination != kNattPort) return true;
  if (source != kNattPort) return false;
  const auto payload = datagram.subspan(sizeof udp);
  if (payload.size() == 1) return payload[0] == kKeepalive;
  uint32_t marker = 1;
  return copy_header(payload, marker) && marker == 0;
}

bool ipv4_allowed(std::span<const uint8_t> packet, const Port& port) {
  if (check_ipv4(packet.data(), static_cast<uint32_t>(packet.size())) != kKeep) return false;
  rte_ipv4_hdr header;
  std::memcpy(&header, packet.data(), sizeof header);
  if (!port.owns(header.src_addr) || ipv4_is_fragment(header)) return false;
  if (header.next_proto_id == IPPROTO_ICMP) return true;
  const uint32_t header_bytes = ipv4_header_bytes(header);
  return header.next_proto_id == IPPROTO_UDP &&
         udp_allowed(packet.subspan(header_bytes, ipv4_total_bytes(header) - header_bytes));
}

// What stays on the link: hop limit 255, which no router lets through (RFC 4861), or reports to the link's
// own multicast routers (RFC 3810).
bool link_message_allowed(const rte_ipv6_hdr& header, uint8_t type, const Port& port) {
  const Ipv6Address source = ipv6_source(header);
  if (!is_link_local(source) && !is_unspecified(source) && !port.owns(source)) return false;
  const bool is_discovery =
      type == ND_ROUTER_SOLICIT || type == ND_NEIGHBOR_SOLICIT || type == ND_NEIGHBOR_ADVERT;
  if (is_discovery) return header.hop_limits == 255;
  return is_multicast_listener(type) && header.hop_limits == 1 &&
         is_link_scope_multicast(ipv6_destination(header));
}

bool ipv6_allowed(std::span<const uint8_t> frame, const Port& port) {
  if (check_ipv6(frame.data(), static_cast<uint32_t>(frame.size())) != kKeep) return false;
  const auto& header = *reinterpret_cast<const rte_ipv6_hdr*>(frame.data());
  const auto packet = frame.first(ipv6_total_bytes(header));
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep || transport.fragment) return false;
  const uint8_t type = icmpv6_type(packet, transport);
  if (is_neighbour_discovery(type) || is_multicast_listener(type))
    return link_message_allowed(header, type, port);
  if (!port.owns(ipv6_source(header))) return false;
  if (transport.protocol == IPPROTO_ICMPV6) return true;
  return transport.protocol == IPPROTO_UDP && udp_allowed(packet.subspan(transport.offset_bytes));
}

}  // namespace

api::DropReason mirror_may_send(std::span<const uint8_t> frame, const Port& port) {
  rte_ether_hdr ethernet;
  if (!copy_header(frame, ethernet)) return api::DropReason::kRxMalformed;
  if (!rte_is_same_ether_addr(&ethernet.src_addr, &port.mac)) return api::DropReason::kMirrorForbidden;
  if (!port.is_public()) return kKeep;
  const auto packet = frame.subspan(sizeof ethernet);
  const bool allowed = (ethernet.ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) && arp_allowed(packet, port)) ||
                       (ethernet.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && ipv4_allowed(packet, port)) ||
                       (ethernet.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && ipv6_allowed(packet, port));
  return allowed ? kKeep : api::DropReason::kMirrorForbidden;
}

}  // namespace sallyport::dataplane
