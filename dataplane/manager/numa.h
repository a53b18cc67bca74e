// SPDX-License-Identifier: BSD-3-Clause
// Which NUMA nodes workers and ports belong to. Any thread, after the EAL's start.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace sallyport::dataplane {

// Of each worker's core, by the worker's index.
std::vector<int> worker_nodes(unsigned workers);

// What an operator should know of a port on `port_node` (negative: on none) whose workers are elsewhere;
// empty: nothing.
std::string numa_warning(int port_node, std::span<const int> worker_nodes);

}  // namespace sallyport::dataplane
