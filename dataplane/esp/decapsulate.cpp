// SPDX-License-Identifier: BSD-3-Clause
// ESP tunnel mode inbound, what is not IPv4 inside. Home worker.
#include "dataplane/esp/decapsulate.h"

#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane::esp_detail {

namespace {

api::DropReason strip_ipv6(DecapPacket& item, uint8_t* payload, uint32_t payload_bytes) {
  if (check_ipv6(payload, payload_bytes) != kKeep) return api::DropReason::kInnerBadHeader;
  auto& inner = *reinterpret_cast<rte_ipv6_hdr*>(payload);
  expose_inner(item.packet, payload, ipv6_total_bytes(inner));
  const uint8_t inner_class = traffic_class(inner);
  const std::optional<Ecn> ecn = decapsulated_ecn(ecn_of(inner_class), ecn_of(item.outer_tos));
  if (!ecn.has_value()) return api::DropReason::kEcn;
  set_traffic_class(inner, static_cast<uint8_t>((inner_class & ~kEcnMask) | static_cast<uint8_t>(*ecn)));
  return kKeepIpv6;
}

}  // namespace

api::DropReason strip_other(DecapPacket& item, uint8_t* payload, uint32_t payload_bytes,
                            uint8_t next_header) {
  if (next_header == kNextHeaderDummy) return api::DropReason::kDummy;
  const bool agrees = payload_bytes == 0 || payload[0] >> 4 == 6;
  if (next_header != kIpv6InEsp || !agrees) return api::DropReason::kNextHeader;
  return strip_ipv6(item, payload, payload_bytes);
}

}  // namespace sallyport::dataplane::esp_detail
