// SPDX-License-Identifier: BSD-3-Clause
// Where a peer is, in one word that the home worker can compare and the manager replace. Pure functions, any
// thread.
#pragma once

#include <cstdint>
#include <cstring>

#include "dataplane/api/messages.h"
#include "dataplane/packet/ipv6.h"

namespace sallyport::dataplane {

// Address (network order) in the high half, port (host order) in the low one.
inline uint64_t peer_key(uint32_t address_be, uint16_t port) {
  return uint64_t{address_be} << 32 | port;
}

// A hash, which is no IPv4 key: those have bit 31 clear. That two places share one is of no consequence to
// security: it only says whether a verified packet's source is worth a message.
inline uint64_t peer_key(const Ipv6Address& address, uint16_t port) {
  uint64_t words[2];
  std::memcpy(words, address.data(), sizeof words);
  uint64_t key = port;
  for (const uint64_t word : words) {
    key = (key ^ word) * 0x9e3779b97f4a7c15u;
    key ^= key >> 29;
  }
  return key | uint64_t{1} << 31;
}

inline uint64_t peer_key(const api::Address& address, uint16_t port) {
  if (address.family == api::Family::kIpv6) return peer_key(address.bytes, port);
  uint32_t address_be;
  std::memcpy(&address_be, address.bytes.data(), sizeof address_be);
  return peer_key(address_be, port);
}

}  // namespace sallyport::dataplane
