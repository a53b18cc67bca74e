// SPDX-License-Identifier: BSD-3-Clause
// ICMPv6 errors (RFC 4443). Worker threads, cold path; rate limiting is the caller's.
#pragma once

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstdint>

#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

enum class Icmpv6Error : uint16_t {  // type << 8 | code
  kNoRoute = 1 << 8 | 0,
  kProhibited = 1 << 8 | 1,
  kAddressUnreachable = 1 << 8 | 3,
  kPacketTooBig = 2 << 8 | 0,
  kTimeExceeded = 3 << 8 | 0,
};

// RFC 4443 section 2.4(e): never about an ICMPv6 error or redirect, a source that names no single node, or a
// multicast destination (but for packet too big). Nor where the extension headers hide what the packet is.
// The header must have passed check_ipv6.
bool icmpv6_error_allowed(const rte_ipv6_hdr& offending, Icmpv6Error error);

// A new packet from `pool`, from `source` to the offending packet's source, its data starting at the IPv6
// header; it quotes as much as fits in 1280 bytes (RFC 4443 section 2.4(c)). `mtu_bytes` goes into
// kPacketTooBig and is ignored otherwise. nullptr where the error is not allowed or the pool is empty.
rte_mbuf* build_icmpv6_error(rte_mempool* pool, const rte_ipv6_hdr& offending, Icmpv6Error error,
                             const Ipv6Address& source, uint16_t mtu_bytes);

}  // namespace sallyport::dataplane
