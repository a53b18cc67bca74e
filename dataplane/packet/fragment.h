// SPDX-License-Identifier: BSD-3-Clause
// Cuts a packet into fragments that each fit an MTU (RFC 791 section 2.3, RFC 8200 section 4.5). Worker
// threads, cold path.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

namespace sallyport::dataplane {

// The packet's data starts at its IPv4 header, which has passed check_ipv4 and has DF clear; bytes beyond its
// total length are cut off. Fills `fragments` with single-segment packets from `pool` with right checksums
// and default headroom and returns how many; 0 where they don't fit into `fragments` or the pool is empty.
// The packet itself stays the caller's.
uint32_t fragment_ipv4(rte_mbuf* packet, uint16_t mtu_bytes, rte_mempool* pool,
                       std::span<rte_mbuf*> fragments);

// As above for an IPv6 packet of the gateway's own making, without extension headers and in one segment:
// behind each fragment's IPv6 header comes a fragment header with this identification.
uint32_t fragment_ipv6(const rte_mbuf* packet, uint16_t mtu_bytes, uint32_t identification, rte_mempool* pool,
                       std::span<rte_mbuf*> fragments);

}  // namespace sallyport::dataplane
