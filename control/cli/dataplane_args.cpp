// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/dataplane_args.h"

#include <algorithm>

namespace sallyport::cli {

namespace {

constexpr uint64_t kMegabyte = 1u << 20;

// Packet buffers get a quarter of the dataplane's memory; they have to fill every queue of every port. The
// rest is for a pair of SAs and a tunnel in each slot, and for the virtual networks' route tables.
uint32_t memory_mb_for(const control::GatewaySettings& settings, size_t ports, size_t virtual_networks,
                       uint16_t max_mtu_bytes) {
  constexpr uint64_t kSlotBytes = 3584, kBuffersPerQueuePair = 2048, kBufferOverheadBytes = 512, kShare = 4;
  constexpr uint64_t kRouteTableBytes = 72 * kMegabyte, kLeastMb = 256;
  const uint64_t buffers = (ports + 1) * settings.workers.size() * kBuffersPerQueuePair;
  const uint64_t buffer_bytes = buffers * (std::max<uint64_t>(max_mtu_bytes, 2048) + kBufferOverheadBytes);
  const uint64_t table_bytes = settings.sa_capacity * kSlotBytes + virtual_networks * kRouteTableBytes;
  const uint64_t bytes = kShare * buffer_bytes + table_bytes * kShare / (kShare - 1);
  return static_cast<uint32_t>(std::max(kLeastMb, bytes / kMegabyte));
}

}  // namespace

std::string dataplane_args(const control::Gateway& gateway) {
  const auto& settings = gateway.settings;
  uint16_t max_mtu_bytes = 1500;
  for (const auto& [name, port] : gateway.ports)
    max_mtu_bytes = std::max(max_mtu_bytes, port.mtu_bytes);
  std::string workers;
  for (const uint32_t core : settings.workers)
    workers += (workers.empty() ? "" : ",") + std::to_string(core);
  const uint32_t memory_mb =
      settings.memory_mb != 0
          ? settings.memory_mb
          : memory_mb_for(settings, gateway.ports.size(), gateway.virtual_networks.size(), max_mtu_bytes);
  return "--workers " + workers + " --idle " + (settings.idle == control::Idle::kPoll ? "poll" : "sleep") +
         (settings.hugepages ? " --huge" : " --no-huge") + " --memory " + std::to_string(memory_mb) +
         " --slots " + std::to_string(settings.sa_capacity) + " --max-mtu " + std::to_string(max_mtu_bytes);
}

}  // namespace sallyport::cli
