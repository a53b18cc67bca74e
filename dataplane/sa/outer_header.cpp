// SPDX-License-Identifier: BSD-3-Clause
// Prepares outer headers. Manager thread.
#include "dataplane/sa/outer_header.h"

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kTtl = 64;
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

}  // namespace

api::Error make_outer_header(const OuterEndpoints& endpoints, const OuterPolicy& policy,
                             OuterHeader& header) {
  if (endpoints.local.family != api::Family::kIpv4 || endpoints.remote.family != api::Family::kIpv4) {
    return api::Error::kUnsupported;
  }
  const uint32_t local_be = ipv4_of(endpoints.local), remote_be = ipv4_of(endpoints.remote);
  if (local_be == 0 || remote_be == 0 || policy.dscp > kMaxDscp) return api::Error::kInvalid;
  if (endpoints.encap && (endpoints.local_port == 0 || endpoints.remote_port == 0))
    return api::Error::kInvalid;

  header = {};
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(header.bytes.data());
  ip->version_ihl = RTE_IPV4_VHL_DEF;
  ip->time_to_live = kTtl;
  ip->next_proto_id = endpoints.encap ? IPPROTO_UDP : IPPROTO_ESP;
  ip->src_addr = local_be;
  ip->dst_addr = remote_be;
  header.checksum_sum = __rte_raw_cksum(ip, sizeof(*ip), 0);
  header.size_bytes = sizeof(rte_ipv4_hdr);
  if (endpoints.encap) {
    auto* udp = reinterpret_cast<rte_udp_hdr*>(ip + 1);
    udp->src_port = rte_cpu_to_be_16(endpoints.local_port);
    udp->dst_port = rte_cpu_to_be_16(endpoints.remote_port);
    header.size_bytes += sizeof(rte_udp_hdr);
  }
  header.encap = endpoints.encap;
  header.policy = policy;
  header.inherited_mask = first_bytes(policy.dscp_policy == api::DscpPolicy::kSet ? kEcnMask : 0xff,
                                      policy.df == api::DfPolicy::kCopy);
  header.fixed_bits =
      first_bytes(policy.dscp_policy == api::DscpPolicy::kSet ? static_cast<uint8_t>(policy.dscp << 2) : 0,
                  policy.df == api::DfPolicy::kSet);
  return api::Error::kNone;
}

}  // namespace sallyport::dataplane
