// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors. Worker threads, cold path.
#include "dataplane/packet/icmp_error.h"

#include <netinet/in.h>
#include <rte_icmp.h>

#include <algorithm>
#include <cstring>

#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t kMaxErrorBytes = 576;  // RFC 1812 section 4.3.2.3
constexpr uint8_t kTtl = 64;
constexpr uint8_t kTosInternetControl = 0xc0;  // RFC 1812 section 4.3.2.5: precedence 6

struct IcmpErrorHeader {
  uint8_t type, code;
  uint16_t checksum, unused_be, mtu_be;  // RFC 1191 section 4
};
static_assert(sizeof(IcmpErrorHeader) == 8);

bool is_icmp_error_type(uint8_t type) {
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

bool is_single_host(uint32_t address_be) {
  const uint32_t address = rte_be_to_cpu_32(address_be);
  return address != 0 && (address >> 24) != 127 &&
         address < 0xe0000000;  // not multicast, class E or broadcast
}

}  // namespace

bool icmp_error_allowed(const rte_ipv4_hdr& offending) {
  if (ipv4_is_later_fragment(offending)) return false;
  if (!is_single_host(offending.src_addr) || !is_single_host(offending.dst_addr)) return false;
  if (offending.next_proto_id == IPPROTO_ICMP) {
    const uint32_t header_bytes = ipv4_header_bytes(offending);
    if (ipv4_total_bytes(offending) <= header_bytes)
      return false;  // without a type nothing says it is no error
    if (is_icmp_error_type(reinterpret_cast<const uint8_t*>(&offending)[header_bytes])) return false;
  }
  return true;
}

rte_mbuf* build_icmp_error(rte_mempool* pool, const rte_ipv4_hdr& offending, IcmpError error,
                           uint32_t source_be, uint16_t mtu_bytes) {
  if (!icmp_error_allowed(offending)) return nullptr;
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr) return nullptr;
  constexpr uint32_t kHeadersBytes = sizeof(rte_ipv4_hdr) + sizeof(IcmpErrorHeader);
  const uint32_t quoted_bytes =
      std::min<uint32_t>(ipv4_total_bytes(offending), kMaxErrorBytes - kHeadersBytes);
  const auto total_bytes = static_cast<uint16_t>(kHeadersBytes + quoted_bytes);
  char* data = rte_pktmbuf_append(packet, total_bytes);
  if (data == nullptr) {
    rte_pktmbuf_free(packet);
    return nullptr;
  }
  std::memset(data, 0, kHeadersBytes);
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(data);
  ip->version_ihl = RTE_IPV4_VHL_DEF;
  ip->type_of_service = kTosInternetControl;
  ip->total_length = rte_cpu_to_be_16(total_bytes);
  ip->time_to_live = kTtl;
  ip->next_proto_id = IPPROTO_ICMP;
  ip->src_addr = source_be;
  ip->dst_addr = offending.src_addr;
  write_ipv4_checksum(*ip);
  auto* icmp = reinterpret_cast<IcmpErrorHeader*>(ip + 1);
  icmp->type = static_cast<uint8_t>(static_cast<uint16_t>(error) >> 8);
  icmp->code = static_cast<uint8_t>(error);
  if (error == IcmpError::kFragmentationNeeded) icmp->mtu_be = rte_cpu_to_be_16(mtu_bytes);
  std::memcpy(icmp + 1, &offending, quoted_bytes);
  icmp->checksum = static_cast<uint16_t>(~rte_raw_cksum(icmp, sizeof(*icmp) + quoted_bytes));
  return packet;
}

}  // namespace sallyport::dataplane
