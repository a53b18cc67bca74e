// SPDX-License-Identifier: BSD-3-Clause
// Whether an inner packet lies within an SA's traffic selectors (RFC 4301 section 4.4.1.1). Built by the
// manager thread, immutable once published, read by workers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/api/messages.h"
#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

// A packet matches where one local selector covers its local end and one remote selector its remote end, both
// with its protocol. A selector with ports (anything but 0 .. 65535) covers no packet whose ports are
// unknown: later fragments fail closed (RFC 4301 section 7). For ICMP the port range is that of type << 8 |
// code.
class SelectorSet {
 public:
  // kInvalid for an empty side, a range upside down or too many; kUnsupported where no IPv4 selector is on a
  // side. IPv6 selectors beside IPv4 ones are kept out of the way: no IPv4 packet matches them.
  api::Error assign(std::span<const api::Selector> local, std::span<const api::Selector> remote);

  // Decrypted packets: source is the remote end, destination the local one.
  bool matches_inbound(const rte_ipv4_hdr& header) const {
    if (any_) return true;
    const Flow flow = read_flow(header);
    return matches(flow.destination_be, flow.destination_port, flow.source_be, flow.source_port, flow);
  }
  bool matches_outbound(const rte_ipv4_hdr& header) const {
    if (any_) return true;
    const Flow flow = read_flow(header);
    return matches(flow.source_be, flow.source_port, flow.destination_be, flow.destination_port, flow);
  }
  bool any() const { return any_; }  // every IPv4 packet matches

 private:
  struct Range {  // host order, inclusive
    uint32_t address_from, address_to;
    uint16_t port_from, port_to;
    uint8_t protocol;  // 0: any
    bool any_port;
  };

  bool matches(uint32_t local_be, uint16_t local_port, uint32_t remote_be, uint16_t remote_port,
               const Flow& flow) const;
  static bool covers(const Range& range, uint32_t address, uint16_t port, const Flow& flow);

  bool any_ = false;
  uint32_t local_count_ = 0;
  std::vector<Range> ranges_;  // the local ones, then the remote ones; none where any_
};

}  // namespace sallyport::dataplane
