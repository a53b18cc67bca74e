// SPDX-License-Identifier: BSD-3-Clause
// What inbound and outbound have in common: an IP packet of a VRF goes where the VRF's table says. Worker
// thread.
#pragma once

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// Routes IPv4 packets of any VRFs: to neighbours, into tunnels, to the mirror. At least one, at most kBurst.
void forward_burst(PathContext& context, std::span<const RoutedPacket> packets);

// The gateway itself, by its mirrors; a packet of either family.
void to_local(PathContext& context, const RoutedPacket& packet);

// Drops the packet and tells its sender why, within the rate, where its origin allows that.
void refuse(PathContext& context, const RoutedPacket& packet, api::DropReason reason);
void refuse_too_big(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes);

// Of an IPv4 packet that is about to be fragmented, which writes the header checksum anew: a wrong one must
// not become right (RFC 1812 section 5.2.2). Nobody has looked at that of a decrypted packet. False: the
// packet is gone.
bool verify_checksum(PathContext& context, rte_mbuf* packet);

// Routes the ICMP errors that were made since. Once a loop.
void send_replies(PathContext& context);

// Whether the packet is an ICMP error, and the header it quotes, with at least 8 bytes of payload; nullptr
// otherwise.
const rte_ipv4_hdr* quoted_by_icmp_error(const rte_ipv4_hdr& header);

}  // namespace sallyport::dataplane
