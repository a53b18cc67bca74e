// SPDX-License-Identifier: BSD-3-Clause
// Addresses of packets as the API has them. Pure functions, any thread.
#pragma once

#include <rte_ip.h>

#include <cstring>

#include "dataplane/api/messages.h"
#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

inline api::Address to_address(uint32_t address_be) {
  api::Address address{api::Family::kIpv4, {}, {}};
  std::memcpy(address.bytes.data(), &address_be, sizeof address_be);
  return address;
}
inline api::Address to_address(const Ipv6Address& address) {
  return {api::Family::kIpv6, {}, address};
}

// The source and the destination of an IP header of either version.
inline api::Address source_address(const uint8_t* header) {
  if (header[0] >> 4 == 6) return to_address(ipv6_source(*reinterpret_cast<const rte_ipv6_hdr*>(header)));
  return to_address(reinterpret_cast<const rte_ipv4_hdr*>(header)->src_addr);
}

inline api::Address destination_address(const uint8_t* header) {
  if (header[0] >> 4 == 6)
    return to_address(ipv6_destination(*reinterpret_cast<const rte_ipv6_hdr*>(header)));
  return to_address(reinterpret_cast<const rte_ipv4_hdr*>(header)->dst_addr);
}

inline bool same_address(const api::Address& a, const api::Address& b) {
  return a.family == b.family && a.bytes == b.bytes;
}

}  // namespace sallyport::dataplane
