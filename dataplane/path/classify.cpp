// SPDX-License-Identifier: BSD-3-Clause
// Tells ESP from IKE from everything else. Worker thread.
#include "dataplane/path/classify.h"

#include <rte_udp.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "dataplane/packet/ipv4.h"
#include "dataplane/path/path_mtu.h"

namespace sallyport::dataplane {

namespace {

constexpr uint16_t kIkePort = 500, kNattPort = 4500;
constexpr uint32_t kMarkerBytes = 4;
constexpr uint8_t kKeepalive = 0xff;
constexpr uint32_t kResponderSpiOffset = 8, kSpiBytes = 8;

Classified dropped(api::DropReason reason) {
  return {PublicClass::kDrop, reason, 0};
}

// A message without a responder SPI asks for a new IKE SA (RFC 7296 section 3.1, RFC 2408 section 3.1).
Classified classify_ike(std::span<const uint8_t> message) {
  if (message.size() < kResponderSpiOffset + kSpiBytes) return dropped(api::DropReason::kRxMalformed);
  const auto spi = message.subspan(kResponderSpiOffset, kSpiBytes);
  const bool is_first = std::all_of(spi.begin(), spi.end(), [](uint8_t byte) { return byte == 0; });
  return {is_first ? PublicClass::kIkeInit : PublicClass::kIke};
}

}  // namespace

Classified classify_udp(std::span<const uint8_t> datagram, uint32_t header_bytes) {
  if (datagram.size() < sizeof(rte_udp_hdr)) return dropped(api::DropReason::kUdpBadLength);
  rte_udp_hdr udp;
  std::memcpy(&udp, datagram.data(), sizeof udp);
  const uint16_t port = rte_be_to_cpu_16(udp.dst_port);
  if (port != kIkePort && port != kNattPort) return dropped(api::DropReason::kNotForUs);
  if (rte_be_to_cpu_16(udp.dgram_len) != datagram.size()) return dropped(api::DropReason::kUdpBadLength);
  const auto payload = datagram.subspan(sizeof udp);
  if (port == kIkePort) return classify_ike(payload);
  if (payload.size() == 1 && payload[0] == kKeepalive) return dropped(api::DropReason::kNatKeepalive);
  if (payload.size() < kMarkerBytes) return dropped(api::DropReason::kUdpBadLength);
  uint32_t marker;
  std::memcpy(&marker, payload.data(), sizeof marker);
  if (marker == 0) return classify_ike(payload.subspan(kMarkerBytes));
  return {PublicClass::kEsp, kKeep, static_cast<uint16_t>(header_bytes + sizeof udp)};
}

Classified classify_segments(const rte_mbuf& packet, uint8_t protocol, uint32_t offset_bytes) {
  constexpr uint32_t kReadBytes = sizeof(rte_udp_hdr) + kMarkerBytes + kResponderSpiOffset + kSpiBytes;
  const auto too_large = dropped(api::DropReason::kReassembledTooLarge);
  if (protocol != IPPROTO_UDP || packet.data_len < offset_bytes + kReadBytes) return too_large;
  const auto* datagram = rte_pktmbuf_mtod_offset(&packet, const uint8_t*, offset_bytes);
  const Classified result = classify_udp({datagram, packet.pkt_len - offset_bytes}, offset_bytes);
  return result.what == PublicClass::kEsp ? too_large : result;
}

Classified classify_public(const uint8_t* packet, uint32_t bytes, const Port& port) {
  rte_ipv4_hdr header;
  std::memcpy(&header, packet, sizeof header);
  if (!port.owns(header.dst_addr)) return {PublicClass::kForeign};
  const uint32_t header_bytes = ipv4_header_bytes(header);
  const uint32_t total_bytes = std::min(ipv4_total_bytes(header), bytes);
  const bool is_ours = header.next_proto_id == IPPROTO_ESP || header.next_proto_id == IPPROTO_UDP ||
                       header.next_proto_id == IPPROTO_ICMP;
  if (!is_ours) return dropped(api::DropReason::kNotForUs);
  if (ipv4_is_fragment(header)) return {PublicClass::kFragment};
  if (header.next_proto_id == IPPROTO_ESP)
    return {PublicClass::kEsp, kKeep, static_cast<uint16_t>(header_bytes)};
  if (header.next_proto_id == IPPROTO_UDP) {
    return classify_udp({packet + header_bytes, total_bytes - header_bytes}, header_bytes);
  }
  return {read_fragmentation_needed({packet, total_bytes}) ? PublicClass::kPathMtu : PublicClass::kIcmp};
}

}  // namespace sallyport::dataplane
