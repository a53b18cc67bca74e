// SPDX-License-Identifier: BSD-3-Clause
// Packets as plain bytes for tests, and their way in and out of real packet buffers. Written without the code
// under test: sums and offsets are counted by hand.
#pragma once

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/dataplane/eal_environment.h"

namespace sallyport::dataplane::testing {

using Bytes = std::vector<uint8_t>;

inline void put16(Bytes& bytes, size_t at, uint32_t value) {
  bytes.at(at) = static_cast<uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<uint8_t>(value);
}
inline void put32(Bytes& bytes, size_t at, uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value & 0xffff);
}
inline uint32_t get16(const Bytes& bytes, size_t at) {
  return uint32_t{bytes.at(at)} << 8 | bytes.at(at + 1);
}
inline uint32_t get32(const Bytes& bytes, size_t at) {
  return get16(bytes, at) << 16 | get16(bytes, at + 2);
}

// RFC 1071 over a range, with an initial sum; 0 over data that carries a right checksum.
inline uint32_t internet_checksum(const Bytes& bytes, size_t from, size_t to, uint32_t sum = 0) {
  for (size_t i = from; i < to; ++i)
    sum += i % 2 == from % 2 ? uint32_t{bytes.at(i)} << 8 : bytes.at(i);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

struct Ipv4Fields {
  uint32_t source = 0x0a010002;
  uint32_t destination = 0x0a020002;  // 10.1.0.2, 10.2.0.2
  uint8_t protocol = 17;
  uint8_t tos = 0;
  uint8_t ttl = 64;
  uint16_t id = 7;
  uint16_t fragment = 0;  // flags and offset, as in the header
};

inline Bytes ipv4(const Bytes& payload, const Ipv4Fields& fields = {}) {
  Bytes packet(20 + payload.size());
  packet[0] = 0x45;
  packet[1] = fields.tos;
  put16(packet, 2, static_cast<uint32_t>(packet.size()));
  put16(packet, 4, fields.id);
  put16(packet, 6, fields.fragment);
  packet[8] = fields.ttl;
  packet[9] = fields.protocol;
  put32(packet, 12, fields.source);
  put32(packet, 16, fields.destination);
  put16(packet, 10, internet_checksum(packet, 0, 20));
  if (!payload.empty()) std::memcpy(packet.data() + 20, payload.data(), payload.size());
  return packet;
}

// `bytes` in all, ports 1000 and 2000 where there is room for them.
inline Bytes ipv4_of_size(size_t bytes, const Ipv4Fields& fields = {}) {
  Bytes payload(bytes - 20);
  for (size_t i = 0; i < payload.size(); ++i)
    payload[i] = static_cast<uint8_t>(i * 7 + bytes);
  if (payload.size() >= 8) {
    put16(payload, 0, 1000);
    put16(payload, 2, 2000);
    put16(payload, 4, static_cast<uint32_t>(payload.size()));
    put16(payload, 6, 0);
  }
  return ipv4(payload, fields);
}

struct PacketDeleter {
  void operator()(rte_mbuf* packet) const { rte_pktmbuf_free(packet); }
};
using PacketPtr = std::unique_ptr<rte_mbuf, PacketDeleter>;

inline rte_mbuf* to_packet(const Bytes& bytes, rte_mempool* pool = packet_pool()) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  EXPECT_NE(packet, nullptr);
  char* data = rte_pktmbuf_append(packet, static_cast<uint16_t>(bytes.size()));
  EXPECT_NE(data, nullptr);
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  return packet;
}

inline Bytes to_bytes(const rte_mbuf* packet) {
  Bytes bytes(packet->pkt_len);
  const void* data = rte_pktmbuf_read(packet, 0, packet->pkt_len, bytes.data());
  if (data != bytes.data() && !bytes.empty()) std::memcpy(bytes.data(), data, bytes.size());
  return bytes;
}

}  // namespace sallyport::dataplane::testing
