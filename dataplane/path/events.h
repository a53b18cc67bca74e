// SPDX-License-Identifier: BSD-3-Clause
// A worker's news about its SAs and about packets that are nobody's, for the manager thread to pass on. Home
// worker.
#pragma once

#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// Tells what is due of an SA's lifetimes; what finds no room in the ring stays due.
void report_expiry(PathContext& context, InboundSa& sa);
void report_expiry(PathContext& context, OutboundSa& sa);

// After a verified packet in UDP that is its SA's newest, on an SA that sends in UDP: tells of a `source`
// (a peer_key) that is not where sallyportd says the peer is; again every second while packets come from
// there and sallyportd has not moved the SA. `outer`: the IP header that the packet came with; `esp_offset`
// from there its ESP header, right behind a UDP header.
void report_peer(PathContext& context, InboundSa& sa, uint64_t source, const uint8_t* outer,
                 uint16_t esp_offset);

// The record of an inbound ESP packet that is about to be dropped for `cause`: the first ten of a cause, then
// one a second; the next one says how many there were between. The packet's data starts at the outer IP
// header and has at least the SPI, at `esp_offset`. Any worker.
[[gnu::cold]] void audit(PathContext& context, const rte_mbuf* packet, uint16_t esp_offset,
                         api::AuditCause cause);

}  // namespace sallyport::dataplane
