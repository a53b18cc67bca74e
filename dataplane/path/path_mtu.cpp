// SPDX-License-Identifier: BSD-3-Clause
// Reads what a router quotes of our ESP.
#include "dataplane/path/path_mtu.h"

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <algorithm>
#include <cstring>

#include "dataplane/packet/addresses.h"
#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

constexpr uint16_t kNattPort = 4500;
constexpr uint8_t kTypeUnreachable = 3, kCodeFragmentationNeeded = 4;
constexpr size_t kIcmpHeaderBytes = 8, kMtuOffset = 6;

uint32_t read_be32(std::span<const uint8_t> bytes) {
  uint32_t value_be;
  std::memcpy(&value_be, bytes.data(), sizeof value_be);
  return rte_be_to_cpu_32(value_be);
}

uint16_t read_be16(std::span<const uint8_t> bytes) {
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

// The SPI (and the remote port) of what is quoted behind the IP header; false: no ESP.
bool read_esp(uint8_t protocol, std::span<const uint8_t> payload, QuotedEsp& result) {
  if (payload.size() < 8) return false;
  if (protocol == IPPROTO_ESP) {
    result.spi = read_be32(payload);
    return true;
  }
  const bool is_natt = protocol == IPPROTO_UDP && read_be16(payload) == kNattPort;
  if (!is_natt || payload.size() < sizeof(rte_udp_hdr) + 4) return false;
  result.remote_port = read_be16(payload.subspan(2));
  result.spi = read_be32(payload.subspan(sizeof(rte_udp_hdr)));
  return result.spi != 0;  // 0: the non-ESP marker, that was IKE
}

std::optional<QuotedEsp> read_quoted(std::span<const uint8_t> quoted, uint16_t mtu_bytes) {
  if (quoted.size() < sizeof(rte_ipv4_hdr)) return std::nullopt;
  rte_ipv4_hdr header;
  std::memcpy(&header, quoted.data(), sizeof header);
  const uint32_t header_bytes = ipv4_header_bytes(header);
  if ((header.version_ihl >> 4) != 4 || header_bytes < sizeof header || ipv4_is_later_fragment(header) ||
      quoted.size() < header_bytes) {
    return std::nullopt;
  }
  QuotedEsp result{to_address(header.src_addr), to_address(header.dst_addr), 0, 0, mtu_bytes};
  if (!read_esp(header.next_proto_id, quoted.subspan(header_bytes), result)) return std::nullopt;
  return result;
}

std::optional<QuotedEsp> read_quoted_ipv6(std::span<const uint8_t> quoted, uint16_t mtu_bytes) {
  if (quoted.size() < sizeof(rte_ipv6_hdr) || quoted[0] >> 4 != 6) return std::nullopt;
  rte_ipv6_hdr header;
  std::memcpy(&header, quoted.data(), sizeof header);
  Ipv6Transport transport;
  if (find_transport(quoted, transport) != kKeep || transport.later_fragment) return std::nullopt;
  QuotedEsp result{to_address(ipv6_source(header)), to_address(ipv6_destination(header)), 0, 0, mtu_bytes};
  if (!read_esp(transport.protocol, quoted.subspan(transport.offset_bytes), result)) return std::nullopt;
  return result;
}

}  // namespace

std::optional<QuotedEsp> read_fragmentation_needed(std::span<const uint8_t> packet) {
  if (check_ipv4(packet.data(), static_cast<uint32_t>(packet.size())) != kKeep) return std::nullopt;
  rte_ipv4_hdr header;
  std::memcpy(&header, packet.data(), sizeof header);
  const uint32_t header_bytes = ipv4_header_bytes(header);
  if (header.next_proto_id != IPPROTO_ICMP || ipv4_is_fragment(header)) return std::nullopt;
  const auto icmp = packet.subspan(header_bytes, ipv4_total_bytes(header) - header_bytes);
  if (icmp.size() < kIcmpHeaderBytes || icmp[0] != kTypeUnreachable || icmp[1] != kCodeFragmentationNeeded ||
      rte_raw_cksum(icmp.data(), icmp.size()) != 0xffff) {
    return std::nullopt;
  }
  return read_quoted(icmp.subspan(kIcmpHeaderBytes), read_be16(icmp.subspan(kMtuOffset)));
}

std::optional<QuotedEsp> read_packet_too_big(std::span<const uint8_t> packet) {
  constexpr uint8_t kTypePacketTooBig = 2;
  constexpr size_t kIcmpv6MtuOffset = 4;
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep || transport.fragment ||
      transport.protocol != IPPROTO_ICMPV6) {
    return std::nullopt;
  }
  const auto icmp = packet.subspan(transport.offset_bytes);
  const auto& header = *reinterpret_cast<const rte_ipv6_hdr*>(packet.data());
  if (icmp.size() < kIcmpHeaderBytes || icmp[0] != kTypePacketTooBig ||
      transport_sum(header, IPPROTO_ICMPV6, icmp) != 0xffff) {
    return std::nullopt;
  }
  const uint32_t mtu_bytes = read_be32(icmp.subspan(kIcmpv6MtuOffset));
  if (mtu_bytes < kIpv6MinMtuBytes) return std::nullopt;  // RFC 8201 section 4
  return read_quoted_ipv6(icmp.subspan(kIcmpHeaderBytes),
                          static_cast<uint16_t>(std::min<uint32_t>(mtu_bytes, UINT16_MAX)));
}

}  // namespace sallyport::dataplane
