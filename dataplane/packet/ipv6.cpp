// SPDX-License-Identifier: BSD-3-Clause
// IPv6 headers in place. Pure functions, any thread.
#include "dataplane/packet/ipv6.h"

#include <netinet/in.h>
#include <rte_hash_crc.h>

#include <algorithm>

#include "dataplane/packet/ipv4.h"

namespace sallyport::dataplane {

namespace {

constexpr uint8_t kNobodysProtocol = 255;  // reserved by IANA
constexpr uint32_t kFragmentHeaderBytes = 8;
constexpr uint16_t kFragmentOffsetMask = 0xfff8, kMoreFragments = 1;

uint16_t load_be16(const uint8_t* bytes) {
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

bool is_extension(uint8_t next_header) {
  return next_header == IPPROTO_HOPOPTS || next_header == IPPROTO_ROUTING ||
         next_header == IPPROTO_FRAGMENT || next_header == IPPROTO_DSTOPTS;
}

// The size of an extension header of which at least 8 bytes are there.
uint32_t extension_bytes(uint8_t kind, const uint8_t* header) {
  return kind == IPPROTO_FRAGMENT ? kFragmentHeaderBytes : (header[1] + 1u) * 8;
}

// Reads a fragment header; true where nothing that is known follows it.
bool enter_fragment(const uint8_t* header, uint32_t offset_bytes, Ipv6Transport& transport) {
  const uint16_t offset_and_flag = load_be16(header + 2);
  transport.fragment_bytes = offset_bytes;
  transport.later_fragment = (offset_and_flag & kFragmentOffsetMask) != 0;
  transport.fragment = transport.later_fragment || (offset_and_flag & kMoreFragments) != 0;
  return transport.later_fragment;
}

void read_ports(std::span<const uint8_t> payload, Ipv6Flow& flow) {
  switch (flow.protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
    case IPPROTO_DCCP:
    case IPPROTO_UDPLITE:
      if (payload.size() < 4) return;
      flow.source_port = load_be16(payload.data());
      flow.destination_port = load_be16(payload.data() + 2);
      break;
    case IPPROTO_ICMPV6:
      if (payload.size() < 2) return;
      flow.source_port = flow.destination_port = load_be16(payload.data());
      break;
    default:
      return;
  }
  flow.ports_known = true;
}

uint32_t crc_of(const Ipv6Address& address, uint32_t seed) {
  std::array<uint64_t, 2> words;
  std::memcpy(words.data(), address.data(), sizeof words);
  return rte_hash_crc_8byte(words[1], rte_hash_crc_8byte(words[0], seed));
}

}  // namespace

api::DropReason find_transport(std::span<const uint8_t> packet, Ipv6Transport& transport) {
  constexpr size_t kNextHeaderOffset = 6;
  transport = {};
  uint8_t next_header = packet[kNextHeaderOffset];
  uint32_t offset = sizeof(rte_ipv6_hdr);
  for (uint32_t headers = 0; is_extension(next_header); ++headers) {
    if (headers == kMaxExtensionHeaders || offset + 8 > packet.size()) return api::DropReason::kIpv6Extension;
    const uint8_t* header = packet.data() + offset;
    const uint32_t bytes = extension_bytes(next_header, header);
    if (offset + bytes > packet.size()) return api::DropReason::kIpv6Extension;
    if (next_header == IPPROTO_HOPOPTS && headers != 0) return api::DropReason::kIpv6Extension;
    if (next_header == IPPROTO_ROUTING && header[3] != 0) return api::DropReason::kIpv6Extension;
    // A second one would hide what the first says: a packet is fragmented once (RFC 8200 section 4.5).
    if (next_header == IPPROTO_FRAGMENT && transport.fragment_bytes != 0)
      return api::DropReason::kIpv6Extension;
    const bool is_last = next_header == IPPROTO_FRAGMENT && enter_fragment(header, offset, transport);
    next_header = header[0];
    offset += bytes;
    if (is_last) break;
  }
  transport.protocol = next_header;
  transport.offset_bytes = offset;
  return kKeep;
}

Ipv6Flow read_flow(const rte_ipv6_hdr& header) {
  return read_flow(header, ipv6_total_bytes(header));
}

Ipv6Flow read_flow(const rte_ipv6_hdr& header, uint32_t available_bytes) {
  Ipv6Flow flow{ipv6_source(header), ipv6_destination(header), 0, 0, kNobodysProtocol, false, false};
  const std::span packet(reinterpret_cast<const uint8_t*>(&header),
                         std::min(ipv6_total_bytes(header), available_bytes));
  Ipv6Transport transport;
  if (find_transport(packet, transport) != kKeep) return flow;
  flow.protocol = transport.protocol;
  flow.fragment = transport.fragment;
  if (!transport.later_fragment) read_ports(packet.subspan(transport.offset_bytes), flow);
  return flow;
}

uint32_t flow_hash(const Ipv6Flow& flow) {
  const bool forward = flow.source != flow.destination ? flow.source < flow.destination
                                                       : flow.source_port < flow.destination_port;
  // What comes behind the fragment header of the first piece may not be what the later ones name.
  uint64_t ends = flow.fragment ? 0 : flow.protocol;
  if (flow.ports_known && !flow.fragment && flow.protocol != IPPROTO_ICMPV6) {
    const uint64_t first = forward ? flow.source_port : flow.destination_port;
    const uint64_t second = forward ? flow.destination_port : flow.source_port;
    ends |= first << 16 | second << 32;
  }
  const uint32_t low = crc_of(forward ? flow.source : flow.destination, 0x9e3779b9);
  const uint32_t crc = rte_hash_crc_8byte(ends, crc_of(forward ? flow.destination : flow.source, low));
  return static_cast<uint32_t>((uint64_t{crc} * 0x9e3779b97f4a7c15u) >> 32);
}

uint16_t transport_sum(const rte_ipv6_hdr& header, uint8_t protocol, std::span<const uint8_t> message) {
  const uint64_t addresses = rte_raw_cksum(&header.src_addr, 2 * sizeof(Ipv6Address));
  const uint64_t length_and_protocol =
      uint64_t{rte_cpu_to_be_16(static_cast<uint16_t>(message.size()))} + rte_cpu_to_be_16(protocol);
  return fold_checksum(addresses + length_and_protocol + rte_raw_cksum(message.data(), message.size()));
}

}  // namespace sallyport::dataplane
