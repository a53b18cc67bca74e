// SPDX-License-Identifier: BSD-3-Clause
// IPv4 headers in place. Pure functions, any thread.
#include "dataplane/packet/ipv4.h"

#include <netinet/in.h>
#include <rte_hash_crc.h>

#include <algorithm>

namespace sallyport::dataplane {

namespace {

uint16_t load_be16(const uint8_t* bytes) {
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

}  // namespace

bool ipv4_options_allowed(const rte_ipv4_hdr& header) {
  constexpr uint8_t kEnd = 0, kNop = 1, kLooseSourceRoute = 131, kStrictSourceRoute = 137;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  const uint32_t header_bytes = ipv4_header_bytes(header);
  uint32_t offset = sizeof(rte_ipv4_hdr);
  while (offset < header_bytes && bytes[offset] != kEnd) {
    const uint8_t type = bytes[offset];
    if (type == kLooseSourceRoute || type == kStrictSourceRoute) return false;
    if (type == kNop) {
      ++offset;
      continue;
    }
    if (offset + 2 > header_bytes) return false;
    const uint8_t option_bytes = bytes[offset + 1];
    if (option_bytes < 2 || offset + option_bytes > header_bytes) return false;
    offset += option_bytes;
  }
  return true;
}

void write_ipv4_checksum(rte_ipv4_hdr& header) {
  header.hdr_checksum = 0;
  header.hdr_checksum = rte_ipv4_cksum(&header);
}

Flow read_flow(const rte_ipv4_hdr& header) {
  Flow flow{header.src_addr, header.dst_addr, 0, 0, header.next_proto_id, false, ipv4_is_fragment(header)};
  if (ipv4_is_later_fragment(header)) return flow;
  const uint32_t header_bytes = ipv4_header_bytes(header);
  const uint32_t payload_bytes = ipv4_total_bytes(header) - header_bytes;
  const auto* payload = reinterpret_cast<const uint8_t*>(&header) + header_bytes;
  switch (header.next_proto_id) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
    case IPPROTO_UDPLITE:
      if (payload_bytes < 4) break;
      flow.source_port = load_be16(payload);
      flow.destination_port = load_be16(payload + 2);
      flow.ports_known = true;
      break;
    case IPPROTO_ICMP:
      if (payload_bytes < 2) break;
      flow.source_port = flow.destination_port = load_be16(payload);
      flow.ports_known = true;
      break;
    default:
      break;
  }
  return flow;
}

uint32_t flow_hash(const Flow& flow) {
  const uint64_t low = std::min(flow.source_be, flow.destination_be);
  const uint64_t high = std::max(flow.source_be, flow.destination_be);
  uint64_t ends = flow.protocol;
  // An ICMP type differs between request and answer, and a fragment's ports are known in one piece only.
  if (flow.ports_known && !flow.fragment && flow.protocol != IPPROTO_ICMP) {
    // Ports in the order of their addresses; equal addresses leave the ports themselves to decide.
    const bool forward = flow.source_be != flow.destination_be ? flow.source_be < flow.destination_be
                                                               : flow.source_port < flow.destination_port;
    const uint64_t first = forward ? flow.source_port : flow.destination_port;
    const uint64_t second = forward ? flow.destination_port : flow.source_port;
    ends |= first << 16 | second << 32;
  }
  // Two CRCs and a multiplication: a CRC alone is linear and would leave the low bits of similar flows alike.
  const uint32_t crc = rte_hash_crc_8byte(ends, rte_hash_crc_8byte(high << 32 | low, 0x9e3779b9));
  return static_cast<uint32_t>((uint64_t{crc} * 0x9e3779b97f4a7c15u) >> 32);
}

}  // namespace sallyport::dataplane
