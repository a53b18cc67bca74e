// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/follow_peer.h"

#include <rte_udp.h>

#include "dataplane/packet/ipv4.h"
#include "dataplane/path/context.h"
#include "dataplane/path/events.h"
#include "dataplane/path/inbound_ipv6.h"
#include "dataplane/sa/peer_key.h"

namespace sallyport::dataplane {

namespace {

// Where a packet came from (peer_key); 0: not in UDP. `outer`: its IP header.
uint64_t udp_peer(const uint8_t* outer, uint16_t esp_offset) {
  if (outer[0] >> 4 == 6) return ipv6_udp_peer(outer, esp_offset);
  const auto& header = *reinterpret_cast<const rte_ipv4_hdr*>(outer);
  if (esp_offset <= ipv4_header_bytes(header)) return 0;
  const auto* udp = reinterpret_cast<const rte_udp_hdr*>(outer + esp_offset - sizeof(rte_udp_hdr));
  return peer_key(header.src_addr, rte_be_to_cpu_16(udp->src_port));
}

}  // namespace

// Only new packets tell where the peer is, and which are can't be known with the window off (RFC 7296 section
// 2.23).
void follow_peer(PathContext& context, const DecapPacket& packet, const CryptoJob& job) {
  InboundSa& sa = *packet.sa;
  if (packet.sequence < sa.window.right_edge() || sa.window.packets() == 0) return;
  const uint8_t* outer = job.text - sa.shape.iv_bytes - kEspHeaderBytes - packet.esp_offset;
  const uint64_t source = udp_peer(outer, packet.esp_offset);
  if (source != 0) report_peer(context, sa, source, outer, packet.esp_offset);
}

}  // namespace sallyport::dataplane
