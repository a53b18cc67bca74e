// SPDX-License-Identifier: BSD-3-Clause
// What the kernel of one network namespace holds, as last told by netlink. A value.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "control/rtnetlink.h"

namespace sallyport::control {

struct KernelView {
  using RouteKey = std::tuple<uint32_t, IpPrefix, uint32_t>;  // table, prefix, metric
  using NeighbourKey = std::pair<uint32_t, IpAddress>;        // link, address

  std::map<uint32_t, KernelLink> links;
  std::set<KernelAddress> addresses;
  std::map<RouteKey, KernelRoute> routes;
  std::map<NeighbourKey, KernelNeighbour> neighbours;

  [[nodiscard]] const KernelLink* link(const std::string& name) const {
    for (const auto& [index, link] : links) {
      if (link.name == name) return &link;
    }
    return nullptr;
  }
};

}  // namespace sallyport::control
