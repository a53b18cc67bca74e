// SPDX-License-Identifier: BSD-3-Clause
// IPv4 headers in place: validity, checksum, TTL and the flow hash. Pure functions over bytes, any thread.
#pragma once

#include <rte_byteorder.h>
#include <rte_ip.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "dataplane/packet/verdict.h"

namespace sallyport::dataplane {

inline constexpr uint8_t kEcnMask = 0x03;  // RFC 3168: the low two bits of the TOS byte; the rest is DSCP

inline uint32_t ipv4_header_bytes(const rte_ipv4_hdr& header) {
  return (header.version_ihl & 0x0fu) * 4;
}
inline uint32_t ipv4_total_bytes(const rte_ipv4_hdr& header) {
  return rte_be_to_cpu_16(header.total_length);
}
inline bool ipv4_has_options(const rte_ipv4_hdr& header) {
  return header.version_ihl != 0x45;
}
inline bool ipv4_df(const rte_ipv4_hdr& header) {
  return (header.fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)) != 0;
}
// Any fragment of a fragmented datagram, the first one included.
inline bool ipv4_is_fragment(const rte_ipv4_hdr& header) {
  return (header.fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0;
}
// A fragment that doesn't carry the transport header.
inline bool ipv4_is_later_fragment(const rte_ipv4_hdr& header) {
  return (header.fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0;
}

// Version, header length and total length against the bytes at hand (RFC 1812 section 5.2.2); the header
// checksum is not looked at. kKeep or kIpBadHeader. After it the total length is at least the header length
// and at most `available_bytes`.
inline api::DropReason check_ipv4(const void* packet, uint32_t available_bytes) {
  if (available_bytes < sizeof(rte_ipv4_hdr)) return api::DropReason::kIpBadHeader;
  const auto& header = *static_cast<const rte_ipv4_hdr*>(packet);
  const uint32_t header_bytes = ipv4_header_bytes(header), total_bytes = ipv4_total_bytes(header);
  if ((header.version_ihl >> 4) != 4 || header_bytes < sizeof(rte_ipv4_hdr) || total_bytes < header_bytes ||
      total_bytes > available_bytes) {
    return api::DropReason::kIpBadHeader;
  }
  return kKeep;
}

// Whether a router may forward the packet with the options it has: not with a source route (RFC 7126 sections
// 4.3 and 4.4) nor with options that overrun the header. The header must have passed check_ipv4.
bool ipv4_options_allowed(const rte_ipv4_hdr& header);

// RFC 1624 equation 3: the checksum after one 16-bit word changed; all in network order (or all in host
// order).
inline uint16_t update_checksum(uint16_t checksum, uint16_t old_word, uint16_t new_word) {
  uint32_t sum = static_cast<uint16_t>(~checksum) + static_cast<uint16_t>(~old_word) + uint32_t{new_word};
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

inline bool ipv4_checksum_valid(const rte_ipv4_hdr& header) {
  return rte_ipv4_cksum(&header) == 0;
}
// A one's complement sum of 16-bit words, added up in larger ones (RFC 1071 section 2), in 16 bits.
inline uint16_t fold_checksum(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum + (sum >> 16));
}

// Whether a one's complement sum that is not 0, in larger words, folds to 0xffff: whether 0xffff divides it.
// Multiplied by that number's inverse, the multiples alone become small.
inline bool folds_to_ones(uint64_t sum) {
  constexpr uint64_t kInverse = 0xfffe'fffe'fffe'ffff, kLargest = UINT64_MAX / 0xffff;
  static_assert(kInverse * 0xffff == 1);
  return sum * kInverse <= kLargest;
}

// For a header without options.
inline bool plain_ipv4_checksum_valid(const rte_ipv4_hdr& header) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  const auto word = [bytes](uint32_t offset) {
    uint32_t value;
    std::memcpy(&value, bytes + offset, sizeof value);
    return uint64_t{value};
  };
  return folds_to_ones(word(0) + word(4) + word(8) + word(12) + word(16));
}
void write_ipv4_checksum(rte_ipv4_hdr& header);

// Decrements the TTL and keeps the checksum right. kTtlExpired, and no change, where it would reach zero.
inline api::DropReason decrement_ttl(rte_ipv4_hdr& header) {
  static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN);
  uint32_t word;  // TTL, protocol, checksum
  std::memcpy(&word, &header.time_to_live, sizeof word);
  if ((word & 0xff) <= 1) [[unlikely]]
    return api::DropReason::kTtlExpired;
  // RFC 1141: one less in the high byte of its word is one more there in the sum, and a carry comes round.
  constexpr uint32_t kOneMore = 0x0001'0000;
  if (word >= 0xffff'0000 - kOneMore) [[unlikely]]
    word += kOneMore;
  word += kOneMore - 1;
  std::memcpy(&header.time_to_live, &word, sizeof word);
  return kKeep;
}

// Sets the TOS byte and keeps the checksum right.
inline void set_tos(rte_ipv4_hdr& header, uint8_t tos) {
  const uint16_t old_word =
      rte_cpu_to_be_16(static_cast<uint16_t>(header.version_ihl << 8 | header.type_of_service));
  header.type_of_service = tos;
  const uint16_t new_word =
      rte_cpu_to_be_16(static_cast<uint16_t>(header.version_ihl << 8 | header.type_of_service));
  header.hdr_checksum = update_checksum(header.hdr_checksum, old_word, new_word);
}

// The 5-tuple as policies and the flow hash read it. Ports in host order; for ICMP type and code, type in the
// high byte of both (RFC 4301 section 4.4.1.1). `ports_known` is false for later fragments, for packets too
// short for their transport header, and for protocols without ports: then the ports are zero.
struct Flow {
  uint32_t source_be, destination_be;
  uint16_t source_port, destination_port;
  uint8_t protocol;
  bool ports_known;
  bool fragment;  // of a fragmented datagram, the first one included
};

// The header must have passed check_ipv4.
Flow read_flow(const rte_ipv4_hdr& header);

// The same for both directions of a flow. Fragments of a datagram all hash by address and protocol alone, so
// that they stay together.
uint32_t flow_hash(const Flow& flow);

}  // namespace sallyport::dataplane
