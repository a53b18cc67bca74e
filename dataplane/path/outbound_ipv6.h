// SPDX-License-Identifier: BSD-3-Clause
// IPv6 from a LAN port into a tunnel, as path/outbound.h has it for IPv4; what the tunnel's own packets are
// is the SA's affair. Worker thread.
#pragma once

#include "dataplane/path/outbound.h"

namespace sallyport::dataplane {

// Steps 1 to 3 for an IPv6 frame in one private piece: to be routed, to the mirror or gone.
void receive_lan_ipv6(PathContext& context, const Port& port, rte_mbuf* frame);

// Steps 7 to 12 (and 5) for IPv6 packets, hop limit already decremented; empties the burst.
void encapsulate_ipv6_burst(PathContext& context, OutboundBurst& outbound);

}  // namespace sallyport::dataplane
