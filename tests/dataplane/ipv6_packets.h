// SPDX-License-Identifier: BSD-3-Clause
// IPv6 packets as plain bytes for tests, as packets.h has IPv4 ones. Written without the code under test.
#pragma once

#include <array>

#include "tests/dataplane/packets.h"

namespace sallyport::dataplane::testing {

using Ip6 = std::array<uint8_t, 16>;

// 2001:db8:SITE::HOST
constexpr Ip6 ip6(uint8_t site, uint8_t host) {
  return {0x20, 0x01, 0x0d, 0xb8, 0, site, 0, 0, 0, 0, 0, 0, 0, 0, 0, host};
}
constexpr Ip6 link_local6(uint8_t host) {
  return {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host};
}
constexpr Ip6 multicast6(uint8_t scope, uint8_t group) {
  return {0xff, scope, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, group};
}

struct Ipv6Fields {
  Ip6 source = ip6(1, 2);
  Ip6 destination = ip6(2, 2);
  uint8_t next_header = 17;
  uint8_t traffic_class = 0;
  uint32_t flow_label = 0;
  uint8_t hop_limit = 64;
};

inline Bytes ipv6(const Bytes& payload, const Ipv6Fields& fields = {}) {
  Bytes packet(40 + payload.size());
  put32(packet, 0, uint32_t{6} << 28 | uint32_t{fields.traffic_class} << 20 | fields.flow_label);
  put16(packet, 4, static_cast<uint32_t>(payload.size()));
  packet[6] = fields.next_header;
  packet[7] = fields.hop_limit;
  std::memcpy(&packet[8], fields.source.data(), 16);
  std::memcpy(&packet[24], fields.destination.data(), 16);
  if (!payload.empty()) std::memcpy(packet.data() + 40, payload.data(), payload.size());
  return packet;
}

// `bytes` in all, UDP ports 1000 and 2000.
inline Bytes ipv6_of_size(size_t bytes, const Ipv6Fields& fields = {}) {
  Bytes payload(bytes - 40);
  for (size_t i = 0; i < payload.size(); ++i)
    payload[i] = static_cast<uint8_t>(i * 7 + bytes);
  if (payload.size() >= 8) {
    put16(payload, 0, 1000);
    put16(payload, 2, 2000);
    put16(payload, 4, static_cast<uint32_t>(payload.size()));
    put16(payload, 6, 0);
  }
  return ipv6(payload, fields);
}

// An extension header of `bytes` (a multiple of 8) filled with PadN, in front of `rest`.
inline Bytes extension6(uint8_t next_header, const Bytes& rest, size_t bytes = 8) {
  Bytes header(bytes);
  header[0] = next_header;
  header[1] = static_cast<uint8_t>(bytes / 8 - 1);
  header[2] = 1;
  header[3] = static_cast<uint8_t>(bytes - 4);
  header.insert(header.end(), rest.begin(), rest.end());
  return header;
}

// `offset` in bytes.
inline Bytes fragment6(uint8_t next_header, uint32_t offset, bool more, uint32_t id, const Bytes& data) {
  Bytes header(8);
  header[0] = next_header;
  put16(header, 2, offset | (more ? 1 : 0));
  put32(header, 4, id);
  header.insert(header.end(), data.begin(), data.end());
  return header;
}

// The checksum of the message behind a plain IPv6 header, which is 0 where the one in it is right.
inline uint32_t checksum6(const Bytes& packet, uint8_t protocol) {
  const auto length = static_cast<uint32_t>(packet.size() - 40);
  uint32_t sum = length + protocol;
  for (size_t i = 8; i < 40; i += 2)
    sum += get16(packet, i);
  return internet_checksum(packet, 40, packet.size(), sum);
}

inline Bytes icmp6(uint8_t type, uint8_t code, const Bytes& body, const Ipv6Fields& fields) {
  Bytes message = {type, code, 0, 0};
  message.insert(message.end(), body.begin(), body.end());
  Ipv6Fields with_icmp = fields;
  with_icmp.next_header = 58;
  Bytes packet = ipv6(message, with_icmp);
  put16(packet, 42, checksum6(packet, 58));
  return packet;
}

}  // namespace sallyport::dataplane::testing
