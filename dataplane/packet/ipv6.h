// SPDX-License-Identifier: BSD-3-Clause
// IPv6 headers in place (RFC 8200): validity, extension headers, hop limit, traffic class and the flow hash.
// Pure functions over bytes, any thread.
#pragma once

#include <rte_byteorder.h>
#include <rte_ip.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/packet/verdict.h"

namespace sallyport::dataplane {

inline constexpr uint16_t kIpv6MinMtuBytes = 1280;   // RFC 8200 section 5
inline constexpr uint32_t kMaxExtensionHeaders = 8;  // RFC 8200 section 4.1 recommends each once

using Ipv6Address = std::array<uint8_t, 16>;  // network order

inline Ipv6Address ipv6_source(const rte_ipv6_hdr& header) {
  Ipv6Address address;
  std::memcpy(address.data(), &header.src_addr, address.size());
  return address;
}
inline Ipv6Address ipv6_destination(const rte_ipv6_hdr& header) {
  Ipv6Address address;
  std::memcpy(address.data(), &header.dst_addr, address.size());
  return address;
}

// RFC 4291 section 2.7, and its scope field.
inline bool is_multicast(const Ipv6Address& address) {
  return address[0] == 0xff;
}
inline bool is_link_scope_multicast(const Ipv6Address& address) {
  return is_multicast(address) && (address[1] & 0x0f) <= 2;  // interface-local or link-local
}
inline bool is_link_local(const Ipv6Address& address) {  // RFC 4291 section 2.5.6
  return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}
inline bool is_unspecified(const Ipv6Address& address) {
  return address == Ipv6Address{};
}
inline bool is_loopback(const Ipv6Address& address) {
  return address == Ipv6Address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

inline uint32_t ipv6_total_bytes(const rte_ipv6_hdr& header) {
  return static_cast<uint32_t>(sizeof header) + rte_be_to_cpu_16(header.payload_len);
}

// Version and payload length against the bytes at hand. kKeep or kIpBadHeader. After it the header and its
// payload lie within `available_bytes`. A jumbogram (RFC 2675) says payload length 0 and so has none: its
// hop-by-hop header then runs off the end.
inline api::DropReason check_ipv6(const void* packet, uint32_t available_bytes) {
  if (available_bytes < sizeof(rte_ipv6_hdr)) return api::DropReason::kIpBadHeader;
  const auto& header = *static_cast<const rte_ipv6_hdr*>(packet);
  const bool right = *static_cast<const uint8_t*>(packet) >> 4 == 6;
  return right && ipv6_total_bytes(header) <= available_bytes ? kKeep : api::DropReason::kIpBadHeader;
}

inline uint8_t traffic_class(const rte_ipv6_hdr& header) {
  return static_cast<uint8_t>(rte_be_to_cpu_32(header.vtc_flow) >> 20);
}
inline void set_traffic_class(rte_ipv6_hdr& header, uint8_t value) {
  const uint32_t others = rte_be_to_cpu_32(header.vtc_flow) & ~0x0ff00000u;
  header.vtc_flow = rte_cpu_to_be_32(others | uint32_t{value} << 20);
}

// kTtlExpired, and no change, where it would reach zero.
inline api::DropReason decrement_hop_limit(rte_ipv6_hdr& header) {
  if (header.hop_limits <= 1) return api::DropReason::kTtlExpired;
  --header.hop_limits;
  return kKeep;
}

// What lies behind the extension headers.
struct Ipv6Transport {
  uint8_t protocol = 0;  // of the upper-layer header; behind a later fragment's header: what that says
  uint32_t offset_bytes =
      0;  // of the upper-layer header (or a later fragment's data), from the packet's start
  uint32_t fragment_bytes = 0;  // offset of the fragment header; 0: none
  bool fragment = false;  // of a fragmented datagram, the first one included (not an atomic one, RFC 6946)
  bool later_fragment = false;  // one that doesn't carry the upper-layer header
};

// Steps over hop-by-hop options, routing, fragment and destination options headers, at most
// kMaxExtensionHeaders. `packet` has passed check_ipv6 and ends with its payload, or is the part of one that
// an ICMPv6 error quotes. kKeep, or kIpv6Extension: a header runs off the end (in a first fragment too, RFC
// 7112), hop-by-hop options are not the first one, there are too many or two fragment headers, or a routing
// header still leads elsewhere (RFC 5095; the destination that policies see would not be the packet's).
api::DropReason find_transport(std::span<const uint8_t> packet, Ipv6Transport& transport);

// The 5-tuple as policies and the flow hash read it; as Flow of packet/ipv4.h, with ICMPv6 as ICMP there.
struct Ipv6Flow {
  Ipv6Address source, destination;
  uint16_t source_port, destination_port;
  uint8_t protocol;
  bool ports_known;
  bool fragment;
};

// The header must have passed check_ipv6. Where the extension headers are malformed the ports are unknown and
// the protocol is 255, which is nobody's.
Ipv6Flow read_flow(const rte_ipv6_hdr& header);
// Of a packet of which only `available_bytes` (40 at least) are there.
Ipv6Flow read_flow(const rte_ipv6_hdr& header, uint32_t available_bytes);

// The same for both directions of a flow. Fragments of a datagram all hash by addresses alone, so that they
// stay together.
uint32_t flow_hash(const Ipv6Flow& flow);

// One's complement sum of an upper-layer message (whose checksum field counts as it stands) with the
// pseudo-header of RFC 8200 section 8.1: 0xffff where the checksum in it is right.
uint16_t transport_sum(const rte_ipv6_hdr& header, uint8_t protocol, std::span<const uint8_t> message);

}  // namespace sallyport::dataplane
