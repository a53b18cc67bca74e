// SPDX-License-Identifier: BSD-3-Clause
// Tells ESP from IKE from neighbour discovery from everything else. Worker thread.
#include "dataplane/path/classify_ipv6.h"

#include <netinet/in.h>

#include "dataplane/path/path_mtu.h"
#include "dataplane/path/validate_ipv6.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kLinkHopLimit = 255;

Classified dropped(api::DropReason reason) {
  return {PublicClass::kDrop, reason, 0};
}

Classified classify_icmpv6(std::span<const uint8_t> packet, const Ipv6Transport& transport,
                           bool is_link_scope) {
  const auto& header = *reinterpret_cast<const rte_ipv6_hdr*>(packet.data());
  const uint8_t type = icmpv6_type(packet, transport);
  if (is_neighbour_discovery(type)) {
    return header.hop_limits == kLinkHopLimit ? Classified{PublicClass::kNeighbourDiscovery}
                                              : dropped(api::DropReason::kIpv6Scope);
  }
  if (is_multicast_listener(type) && is_link_scope) return {PublicClass::kNeighbourDiscovery};
  if (is_multicast(ipv6_destination(header))) return dropped(api::DropReason::kNotForUs);
  return {read_packet_too_big(packet) ? PublicClass::kPathMtu : PublicClass::kIcmp};
}

}  // namespace

Classified classify_public_ipv6(std::span<const uint8_t> packet, const Port& port) {
  const auto& header = *reinterpret_cast<const rte_ipv6_hdr*>(packet.data());
  const Ipv6Address destination = ipv6_destination(header);
  const bool is_own = port.owns(destination);
  const bool is_link_scope = is_link_local(destination) || is_link_scope_multicast(destination);
  if (!is_own && !is_link_scope)
    return is_multicast(destination) ? dropped(api::DropReason::kNotForUs)
                                     : Classified{PublicClass::kForeign};
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep) return dropped(api::DropReason::kIpv6Extension);
  const bool is_ours = transport.protocol == IPPROTO_ICMPV6 ||
                       (is_own && (transport.protocol == IPPROTO_ESP || transport.protocol == IPPROTO_UDP));
  if (transport.fragment) {
    if (!is_ours || !is_own) return dropped(api::DropReason::kNotForUs);
    return transport.fragment_bytes == sizeof(rte_ipv6_hdr) ? Classified{PublicClass::kFragment}
                                                            : dropped(api::DropReason::kIpv6Extension);
  }
  if (!is_ours) return dropped(api::DropReason::kNotForUs);
  if (transport.protocol == IPPROTO_ESP)
    return {PublicClass::kEsp, kKeep, static_cast<uint16_t>(transport.offset_bytes)};
  if (transport.protocol == IPPROTO_UDP)
    return classify_udp(packet.subspan(transport.offset_bytes), transport.offset_bytes);
  return classify_icmpv6(packet, transport, is_link_scope);
}

}  // namespace sallyport::dataplane
