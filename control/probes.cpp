// SPDX-License-Identifier: BSD-3-Clause
#include "control/probes.h"

#include <algorithm>

#include "control/addresses.h"

namespace sallyport::control {
namespace {

std::optional<IpAddress> target_of(const Connection& connection, const TunnelPlan& tunnel) {
  if (tunnel.own.probe) return tunnel.own.probe;
  const auto target = connection.probe->targets.find(tunnel.public_address);
  return target == connection.probe->targets.end() ? std::nullopt : std::optional(target->second);
}

// Whether others of the connection's tunnels ask the same address.
bool is_shared(const Gateway& gateway, const Connection& connection, const TunnelPlan& tunnel,
               const IpAddress& target) {
  const std::vector<TunnelPlan> tunnels = tunnels_of(gateway, connection);
  return std::any_of(tunnels.begin(), tunnels.end(), [&](const TunnelPlan& other) {
    return other.name != tunnel.name && target_of(connection, other) == target;
  });
}

bool covers(const std::vector<TrafficSelector>& selectors, const IpAddress& address) {
  return std::any_of(selectors.begin(), selectors.end(), [&](const TrafficSelector& one) {
    return one.prefix.contains(address) && one.protocol == 0;
  });
}

// Ours inside the tunnel, or else an address of the virtual network that the CHILD_SA may send from.
std::optional<IpAddress> source_of(const Gateway& gateway, const TunnelPlan& tunnel, const ChildPlan& child,
                                   const IpAddress& target) {
  std::vector<IpAddress> own;
  if (tunnel.own.inside_local) own.push_back(tunnel.own.inside_local->address);
  for (const auto& [port, addresses] : gateway.virtual_networks.at(tunnel.virtual_network).ports) {
    for (const InterfaceAddress& address : addresses)
      own.push_back(address.address);
  }
  const auto found = std::find_if(own.begin(), own.end(), [&](const IpAddress& one) {
    return one.version == target.version && covers(child.local, one);
  });
  return found == own.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::optional<TunnelProbe> probe_of(const Gateway& gateway, const TunnelPlan& tunnel) {
  const Connection& connection = gateway.connections.at(tunnel.connection);
  if (!connection.probe) return std::nullopt;
  TunnelProbe result;
  api::Probe& probe = result.probe;
  probe.kind = api::ProbeKind::kGateway;
  probe.misses = static_cast<uint16_t>(connection.probe->misses);
  probe.interval_ms = static_cast<uint32_t>(connection.probe->interval.count());
  const auto target = target_of(connection, tunnel);
  if (!target) return result;
  for (size_t i = 0; i < tunnel.children.size(); ++i) {
    const ChildPlan& child = tunnel.children[i];
    const auto source = source_of(gateway, tunnel, child, *target);
    if (!source || !covers(child.remote, *target)) continue;
    result.child = i;
    probe.kind = api::ProbeKind::kEcho;
    probe.shared_target = is_shared(gateway, connection, tunnel, *target) ? 1 : 0;
    probe.source = to_api(*source);
    probe.target = to_api(*target);
    return result;
  }
  return std::nullopt;
}

}  // namespace sallyport::control
