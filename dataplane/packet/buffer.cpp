// SPDX-License-Identifier: BSD-3-Clause
// Copies packets that can't be written in place. Worker threads, cold path.
#include "dataplane/packet/buffer.h"

#include <cstring>

namespace sallyport::dataplane {

rte_mbuf* make_private_linear(rte_mbuf* packet) {
  const uint32_t bytes = rte_pktmbuf_pkt_len(packet);
  rte_mbuf* copy = rte_pktmbuf_alloc(packet->pool);
  if (copy == nullptr) return nullptr;
  char* target = bytes <= UINT16_MAX ? rte_pktmbuf_append(copy, static_cast<uint16_t>(bytes)) : nullptr;
  if (target == nullptr) {
    rte_pktmbuf_free(copy);
    return nullptr;
  }
  // Where the data lies in one piece rte_pktmbuf_read gives its address instead of copying.
  const void* source = rte_pktmbuf_read(packet, 0, bytes, target);
  if (source != target) std::memcpy(target, source, bytes);
  copy->port = packet->port;
  copy->ol_flags = packet->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
  copy->tx_offload = packet->tx_offload;
  copy->packet_type = packet->packet_type;
  copy->hash = packet->hash;
  copy->vlan_tci = packet->vlan_tci;
  rte_mbuf_dynfield_copy(copy, packet);
  rte_pktmbuf_free(packet);
  return copy;
}

}  // namespace sallyport::dataplane
