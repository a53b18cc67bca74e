// SPDX-License-Identifier: BSD-3-Clause
// Ethernet headers on packet buffers. Worker threads.
#pragma once

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace sallyport::dataplane {

// The 14 bytes in front of a packet to one neighbour, prepared once. Two more, so that all can be copied at
// once where what follows them is written later.
struct EthernetRewrite {
  rte_ether_hdr header;
  std::array<uint8_t, 2> spare;
};
static_assert(sizeof(EthernetRewrite) == 16);

// `ether_type` in host order.
inline EthernetRewrite make_ethernet_rewrite(const rte_ether_addr& destination, const rte_ether_addr& source,
                                             uint16_t ether_type) {
  return {{destination, source, rte_cpu_to_be_16(ether_type)}, {}};
}

// False, and no change, without headroom for it.
inline bool prepend_ethernet(rte_mbuf* packet, const EthernetRewrite& rewrite) {
  constexpr uint16_t kBytes = sizeof(rte_ether_hdr);
  if (packet->data_off < kBytes) [[unlikely]]
    return false;
  packet->data_off = static_cast<uint16_t>(packet->data_off - kBytes);
  packet->data_len = static_cast<uint16_t>(packet->data_len + kBytes);
  packet->pkt_len += kBytes;
  std::memcpy(rte_pktmbuf_mtod(packet, void*), &rewrite.header, sizeof(rte_ether_hdr));
  return true;
}

}  // namespace sallyport::dataplane
