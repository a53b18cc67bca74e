// SPDX-License-Identifier: BSD-3-Clause
// Why a packet was dropped: one name for every cause, with the sentence that the CLI shows. Append only at
// the end: the index is the counter's place in shared memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::api {

#define SALLYPORT_DROP_REASONS(X)                                                                           \
  X(kRxMalformed, "rx_malformed", "Frame or IKE message too short for its headers")                         \
  X(kUnknownEthertype, "unknown_ethertype", "Neither IPv4, IPv6 nor ARP")                                   \
  X(kIpBadHeader, "ip_bad_header", "IP version, header length or total length is wrong")                    \
  X(kIpOptions, "ip_options", "IPv4 source route, or options longer than their header")                     \
  X(kTtlExpired, "ttl_expired", "TTL or hop limit reached zero")                                            \
  X(kNoRoute, "no_route", "No route to the destination in the virtual network; multicast has none")         \
  X(kNotForUs, "not_for_us",                                                                                \
    "For another station, or on a public port neither ESP, IKE nor for the gateway itself")                 \
  X(kNoTunnelUp, "no_tunnel_up", "Every member of the route's next-hop group is down")                      \
  X(kNoOutboundSa, "no_outbound_sa", "The tunnel has no outbound SA yet")                                   \
  X(kNeighbourUnresolved, "neighbour_unresolved", "The next hop has not answered ARP or ND")                \
  X(kNeighbourQueueFull, "neighbour_queue_full", "Too many packets wait for one neighbour")                 \
  X(kTooBigDf, "too_big_df", "Larger than the path MTU and IPv6 or with DF set; the sender was told")       \
  X(kFragmentFailed, "fragment_failed", "Could not be fragmented to the path MTU")                          \
  X(kPolicyOutbound, "policy_outbound", "No traffic selector of the outbound SA covers the packet")         \
  X(kPolicyInbound, "policy_inbound", "Decrypted packet lies outside the traffic selectors of its SA")      \
  X(kSequenceExhausted, "sequence_exhausted", "The outbound SA has no sequence number left")                \
  X(kHardLifetime, "hard_lifetime", "The SA reached its byte or packet limit")                              \
  X(kEspTooShort, "esp_too_short", "Shorter than ESP header, IV, trailer and ICV, or not aligned")          \
  X(kUnknownSpi, "unknown_spi", "No inbound SA with this SPI")                                              \
  X(kReplay, "replay", "Sequence number seen before, or left of the replay window")                         \
  X(kIcvFailed, "icv_failed", "Integrity check failed")                                                     \
  X(kPadLength, "pad_length", "Pad length goes beyond the decrypted payload")                               \
  X(kDummy, "dummy", "Dummy packet (next header 59), dropped as RFC 4303 says")                             \
  X(kNextHeader, "next_header", "ESP next header is not IP, or disagrees with the inner packet's version")  \
  X(kInnerBadHeader, "inner_bad_header", "Decrypted packet's own header is wrong or longer than its bytes") \
  X(kEcn, "ecn", "Inner packet is Not-ECT and the outer one carries CE (RFC 6040)")                         \
  X(kFragmentTimeout, "fragment_timeout", "Outer fragments were never completed")                           \
  X(kFragmentTableFull, "fragment_table_full",                                                              \
    "Too many outer packets are being reassembled, or fragments that make no packet")                       \
  X(kUdpBadLength, "udp_bad_length",                                                                        \
    "UDP length disagrees with the IP length, or nothing in it on port 4500")                               \
  X(kNatKeepalive, "nat_keepalive", "NAT keepalive, swallowed as RFC 3948 says")                            \
  X(kHandoverRingFull, "handover_ring_full", "The home worker of the SA did not keep up")                   \
  X(kTxFull, "tx_full", "The port's transmit queue stayed full")                                            \
  X(kNoMbuf, "no_mbuf", "Out of packet buffers")                                                            \
  X(kPuntRateLimited, "punt_rate_limited", "Too many packets for the gateway itself")                       \
  X(kPuntRingFull, "punt_ring_full", "The ring between worker and manager thread was full")                 \
  X(kMirrorWriteFailed, "mirror_write_failed", "The mirror device did not take the packet")                 \
  X(kMirrorForbidden, "mirror_forbidden",                                                                   \
    "From a public mirror, but neither ARP, ND, ICMP nor IKE from its own address")                         \
  X(kMirrorAbsent, "mirror_absent", "For the gateway itself, but the mirror device is not set up")          \
  X(kLinkDown, "link_down", "The port's link is down, or the port was removed")                             \
  X(kIpv6Scope, "ipv6_scope",                                                                               \
    "IPv6 that must not leave its link: link-local, unspecified or loopback address, or ND")                \
  X(kCleartextPublic, "cleartext_public", "Cleartext from outside to an address that must be protected")    \
  X(kCryptoFailed, "crypto_failed", "The crypto library refused the packet")                                \
  X(kNoRoom, "no_room", "The packet buffer has no room for what ESP adds, or can't be written in place")    \
  X(kIpv6Extension, "ipv6_extension",                                                                       \
    "IPv6 extension headers malformed or too many, or a routing header that leads elsewhere")               \
  X(kProbeAddress, "probe_address",                                                                         \
    "To an address of the tunnels' probes, which no network uses, and not by a tunnel")                     \
  X(kReassembledTooLarge, "reassembled_too_large",                                                          \
    "Outer fragments of a packet larger than a packet buffer, or of IKE larger than 10,000 bytes")

enum class DropReason : uint16_t {
#define SALLYPORT_ENUM(id, name, description) id,
  SALLYPORT_DROP_REASONS(SALLYPORT_ENUM)
#undef SALLYPORT_ENUM
      kCount
};

inline constexpr size_t kDropReasonCount = static_cast<size_t>(DropReason::kCount);

struct DropReasonText {
  std::string_view name, description;
};

inline constexpr std::array<DropReasonText, kDropReasonCount> kDropReasonTexts = {{
#define SALLYPORT_TEXT(id, name, description) {name, description},
    SALLYPORT_DROP_REASONS(SALLYPORT_TEXT)
#undef SALLYPORT_TEXT
}};

}  // namespace sallyport::api
