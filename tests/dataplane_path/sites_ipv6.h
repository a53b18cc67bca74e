// SPDX-License-Identifier: BSD-3-Clause
// The two sites of sites.h with IPv6 beside IPv4: 2001:db8:1::/64 behind gateway A, 2001:db8:2::/64 behind B,
// a host ::2 on each LAN, and public addresses 2001:db8:a::1 and 2001:db8:b::1.
#pragma once

#include "tests/dataplane/ipv6_packets.h"
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

inline constexpr Ip6 kPublicA6 = ip6(0xa, 1), kPublicB6 = ip6(0xb, 1);
inline constexpr Ip6 kHostA6 = ip6(1, 2), kHostB6 = ip6(2, 2);

inline Bytes ethernet6(const Bytes& packet, const rte_ether_addr& destination) {
  return ethernet(packet, destination, packet[0] >> 4 == 6 ? 0x86dd : 0x0800);
}

// The MAC that an IPv6 multicast address is sent to (RFC 2464 section 7).
inline rte_ether_addr multicast_mac(const Ip6& group) {
  return {{0x33, 0x33, group[12], group[13], group[14], group[15]}};
}

struct DualSite : Site {
  DualSite(const SiteOptions& options, bool is_a, api::Family outer)
      : Site(is_a ? kPublicA : kPublicB, is_a ? kPublicB : kPublicA, is_a ? kLanA : kLanB,
             is_a ? kLanB : kLanA, options) {
    const uint8_t site = is_a ? 1 : 2, other = is_a ? 2 : 1;
    gateway.add_address(kPublicPort, is_a ? kPublicA6 : kPublicB6);
    gateway.add_address(kLanPort, link_local6(site));
    gateway.add_address(kLanPort, ip6(site, 1));
    gateway.add_route(kVrf, ip6(other, 0), 64, kGroupTunnel);
    gateway.add_route(kVrf, ip6(site, 0), 64, kGroupConnected);
    gateway.add_route(kVrf, ip6(site, 1), 128, kGroupLocal);
    gateway.add_route(kVrf, ip6(site, 2), 128, kGroupHost);
    if (outer != api::Family::kIpv6) return;
    gateway.add_neighbour(kPeerNeighbour, kPublicPort, address_of(is_a ? kPublicB6 : kPublicA6));
    outbound.source6 = inbound.destination6 = is_a ? kPublicA6 : kPublicB6;
    outbound.destination6 = inbound.source6 = is_a ? kPublicB6 : kPublicA6;
  }

  void from_lan(const Bytes& packet, uint32_t queue = 0) {
    gateway.receive(kLanPort, ethernet6(packet, gateway.mac(kLanPort)), queue);
  }
  void from_outside(const Bytes& packet, uint32_t queue = 0) {
    gateway.receive(kPublicPort, ethernet6(packet, gateway.mac(kPublicPort)), queue);
  }
};

struct DualA : DualSite {
  explicit DualA(api::Family outer = api::Family::kIpv6, const SiteOptions& options = {})
      : DualSite(options, true, outer) {}
};
struct DualB : DualSite {
  explicit DualB(api::Family outer = api::Family::kIpv6, const SiteOptions& options = {})
      : DualSite(options, false, outer) {}
};

// What forwarding `times` times leaves of a packet of either family.
inline Bytes forwarded_either(Bytes packet, uint8_t times = 1) {
  if (packet[0] >> 4 == 4) return forwarded(packet, times);
  packet.at(7) = static_cast<uint8_t>(packet.at(7) - times);
  return packet;
}

inline uint32_t ether_type_of(const Bytes& frame) {
  return get16(frame, 12);
}

inline constexpr Ip6 kSolicited = multicast6(2, 1), kStranger = ip6(0x77, 7);
// An IKE datagram of an IKE SA that exists.
inline const Bytes kUdp500 = [] {
  Bytes datagram(8 + 28);
  put16(datagram, 0, 500);
  put16(datagram, 2, 500);
  put16(datagram, 4, 36);
  datagram[16] = 1;  // a responder SPI
  return datagram;
}();

inline Bytes with_ports(uint16_t source, uint16_t destination, const Bytes& payload) {
  Bytes datagram(8);
  put16(datagram, 0, source);
  put16(datagram, 2, destination);
  put16(datagram, 4, static_cast<uint32_t>(8 + payload.size()));
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  return datagram;
}

}  // namespace sallyport::dataplane::testing
