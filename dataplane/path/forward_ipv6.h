// SPDX-License-Identifier: BSD-3-Clause
// An IPv6 packet of a VRF goes where the VRF's table says, as path/forward.h has it for IPv4. IPv6 packets
// are gathered apart from IPv4 ones over a loop, and so cost those nothing. Worker thread.
#pragma once

#include <optional>

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// Takes a packet that is to be routed at the end of the loop, or before where many come.
void route_ipv6(PathContext& context, const RoutedPacket& packet);

// Routes what was taken since. Once a loop, before send_ipv6_replies.
void forward_ipv6(PathContext& context);

// Drops the packet and tells its sender why, within the rate, where its origin allows that. An MTU below 1280
// is told as 1280 (RFC 8200 section 5).
void refuse_ipv6(PathContext& context, const RoutedPacket& packet, api::DropReason reason);
void refuse_ipv6_too_big(PathContext& context, const RoutedPacket& packet, uint16_t mtu_bytes);

// Routes the ICMPv6 errors that were made since. Once a loop.
void send_ipv6_replies(PathContext& context);

// Of the packet that an ICMPv6 error quotes; nothing where this is none. The header must have passed
// check_ipv6.
std::optional<Ipv6Flow> quoted_by_icmpv6_error(const rte_ipv6_hdr& header);

}  // namespace sallyport::dataplane
