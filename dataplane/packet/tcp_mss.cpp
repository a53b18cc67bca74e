// SPDX-License-Identifier: BSD-3-Clause
// MSS clamp. Worker threads.
#include "dataplane/packet/tcp_mss.h"

#include <netinet/in.h>
#include <rte_tcp.h>

#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kOptionEnd = 0, kOptionNop = 1, kOptionMss = 2, kOptionMssBytes = 4;

// The MSS option's value in a TCP header, or nullptr.
uint8_t* find_mss(uint8_t* tcp, uint32_t header_bytes) {
  uint32_t offset = sizeof(rte_tcp_hdr);
  while (offset < header_bytes) {
    const uint8_t kind = tcp[offset];
    if (kind == kOptionEnd) return nullptr;
    if (kind == kOptionNop) {
      ++offset;
      continue;
    }
    if (offset + 2 > header_bytes) return nullptr;
    const uint8_t option_bytes = tcp[offset + 1];
    if (option_bytes < 2 || offset + option_bytes > header_bytes) return nullptr;
    if (kind == kOptionMss) return option_bytes == kOptionMssBytes ? tcp + offset + 2 : nullptr;
    offset += option_bytes;
  }
  return nullptr;
}

// `bytes`: the TCP header, `payload_bytes` from there to the packet's end.
bool clamp_segment(uint8_t* bytes, uint32_t payload_bytes, uint16_t mss_bytes) {
  if (payload_bytes < sizeof(rte_tcp_hdr)) return false;
  auto* tcp = reinterpret_cast<rte_tcp_hdr*>(bytes);
  if ((tcp->tcp_flags & RTE_TCP_SYN_FLAG) == 0) return false;
  const uint32_t tcp_bytes = (tcp->data_off >> 4) * 4u;
  if (tcp_bytes < sizeof(rte_tcp_hdr) || tcp_bytes > payload_bytes) return false;
  uint8_t* mss = find_mss(bytes, tcp_bytes);
  if (mss == nullptr) return false;
  const auto old_mss = static_cast<uint16_t>(mss[0] << 8 | mss[1]);
  if (old_mss <= mss_bytes) return false;
  mss[0] = static_cast<uint8_t>(mss_bytes >> 8);
  mss[1] = static_cast<uint8_t>(mss_bytes);
  // At an odd offset (after a lone NOP) the value straddles two of the checksum's words: swapping the bytes
  // of a word swaps those of the sum (RFC 1071 section 2(B)).
  const bool odd = ((mss - bytes) & 1) != 0;
  const uint16_t old_word = odd ? rte_bswap16(old_mss) : old_mss;
  const uint16_t new_word = odd ? rte_bswap16(mss_bytes) : mss_bytes;
  tcp->cksum = rte_cpu_to_be_16(update_checksum(rte_be_to_cpu_16(tcp->cksum), old_word, new_word));
  return true;
}

}  // namespace

bool clamp_tcp_mss(rte_ipv4_hdr& header, uint16_t mss_bytes) {
  if (header.next_proto_id != IPPROTO_TCP || ipv4_is_fragment(header)) return false;
  const uint32_t ip_bytes = ipv4_header_bytes(header);
  auto* bytes = reinterpret_cast<uint8_t*>(&header) + ip_bytes;
  return clamp_segment(bytes, ipv4_total_bytes(header) - ip_bytes, mss_bytes);
}

bool clamp_tcp_mss(rte_ipv6_hdr& header, uint16_t mss_bytes) {
  const std::span packet(reinterpret_cast<uint8_t*>(&header), ipv6_total_bytes(header));
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep || transport.protocol != IPPROTO_TCP || transport.fragment)
    return false;
  const auto segment = packet.subspan(transport.offset_bytes);
  return clamp_segment(segment.data(), static_cast<uint32_t>(segment.size()), mss_bytes);
}

}  // namespace sallyport::dataplane
