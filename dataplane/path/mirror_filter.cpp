// SPDX-License-Identifier: BSD-3-Clause
// The filter between a mirror device and the wire. Everything it doesn't know is forbidden.
#include "dataplane/path/mirror_filter.h"

#include <rte_arp.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/packet/ipv4.h"

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

}  // namespace

api::DropReason mirror_may_send(std::span<const uint8_t> frame, const Port& port) {
  rte_ether_hdr ethernet;
  if (!copy_header(frame, ethernet)) return api::DropReason::kRxMalformed;
  if (!rte_is_same_ether_addr(&ethernet.src_addr, &port.mac)) return api::DropReason::kMirrorForbidden;
  if (!port.is_public()) return kKeep;
  const auto packet = frame.subspan(sizeof ethernet);
  const bool allowed = (ethernet.ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) && arp_allowed(packet, port)) ||
                       (ethernet.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && ipv4_allowed(packet, port));
  return allowed ? kKeep : api::DropReason::kMirrorForbidden;
}

}  // namespace sallyport::dataplane
