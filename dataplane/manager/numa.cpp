// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/numa.h"

#include <rte_lcore.h>
#include <spdlog/fmt/fmt.h>

#include "dataplane/manager/eal.h"

namespace sallyport::dataplane {

std::vector<int> worker_nodes(unsigned workers) {
  std::vector<int> nodes;
  for (unsigned worker = 0; worker < workers; ++worker)
    nodes.push_back(static_cast<int>(rte_lcore_to_socket_id(lcore_of_worker(worker))));
  return nodes;
}

std::string numa_warning(int port_node, std::span<const int> worker_nodes) {
  if (port_node < 0) return {};
  std::string elsewhere;
  for (size_t worker = 0; worker < worker_nodes.size(); ++worker)
    if (worker_nodes[worker] != port_node)
      elsewhere +=
          fmt::format("{}worker {} on {}", elsewhere.empty() ? "" : ", ", worker, worker_nodes[worker]);
  if (elsewhere.empty()) return {};
  return fmt::format("the device is on NUMA node {}, but {}: their packets cross nodes", port_node,
                     elsewhere);
}

}  // namespace sallyport::dataplane
