// SPDX-License-Identifier: BSD-3-Clause
// ICMPv6 errors. Worker threads, cold path.
#include "dataplane/packet/icmpv6_error.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kHopLimit = 64;
constexpr uint8_t kFirstInformational = 128, kRedirect = 137;
constexpr uint32_t kVersion = uint32_t{6} << 28;

struct Icmpv6ErrorHeader {
  uint8_t type, code;
  uint16_t checksum;
  uint32_t mtu_be;  // of packet too big; else unused
};
static_assert(sizeof(Icmpv6ErrorHeader) == 8);

// Whether an ICMPv6 message may have an error about it: by its type, which must be there to be seen.
bool is_informational(std::span<const uint8_t> packet, const Ipv6Transport& transport) {
  if (transport.later_fragment || packet.size() <= transport.offset_bytes) return false;
  const uint8_t type = packet[transport.offset_bytes];
  return type >= kFirstInformational && type != kRedirect;
}

}  // namespace

bool icmpv6_error_allowed(const rte_ipv6_hdr& offending, Icmpv6Error error) {
  const Ipv6Address source = ipv6_source(offending);
  if (is_multicast(source) || is_unspecified(source) || is_loopback(source)) return false;
  if (is_multicast(ipv6_destination(offending)) && error != Icmpv6Error::kPacketTooBig) return false;
  const std::span packet(reinterpret_cast<const uint8_t*>(&offending), ipv6_total_bytes(offending));
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep) return false;
  return transport.protocol != IPPROTO_ICMPV6 || is_informational(packet, transport);
}

rte_mbuf* build_icmpv6_error(rte_mempool* pool, const rte_ipv6_hdr& offending, Icmpv6Error error,
                             const Ipv6Address& source, uint16_t mtu_bytes) {
  if (!icmpv6_error_allowed(offending, error)) return nullptr;
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr) return nullptr;
  constexpr uint32_t kHeadersBytes = sizeof(rte_ipv6_hdr) + sizeof(Icmpv6ErrorHeader);
  const uint32_t quoted_bytes = std::min(ipv6_total_bytes(offending), kIpv6MinMtuBytes - kHeadersBytes);
  char* data = rte_pktmbuf_append(packet, static_cast<uint16_t>(kHeadersBytes + quoted_bytes));
  if (data == nullptr) {
    rte_pktmbuf_free(packet);
    return nullptr;
  }
  std::memset(data, 0, kHeadersBytes);
  auto* ip = reinterpret_cast<rte_ipv6_hdr*>(data);
  ip->vtc_flow = rte_cpu_to_be_32(kVersion);
  ip->payload_len = rte_cpu_to_be_16(static_cast<uint16_t>(sizeof(Icmpv6ErrorHeader) + quoted_bytes));
  ip->proto = IPPROTO_ICMPV6;
  ip->hop_limits = kHopLimit;
  std::memcpy(&ip->src_addr, source.data(), source.size());
  std::memcpy(&ip->dst_addr, &offending.src_addr, sizeof(Ipv6Address));
  auto* icmp = reinterpret_cast<Icmpv6ErrorHeader*>(ip + 1);
  icmp->type = static_cast<uint8_t>(static_cast<uint16_t>(error) >> 8);
  icmp->code = static_cast<uint8_t>(error);
  if (error == Icmpv6Error::kPacketTooBig) icmp->mtu_be = rte_cpu_to_be_32(mtu_bytes);
  std::memcpy(icmp + 1, &offending, quoted_bytes);
  const std::span message(reinterpret_cast<const uint8_t*>(icmp), sizeof *icmp + quoted_bytes);
  icmp->checksum = static_cast<uint16_t>(~transport_sum(*ip, IPPROTO_ICMPV6, message));
  return packet;
}

}  // namespace sallyport::dataplane
