// SPDX-License-Identifier: BSD-3-Clause
// What the manager's object tables share. Made by main, outlives them. Manager thread.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "dataplane/manager/packet_pools.h"
#include "dataplane/manager/references.h"
#include "dataplane/manager/retirer.h"
#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

struct TablesContext {
  World& world;
  PacketPools& pools;
  Retirer retirer;
  References references;
  uint32_t max_mtu_bytes;
  std::function<void(std::span<const std::byte>)> send_event;  // an API event to all clients
  std::vector<int> worker_nodes;                               // NUMA node of each worker's core
};

inline Failure not_found(const char* what, uint32_t id) {
  return {api::Error::kNotFound, "there is no " + std::string(what) + " " + std::to_string(id)};
}

// An IPv4 address as the packet path compares it.
inline uint32_t ipv4_be(const api::Address& address) {
  uint32_t result;
  static_assert(sizeof result <= sizeof address.bytes);
  __builtin_memcpy(&result, address.bytes.data(), sizeof result);
  return result;
}

}  // namespace sallyport::dataplane
