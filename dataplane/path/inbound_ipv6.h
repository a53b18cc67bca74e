// SPDX-License-Identifier: BSD-3-Clause
// IPv6 on a public port and out of a tunnel, as path/inbound.h has it for IPv4. Worker thread.
#pragma once

#include "dataplane/esp/decapsulate.h"
#include "dataplane/path/inbound.h"

namespace sallyport::dataplane {

// Steps 1 to 4, first half, for an IPv6 frame in one private piece: its ESP goes into `inbound`, which has
// room, or to its home worker.
void receive_public_ipv6(PathContext& context, const Port& port, rte_mbuf* frame, InboundBurst& inbound);

// Where a packet came from whose ESP is `esp_offset` bytes behind the start of its IPv6 header (peer_key); 0:
// not in UDP.
uint64_t ipv6_udp_peer(const uint8_t* outer, uint16_t esp_offset);

// Step 9 for a decrypted IPv6 packet: into context.accepted_ipv6, or gone.
void accept_ipv6(PathContext& context, const DecapPacket& packet);

// Sends on what was accepted of a burst, to be called once the burst's numbers are in its SAs' rows.
void route_accepted_ipv6(PathContext& context);

}  // namespace sallyport::dataplane
