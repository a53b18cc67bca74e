// SPDX-License-Identifier: BSD-3-Clause
// How large the tables of a gateway are made: its --slots say how many CHILD_SAs it is meant for, and what
// those need follows. What a small gateway has is enough for any small one. Pure functions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/fib/fib.h"
#include "dataplane/path/tables.h"

namespace sallyport::dataplane {

inline constexpr uint32_t kLeastObjects = 65536;  // 512 KiB of pointers for each kind of object

// A tunnel for each slot; a next-hop group for each tunnel and as many beside them as a small gateway has.
inline WorldConfig world_config_for(uint32_t workers, uint32_t slots) {
  const uint32_t tunnels = std::max(slots, kLeastObjects);
  return {.workers = workers,
          .slots = slots,
          .neighbours = kLeastObjects,
          .groups = std::min(tunnels + kLeastObjects, kMaxGroupId),
          .tunnels = tunnels};
}

// A virtual network may have all of the gateway's routes: two for each slot. A /24 with longer routes in it
// takes a tbl8; more than these, and the network's table is full before its routes are.
inline FibConfig fib_config_for(uint32_t vrf_id, uint32_t slots, rte_rcu_qsbr* qsbr) {
  FibConfig config{.vrf_id = vrf_id, .qsbr = qsbr};
  config.max_routes = std::max(config.max_routes, 2 * slots);
  config.tbl8s = std::max(config.tbl8s, slots / 16);
  config.ipv6_nodes = std::max(config.ipv6_nodes, slots);
  return config;
}

}  // namespace sallyport::dataplane
