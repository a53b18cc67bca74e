// SPDX-License-Identifier: BSD-3-Clause
// Prepares outer headers. Manager thread.
#include "dataplane/sa/outer_header.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kMaxDscp = 63;

uint32_t ipv4_of(const api::Address& address) {
  uint32_t value_be;
  std::memcpy(&value_be, address.bytes.data(), sizeof(value_be));
  return value_be;
}

// The first 8 bytes of an IPv4 header, in memory order, with this TOS and DF bit and else zero.
uint64_t first_bytes(uint8_t tos, bool df) {
  rte_ipv4_hdr header{};
  header.type_of_service = tos;
  header.fragment_offset = df ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0;
  uint64_t bytes;
  std::memcpy(&bytes, &header, sizeof bytes);
  return bytes;
}

// The first 8 bytes of an IPv6 header, in memory order, with this traffic class and else zero. The flow label
// stays zero (RFC 6437 section 3): it would tell the flows inside apart.
uint64_t first_bytes_ipv6(uint8_t traffic_class) {
  rte_ipv6_hdr header{};
  set_traffic_class(header, traffic_class);
  uint64_t bytes;
  std::memcpy(&bytes, &header, sizeof bytes);
  return bytes;
}

bool is_usable(const api::Address& address) {
  if (address.family == api::Family::kIpv4) return ipv4_of(address) != 0;
  return address.family == api::Family::kIpv6 && !is_unspecified(address.bytes) &&
         !is_multicast(address.bytes);
}

// What the policy leaves to the inner packet, and sets, of the TOS byte or traffic class.
uint8_t inherited_class(const OuterPolicy& policy) {
  return policy.dscp_policy == api::DscpPolicy::kSet ? kEcnMask : 0xff;
}
uint8_t fixed_class(const OuterPolicy& policy) {
  return policy.dscp_policy == api::DscpPolicy::kSet ? static_cast<uint8_t>(policy.dscp << 2) : 0;
}

void fill_ipv4(const OuterEndpoints& endpoints, const OuterPolicy& policy, OuterHeader& header) {
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(header.bytes.data());
  ip->version_ihl = RTE_IPV4_VHL_DEF;
  ip->time_to_live = kOuterTtl;
  ip->next_proto_id = endpoints.encap ? IPPROTO_UDP : IPPROTO_ESP;
  ip->src_addr = ipv4_of(endpoints.local);
  ip->dst_addr = ipv4_of(endpoints.remote);
  header.checksum_sum = __rte_raw_cksum(ip, sizeof(*ip), 0);
  header.size_bytes = sizeof(rte_ipv4_hdr);
  if (endpoints.encap) {
    auto* udp = reinterpret_cast<rte_udp_hdr*>(ip + 1);
    udp->src_port = rte_cpu_to_be_16(endpoints.local_port);
    udp->dst_port = rte_cpu_to_be_16(endpoints.remote_port);
  }
  header.inherited_mask = first_bytes(inherited_class(policy), policy.df == api::DfPolicy::kCopy);
  header.fixed_bits = first_bytes(fixed_class(policy), policy.df == api::DfPolicy::kSet);
}

void fill_ipv6(const OuterEndpoints& endpoints, const OuterPolicy& policy, OuterHeader& header) {
  std::memcpy(header.bytes.data(), endpoints.local.bytes.data(), sizeof(Ipv6Address));
  std::memcpy(header.bytes.data() + sizeof(Ipv6Address), endpoints.remote.bytes.data(), sizeof(Ipv6Address));
  header.size_bytes = sizeof(rte_ipv6_hdr);
  const std::array<uint16_t, 2> ports = {rte_cpu_to_be_16(endpoints.local_port),
                                         rte_cpu_to_be_16(endpoints.remote_port)};
  if (endpoints.encap) std::memcpy(&header.ports, ports.data(), sizeof header.ports);
  rte_ipv6_hdr fixed{};
  set_traffic_class(fixed, fixed_class(policy));
  fixed.vtc_flow |= RTE_BE32(uint32_t{6} << 28);
  fixed.proto = endpoints.encap ? IPPROTO_UDP : IPPROTO_ESP;
  fixed.hop_limits = kOuterTtl;
  std::memcpy(&header.fixed_bits, &fixed, sizeof header.fixed_bits);
  header.inherited_mask = first_bytes_ipv6(inherited_class(policy));
}

}  // namespace

uint64_t OuterHeader::plain_addresses() const {
  const bool is_plain =
      family == api::Family::kIpv4 && !encap && inherited_mask == kPlainInheritedMask && fixed_bits == 0;
  uint64_t addresses = 0;
  if (is_plain) std::memcpy(&addresses, bytes.data() + offsetof(rte_ipv4_hdr, src_addr), sizeof addresses);
  return addresses;
}

api::Error make_outer_header(const OuterEndpoints& endpoints, const OuterPolicy& policy,
                             OuterHeader& header) {
  if (endpoints.local.family != endpoints.remote.family || !is_usable(endpoints.local) ||
      !is_usable(endpoints.remote) || policy.dscp > kMaxDscp) {
    return api::Error::kInvalid;
  }
  if (endpoints.encap && (endpoints.local_port == 0 || endpoints.remote_port == 0))
    return api::Error::kInvalid;
  header = {};
  header.encap = endpoints.encap;
  header.policy = policy;
  header.family = endpoints.local.family;
  if (header.family == api::Family::kIpv4) {
    fill_ipv4(endpoints, policy, header);
  } else {
    fill_ipv6(endpoints, policy, header);
  }
  if (endpoints.encap) header.size_bytes += sizeof(rte_udp_hdr);
  return api::Error::kNone;
}

}  // namespace sallyport::dataplane
