// SPDX-License-Identifier: BSD-3-Clause
// Fragmentation by copying, of IPv4 through DPDK's ip_frag (whose IPv6 half makes chains of indirect
// buffers). Worker threads, cold path.
#include "dataplane/packet/fragment.h"

#include <netinet/in.h>
#include <rte_ip_frag.h>

#include <algorithm>
#include <cstring>

#include "dataplane/packet/ipv4.h"
#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

namespace {

struct FragmentHeader {  // RFC 8200 section 4.5
  uint8_t next_header, reserved;
  uint16_t offset_and_flag_be;
  uint32_t identification_be;
};
static_assert(sizeof(FragmentHeader) == 8);
constexpr uint32_t kIpv6FragmentBytes = sizeof(rte_ipv6_hdr) + sizeof(FragmentHeader);

// A piece of `packet`'s payload; nullptr where the pool is empty or its buffers are too small.
rte_mbuf* make_ipv6_fragment(const rte_mbuf* packet, uint32_t offset_bytes, uint32_t data_bytes, bool is_last,
                             uint32_t identification, rte_mempool* pool) {
  rte_mbuf* fragment = rte_pktmbuf_alloc(pool);
  if (fragment == nullptr) return nullptr;
  char* start = rte_pktmbuf_append(fragment, static_cast<uint16_t>(kIpv6FragmentBytes + data_bytes));
  if (start == nullptr) {
    rte_pktmbuf_free(fragment);
    return nullptr;
  }
  const auto* original = rte_pktmbuf_mtod(packet, const rte_ipv6_hdr*);
  auto* ip = reinterpret_cast<rte_ipv6_hdr*>(start);
  std::memcpy(ip, original, sizeof *ip);
  ip->proto = IPPROTO_FRAGMENT;
  ip->payload_len = rte_cpu_to_be_16(static_cast<uint16_t>(sizeof(FragmentHeader) + data_bytes));
  const FragmentHeader header{original->proto, 0,
                              rte_cpu_to_be_16(static_cast<uint16_t>(offset_bytes | (is_last ? 0 : 1))),
                              rte_cpu_to_be_32(identification)};
  std::memcpy(start + sizeof *ip, &header, sizeof header);
  std::memcpy(start + kIpv6FragmentBytes,
              rte_pktmbuf_mtod_offset(packet, const char*, sizeof *ip + offset_bytes), data_bytes);
  fragment->port = packet->port;
  return fragment;
}

}  // namespace

uint32_t fragment_ipv4(rte_mbuf* packet, uint16_t mtu_bytes, rte_mempool* pool,
                       std::span<rte_mbuf*> fragments) {
  const auto* header = rte_pktmbuf_mtod(packet, const rte_ipv4_hdr*);
  const uint32_t surplus_bytes = rte_pktmbuf_pkt_len(packet) - ipv4_total_bytes(*header);
  if (surplus_bytes > 0 && rte_pktmbuf_trim(packet, static_cast<uint16_t>(surplus_bytes)) != 0) return 0;
  // DPDK rejects an MTU whose room for data is no multiple of 8; the room it leaves unused is the RFC's.
  const uint32_t header_bytes = ipv4_header_bytes(*header);
  if (mtu_bytes < header_bytes + 8) return 0;
  const auto fitting_mtu = static_cast<uint16_t>(header_bytes + ((mtu_bytes - header_bytes) & ~7u));
  const int32_t count = rte_ipv4_fragment_copy_nonseg_packet(
      packet, fragments.data(), static_cast<uint16_t>(fragments.size()), fitting_mtu, pool);
  if (count <= 0) return 0;
  for (int32_t i = 0; i < count; ++i) {
    rte_mbuf* fragment = fragments[static_cast<size_t>(i)];
    fragment->port = packet->port;
    write_ipv4_checksum(*rte_pktmbuf_mtod(fragment, rte_ipv4_hdr*));
  }
  return static_cast<uint32_t>(count);
}

uint32_t fragment_ipv6(const rte_mbuf* packet, uint16_t mtu_bytes, uint32_t identification, rte_mempool* pool,
                       std::span<rte_mbuf*> fragments) {
  if (mtu_bytes < kIpv6FragmentBytes + 8) return 0;
  const uint32_t room_bytes = (mtu_bytes - kIpv6FragmentBytes) & ~7u;
  const uint32_t payload_bytes =
      ipv6_total_bytes(*rte_pktmbuf_mtod(packet, const rte_ipv6_hdr*)) - uint32_t{sizeof(rte_ipv6_hdr)};
  uint32_t count = 0;
  for (uint32_t offset = 0; offset < payload_bytes; offset += room_bytes) {
    const uint32_t data_bytes = std::min(room_bytes, payload_bytes - offset);
    rte_mbuf* fragment = count == fragments.size()
                             ? nullptr
                             : make_ipv6_fragment(packet, offset, data_bytes,
                                                  offset + data_bytes == payload_bytes, identification, pool);
    if (fragment == nullptr) {
      rte_pktmbuf_free_bulk(fragments.data(), count);
      return 0;
    }
    fragments[count++] = fragment;
  }
  return count;
}

}  // namespace sallyport::dataplane
