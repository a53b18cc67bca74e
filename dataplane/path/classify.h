// SPDX-License-Identifier: BSD-3-Clause
// What an IPv4 packet on a public port is. Pure, any thread.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

enum class PublicClass : uint8_t {
  kDrop,                // for the reason given
  kEsp,                 // protocol 50, or in UDP on port 4500 without the non-ESP marker (RFC 3948 section 2)
  kIke,                 // to charon: of an IKE SA that exists, or pretends to
  kIkeInit,             // to charon: no responder SPI yet
  kIcmp,                // to the kernel
  kPathMtu,             // ICMP fragmentation needed about our ESP
  kNeighbourDiscovery,  // IPv6 only: to the kernel
  kFragment,            // one of several pieces of what could be any of these
  kForeign,             // to none of the port's own addresses
};

struct Classified {
  PublicClass what;
  api::DropReason drop = kKeep;   // of kDrop
  uint16_t esp_offset_bytes = 0;  // of kEsp, from the packet's start
};

// A UDP datagram to one of the port's own addresses, `header_bytes` from the packet's start: kIke, kIkeInit,
// kEsp or kDrop.
Classified classify_udp(std::span<const uint8_t> datagram, uint32_t header_bytes);

// A reassembled IPv4 or IPv6 packet to one of the port's own addresses in several segments, whose first one
// is full; behind its headers, `offset_bytes` long, comes this protocol. kIke, kIkeInit or kDrop: ESP and
// ICMP are read as one piece.
Classified classify_segments(const rte_mbuf& packet, uint8_t protocol, uint32_t offset_bytes);

// `packet` starts at the IPv4 header and has passed check_ipv4 with these `bytes`, which lie in one piece.
Classified classify_public(const uint8_t* packet, uint32_t bytes, const Port& port);

}  // namespace sallyport::dataplane
