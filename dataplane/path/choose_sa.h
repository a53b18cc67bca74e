// SPDX-License-Identifier: BSD-3-Clause
// The end of step 6 where a tunnel sends on several SAs side by side: its peer makes a CHILD_SA for each pair
// of its own selectors, and so narrows down what we ask for (RFC 7296 section 2.9). Each packet goes by the
// newest one within whose selectors it is (RFC 4301 section 5.1: the SPD-S cache). Worker threads; the
// manager for packets of its own.
#pragma once

#include "dataplane/path/outbound.h"

namespace sallyport::dataplane {

// So many of a tunnel's SAs are looked at. Also what ends a walk along a list that changes all the time.
inline constexpr uint32_t kMaxSasOfTunnel = 4096;

// The slot of the newest SA that the tunnel sends on and the packet may go by; api::kNone: it is within the
// selectors of none. An ICMP error that is within none itself goes where what it quotes, reversed, would (RFC
// 4301 section 6).
[[nodiscard]] uint32_t outbound_slot_for(const World& world, const Tunnel& tunnel,
                                         const rte_ipv4_hdr& header);
[[nodiscard]] uint32_t outbound_slot_for(const World& world, const Tunnel& tunnel,
                                         const rte_ipv6_hdr& header);

// Where the packet is encrypted, for a tunnel that home_of says sends on several SAs. Where it may go by
// none, the newest one drops it with its reason.
[[nodiscard]] Home choose_home(const PathContext& context, const Tunnel& tunnel, const rte_ipv4_hdr& header);
[[nodiscard]] Home choose_home(const PathContext& context, const Tunnel& tunnel, const rte_ipv6_hdr& header);

// home_of or choose_home.
template <typename IpHeader>
[[nodiscard]] inline Home home_for(const PathContext& context, const Tunnel& tunnel, const IpHeader& header) {
  const Home home = home_of(context, tunnel);
  return home.depends_on_packet() ? choose_home(context, tunnel, header) : home;
}

}  // namespace sallyport::dataplane
