// SPDX-License-Identifier: BSD-3-Clause
// A virtual network's kernel tables -> the dataplane's addresses, neighbours, groups and routes. The kernel
// is the only source of routes, whoever put them there. Pure but for the ids it hands out; main thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "control/dataplane_tables.h"
#include "control/kernel_view.h"
#include "control/model.h"

namespace sallyport::control {

struct VrfPlan {
  uint32_t vrf_id = 0;
  std::map<std::string, uint32_t> lan_ports;           // name -> id
  std::map<IpAddress, std::string> tunnel_next_hops;   // inside next hop -> name of the connection's group
  std::map<std::string, api::SetGroup> tunnel_groups;  // by name, as they are now
};

struct VrfTables {
  std::vector<TableObject> objects;
  // Next hops of routes that the kernel has to resolve, by link.
  std::set<KernelView::NeighbourKey> wanted_neighbours;
  std::set<std::string> used_groups, used_neighbours;  // names that have ids
};

// Routes of table main; of several for a prefix the one with the smallest metric.
[[nodiscard]] VrfTables compile_vrf(const VrfPlan& plan, const KernelView& kernel, Ids& ids);

}  // namespace sallyport::control
