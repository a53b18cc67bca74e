// SPDX-License-Identifier: BSD-3-Clause
// Reads what a router quotes of our ESP.
#include "dataplane/path/path_mtu.h"

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <cstring>

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

std::optional<QuotedEsp> read_quoted(std::span<const uint8_t> quoted, uint16_t mtu_bytes) {
  if (quoted.size() < sizeof(rte_ipv4_hdr)) return std::nullopt;
  rte_ipv4_hdr header;
  std::memcpy(&header, quoted.data(), sizeof header);
  const uint32_t header_bytes = ipv4_header_bytes(header);
  if ((header.version_ihl >> 4) != 4 || header_bytes < sizeof header || ipv4_is_later_fragment(header) ||
      quoted.size() < header_bytes + 8) {
    return std::nullopt;
  }
  QuotedEsp result{header.src_addr, header.dst_addr, 0, 0, mtu_bytes};
  const auto payload = quoted.subspan(header_bytes);
  if (header.next_proto_id == IPPROTO_ESP) {
    result.spi = read_be32(payload);
    return result;
  }
  const bool is_natt = header.next_proto_id == IPPROTO_UDP && read_be16(payload) == kNattPort;
  if (!is_natt || payload.size() < sizeof(rte_udp_hdr) + 4) return std::nullopt;
  result.remote_port = read_be16(payload.subspan(2));
  result.spi = read_be32(payload.subspan(sizeof(rte_udp_hdr)));
  if (result.spi == 0) return std::nullopt;  // the non-ESP marker: that was IKE
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

}  // namespace sallyport::dataplane
