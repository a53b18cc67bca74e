// SPDX-License-Identifier: BSD-3-Clause
// Reads ICMP fragmentation needed and ICMPv6 packet too big about our own ESP (RFC 1191, RFC 8201, RFC 4301
// section 8.2). Pure; the manager, which knows the outbound SAs by SPI and destination, decides whether to
// believe it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/api/messages.h"

namespace sallyport::dataplane {

// What a router says about a packet it quotes. To be believed only where an outbound SA with this SPI, local
// and remote address (and port) is live.
struct QuotedEsp {
  api::Address local, remote;  // source and destination of the quoted packet
  uint16_t remote_port;        // of the quoted UDP header, host order; 0: plain ESP
  uint32_t spi;                // host order
  uint16_t mtu_bytes;  // next-hop MTU as given; 0 from routers older than RFC 1191; of IPv6 1280 at least
};

// `packet` starts at the IPv4 header and ends with the packet. Nothing where it isn't an ICMP type 3 code 4
// with a right ICMP checksum that quotes an IPv4 header and the first 8 bytes of ESP, or 12 of ESP in UDP
// from port 4500.
std::optional<QuotedEsp> read_fragmentation_needed(std::span<const uint8_t> packet);
// The same for an IPv6 packet, which has passed check_ipv6, and ICMPv6 type 2. The quoted one may be a
// fragment of ours, the first.
std::optional<QuotedEsp> read_packet_too_big(std::span<const uint8_t> packet);

}  // namespace sallyport::dataplane
