// SPDX-License-Identifier: BSD-3-Clause
// Lowers the maximum segment size that a TCP SYN announces (RFC 9293 section 3.7.1, RFC 4459). Worker
// threads.
#pragma once

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <cstdint>

#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

// Whether the packet opens a TCP connection, and so may say an MSS. Its header must have passed check_ipv4.
inline bool is_tcp_syn(const rte_ipv4_hdr& header) {
  if (header.next_proto_id != IPPROTO_TCP) return false;
  constexpr uint32_t kFlagsOffset = 13;
  const uint32_t offset = ipv4_header_bytes(header) + kFlagsOffset;
  return offset < ipv4_total_bytes(header) &&
         (reinterpret_cast<const uint8_t*>(&header)[offset] & RTE_TCP_SYN_FLAG) != 0;
}

// The packet must have passed check_ipv4 and be contiguous over its total length. Only an unfragmented SYN
// whose MSS option is larger than `mss_bytes` changes, its checksum with it. A malformed option list is left
// as it is. True where something changed.
bool clamp_tcp_mss(rte_ipv4_hdr& header, uint16_t mss_bytes);
// As above, for a packet that has passed check_ipv6; TCP may lie behind extension headers.
bool clamp_tcp_mss(rte_ipv6_hdr& header, uint16_t mss_bytes);

// The MSS for an IPv4 packet of this MTU: 20 bytes of IPv4 and 20 of TCP less.
inline uint16_t tcp_mss_for_ipv4(uint16_t mtu_bytes) {
  return mtu_bytes > 40 ? mtu_bytes - 40 : 0;
}
// For IPv6: 40 bytes of IPv6 and 20 of TCP less.
inline uint16_t tcp_mss_for_ipv6(uint16_t mtu_bytes) {
  return mtu_bytes > 60 ? mtu_bytes - 60 : 0;
}

}  // namespace sallyport::dataplane
