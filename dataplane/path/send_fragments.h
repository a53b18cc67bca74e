// SPDX-License-Identifier: BSD-3-Clause
// Outer packets that are larger than their tunnel's path MTU. Worker thread, cold path.
#pragma once

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// Steps 11 and 12 for a packet that was encrypted, IPv4 or IPv6: in fragments, which the peer reassembles
// before it decrypts (RFC 4303 section 3.3.4), or dropped.
void send_fragments(PathContext& context, const Tunnel& tunnel, OutboundSa& sa, rte_mbuf* packet);

}  // namespace sallyport::dataplane
