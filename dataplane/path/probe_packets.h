// SPDX-License-Identifier: BSD-3-Clause
// The packets by which two gateways find out whether a tunnel between them is alive: ICMP echo between two
// inside addresses that no network uses. They leave the fast path where no other packet has to be looked at
// for it: IPv4 ones where their route leads to no group, IPv6 ones, which are link-local, as they are
// decrypted. The manager thread sends and answers them. Worker thread.
#pragma once

#include <cstring>

#include "dataplane/fib/fib.h"
#include "dataplane/path/context.h"

namespace sallyport::dataplane {

// A request goes from source to target, its answer back, at both ends of a tunnel. Link-local: routers must
// not let them pass (RFC 3927 section 7, RFC 4291 section 2.5.6).
inline constexpr uint32_t kProbeSource = 0xa9fe7f01, kProbeTarget = 0xa9fe7f02;  // 169.254.127.1 and .2
inline constexpr Ipv6Address kProbeSourceIpv6{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0, 1};
inline constexpr Ipv6Address kProbeTargetIpv6{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0, 2};

// The route that every virtual network has to them, and the group that it leads to, which is none.
inline constexpr uint32_t kProbePrefix = 0xa9fe7f00;
inline constexpr uint8_t kProbePrefixLength = 30;
inline constexpr uint32_t kProbeGroup = kMaxGroupId;

inline bool is_probe_address(const Ipv6Address& address) {
  uint64_t prefix, its_prefix;  // one comparison for nearly all
  std::memcpy(&prefix, address.data(), sizeof prefix);
  std::memcpy(&its_prefix, kProbeTargetIpv6.data(), sizeof its_prefix);
  if (prefix != its_prefix) [[likely]]
    return false;
  return address == kProbeSourceIpv6 || address == kProbeTargetIpv6;
}

// An IPv4 packet to kProbePrefix: to the manager where it was decrypted, else dropped.
void take_probe(PathContext& context, const RoutedPacket& packet);

// Decrypted from that tunnel: to the manager, within its rate for the tunnel.
void punt_probe(PathContext& context, uint32_t tunnel_id, rte_mbuf* packet);

}  // namespace sallyport::dataplane
