// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors about IPv4 packets (RFC 792, RFC 1191, RFC 1812 section 4.3). Worker threads, cold path; rate
// limiting is the caller's.
#pragma once

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstdint>

namespace sallyport::dataplane {

enum class IcmpError : uint16_t {  // type << 8 | code
  kNetUnreachable = 3 << 8 | 0,
  kHostUnreachable = 3 << 8 | 1,
  kFragmentationNeeded = 3 << 8 | 4,
  kProhibited = 3 << 8 | 13,
  kTimeExceeded = 11 << 8 | 0,
};

// RFC 1812 section 4.3.2.7: never about an ICMP error, a later fragment, a multicast or broadcast destination
// or a source that names no single host. The header must have passed check_ipv4.
bool icmp_error_allowed(const rte_ipv4_hdr& offending);

// A new packet from `pool`, from `source_be` to the offending packet's source, its data starting at the IPv4
// header; it quotes as much as fits in 576 bytes (RFC 1812 section 4.3.2.3). `mtu_bytes` goes into
// kFragmentationNeeded and is ignored otherwise. nullptr where the error is not allowed or the pool is empty.
rte_mbuf* build_icmp_error(rte_mempool* pool, const rte_ipv4_hdr& offending, IcmpError error,
                           uint32_t source_be, uint16_t mtu_bytes);

}  // namespace sallyport::dataplane
