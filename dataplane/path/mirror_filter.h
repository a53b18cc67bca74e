// SPDX-License-Identifier: BSD-3-Clause
// What a mirror device may put on the wire. Pure, any thread; the manager asks before it injects a frame.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

// kKeep, or why the frame from the port's mirror TAP must not leave. Fails closed.
// From a public port only, in whole and unfragmented IP frames sourced from the port's MAC: ARP that speaks
// for one of the port's own addresses (or probes, RFC 5227); neighbour solicitations and advertisements,
// router solicitations and multicast listener reports from one of its own, a link-local or (to probe, RFC
// 4862) the unspecified address, which stay on the link; ICMP, ICMPv6 and IKE (UDP 500, or 4500 with the
// non-ESP marker, and NAT keepalives) from one of its own addresses. So no ESP, in UDP or not:
// kMirrorForbidden. From a LAN port: any frame from the port's MAC; other frames are kMirrorForbidden too.
api::DropReason mirror_may_send(std::span<const uint8_t> frame, const Port& port);

}  // namespace sallyport::dataplane
