// SPDX-License-Identifier: BSD-3-Clause
// Whether an inner packet lies within an SA's traffic selectors (RFC 4301 section 4.4.1.1). Built by the
// manager thread, immutable once published, read by workers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/api/messages.h"
#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

// The selectors of one address family. `Key` is an address as it compares: host order, or bytes in network
// order.
template <typename Key>
struct SelectorRanges {
  struct Range {  // inclusive
    Key address_from, address_to;
    uint16_t port_from, port_to;
    uint8_t protocol;  // 0: any
    bool any_port;
  };

  std::vector<Range> local, remote;  // none where any
  bool any = false;                  // every packet of the family matches
};

// A packet matches where one local selector of its family covers its local end and one remote selector its
// remote end, both with its protocol. A selector with ports (anything but 0 .. 65535) covers no packet whose
// ports are unknown: later fragments fail closed (RFC 4301 section 7). For ICMP and ICMPv6 the port range is
// that of type << 8 | code.
class SelectorSet {
 public:
  // kInvalid for an empty side, a range upside down, too many, or no family that both sides have.
  api::Error assign(std::span<const api::Selector> local, std::span<const api::Selector> remote);

  // Decrypted packets: source is the remote end, destination the local one.
  bool matches_inbound(const rte_ipv4_hdr& header) const {
    if (ipv4_.any) return true;
    const Flow flow = read_flow(header);
    return matches(flow.destination_be, flow.destination_port, flow.source_be, flow.source_port, flow);
  }
  bool matches_outbound(const rte_ipv4_hdr& header) const {
    if (ipv4_.any) return true;
    const Flow flow = read_flow(header);
    return matches(flow.source_be, flow.source_port, flow.destination_be, flow.destination_port, flow);
  }
  // Whether a later fragment of the packet would match, which has no ports.
  bool matches_outbound_in_fragments(const rte_ipv4_hdr& header) const {
    if (ipv4_.any) return true;
    Flow flow = read_flow(header);
    flow.ports_known = false;
    return matches(flow.source_be, 0, flow.destination_be, 0, flow);
  }
  bool matches_inbound(const rte_ipv6_hdr& header) const {
    return ipv6_.any || (!no_ipv6() && matches_inbound(read_flow(header)));
  }
  bool matches_outbound(const rte_ipv6_hdr& header) const {
    return ipv6_.any || (!no_ipv6() && matches_outbound(read_flow(header)));
  }
  bool matches_inbound(const Ipv6Flow& flow) const;
  bool matches_outbound(const Ipv6Flow& flow) const;

  bool any_ipv4() const { return ipv4_.any; }  // every IPv4 packet matches
  bool any_ipv6() const { return ipv6_.any; }
  bool no_ipv6() const { return !ipv6_.any && ipv6_.local.empty(); }  // no IPv6 packet matches

 private:
  bool matches(uint32_t local_be, uint16_t local_port, uint32_t remote_be, uint16_t remote_port,
               const Flow& flow) const;

  SelectorRanges<uint32_t> ipv4_;
  SelectorRanges<Ipv6Address> ipv6_;
};

}  // namespace sallyport::dataplane
