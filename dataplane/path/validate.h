// SPDX-License-Identifier: BSD-3-Clause
// The first look at a received frame: link layer and the bounds of the IPv4 packet in it. Worker threads.
#pragma once

#include <immintrin.h>
#include <rte_mbuf.h>

#include <array>
#include <cstring>

#include "dataplane/packet/buffer.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

enum class FrameKind : uint8_t { kIpv4, kIpv6, kArp, kUnknown, kTooShort, kOtherStation };

inline FrameKind classify_frame(const rte_mbuf* frame, const Port& port) {
  if (frame->data_len < sizeof(rte_ether_hdr)) return FrameKind::kTooShort;
  const auto* header = rte_pktmbuf_mtod(frame, const rte_ether_hdr*);
  if (!rte_is_same_ether_addr(&header->dst_addr, &port.mac) &&
      !rte_is_multicast_ether_addr(&header->dst_addr)) {
    return FrameKind::kOtherStation;
  }
  if (header->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) return FrameKind::kIpv4;
  if (header->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP)) return FrameKind::kArp;
  return header->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) ? FrameKind::kIpv6 : FrameKind::kUnknown;
}

// How nearly every frame begins: to this station, then an IPv4 packet without options. Compares at once the
// first 16 bytes, of which the source address and the TOS are let be.
class PlainStart {
 public:
  explicit PlainStart(const rte_ether_addr& station) {
    const rte_ether_hdr ethernet{station, {}, RTE_BE16(RTE_ETHER_TYPE_IPV4)};
    const rte_ether_hdr compared{{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, {}, 0xffff};
    expected_ = first_bytes(ethernet, RTE_IPV4_VHL_DEF);
    compared_ = first_bytes(compared, 0xff);
  }
  bool matches(const uint8_t* start) const {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(start));
    return _mm_testz_si128(_mm_xor_si128(first, expected_), compared_) != 0;
  }

 private:
  static __m128i first_bytes(const rte_ether_hdr& ethernet, uint8_t version_ihl) {
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &ethernet, sizeof ethernet);
    bytes[sizeof ethernet] = version_ihl;
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data()));
  }

  __m128i expected_, compared_;
};

// Whether the frame is what nearly all are: one private piece, to this station, with an IPv4 packet without
// options whose length fits. Then its data is exactly that packet afterwards (the Ethernet header stays in
// front of it), and this its header; otherwise nullptr and nothing has changed, and the functions below find
// out what it is.
[[gnu::always_inline]] inline const rte_ipv4_hdr* enter_plain_ipv4(rte_mbuf* frame, const PlainStart& plain) {
  if (!is_private_linear(frame)) [[unlikely]]
    return nullptr;
  const auto* start = rte_pktmbuf_mtod(frame, const uint8_t*);  // a buffer always has room for the headers
  if (!plain.matches(start)) [[unlikely]]
    return nullptr;
  constexpr int32_t kEthernetBytes = sizeof(rte_ether_hdr), kIpBytes = sizeof(rte_ipv4_hdr);
  const auto* header = reinterpret_cast<const rte_ipv4_hdr*>(start + kEthernetBytes);
  const auto total_bytes = static_cast<int32_t>(ipv4_total_bytes(*header));
  if (total_bytes < kIpBytes || total_bytes > frame->data_len - kEthernetBytes) [[unlikely]]
    return nullptr;
  frame->data_off = static_cast<uint16_t>(frame->data_off + kEthernetBytes);
  frame->data_len = static_cast<uint16_t>(total_bytes);
  frame->pkt_len = static_cast<uint32_t>(total_bytes);
  return header;
}

// Every step from here on reads a packet as one piece and writes it in place: others' and segmented frames
// are copied. nullptr, and the frame left alone, where there is no buffer for the copy.
inline rte_mbuf* own_frame(rte_mbuf* frame) {
  return is_private_linear(frame) ? frame : make_private_linear(frame);
}

// Why there is none.
inline api::DropReason no_copy_reason(const rte_mbuf& frame) {
  const uint32_t room_bytes = rte_pktmbuf_data_room_size(frame.pool) - RTE_PKTMBUF_HEADROOM;
  return frame.pkt_len > room_bytes ? api::DropReason::kNoRoom : api::DropReason::kNoMbuf;
}

// Checks the IPv4 packet whose header is at the data's start and cuts link-layer padding off.
inline api::DropReason fit_ipv4(rte_mbuf* packet) {
  if (packet->data_len < sizeof(rte_ipv4_hdr)) return api::DropReason::kIpBadHeader;
  const auto* header = rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*);
  if (check_ipv4(header, packet->pkt_len) != kKeep || packet->data_len < ipv4_header_bytes(*header)) {
    return api::DropReason::kIpBadHeader;
  }
  const uint32_t excess_bytes = packet->pkt_len - ipv4_total_bytes(*header);
  if (excess_bytes != 0 && rte_pktmbuf_trim(packet, static_cast<uint16_t>(excess_bytes)) != 0) {
    return api::DropReason::kIpBadHeader;
  }
  return kKeep;
}

inline constexpr uint32_t kFirstGroupAddress = 0xe0000000;

// To more than one host: multicast (RFC 1112) or the limited broadcast.
inline bool is_group_address(uint32_t address_be) {
  static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
  if (static_cast<uint8_t>(address_be) < 0xe0) [[likely]]  // the first octet
    return false;
  const uint32_t address = rte_be_to_cpu_32(address_be);
  return address < 0xf0000000 || address == 0xffffffff;
}

// Steps over the Ethernet header, which stays where it is: prepending 14 bytes brings it back. ARP is not for
// here. What the link layer sent to many must not be forwarded to one host (RFC 1812 section 5.3.4).
inline api::DropReason enter_ipv4(rte_mbuf* frame) {
  const bool to_many =
      rte_is_multicast_ether_addr(&rte_pktmbuf_mtod(frame, const rte_ether_hdr*)->dst_addr) != 0;
  rte_pktmbuf_adj(frame, sizeof(rte_ether_hdr));
  const api::DropReason reason = fit_ipv4(frame);
  if (reason != kKeep || !to_many) [[likely]]
    return reason;
  return is_group_address(rte_pktmbuf_mtod(frame, const rte_ipv4_hdr*)->dst_addr)
             ? kKeep
             : api::DropReason::kNotForUs;
}
inline api::DropReason enter_ipv4(rte_mbuf* frame, FrameKind kind) {
  switch (kind) {
    case FrameKind::kIpv4:
      return enter_ipv4(frame);
    case FrameKind::kTooShort:
      return api::DropReason::kRxMalformed;
    case FrameKind::kOtherStation:
      return api::DropReason::kNotForUs;
    default:
      return api::DropReason::kUnknownEthertype;
  }
}

// The header checksum (RFC 1812 section 5.2.2), by the device where it looked at it. The first one for a
// header without options.
[[gnu::always_inline]] inline bool plain_checksum_good(const rte_mbuf* packet, const rte_ipv4_hdr& header) {
  if ((packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN) [[unlikely]]
    return (packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_BAD;
  return plain_ipv4_checksum_valid(header);
}
inline bool header_checksum_good(const rte_mbuf* packet) {
  const uint64_t verdict = packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  if (verdict != RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN) return verdict != RTE_MBUF_F_RX_IP_CKSUM_BAD;
  return ipv4_checksum_valid(*rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*));
}

}  // namespace sallyport::dataplane
