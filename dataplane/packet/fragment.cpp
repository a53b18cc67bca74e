// SPDX-License-Identifier: BSD-3-Clause
// Fragmentation through DPDK's ip_frag, by copying. Worker threads, cold path.
#include "dataplane/packet/fragment.h"

#include <rte_ip_frag.h>

#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

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

}  // namespace sallyport::dataplane
