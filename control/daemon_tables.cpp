// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane should hold, put together from configuration, kernel tables and tunnels.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <numeric>

#include "control/addresses.h"
#include "control/daemon.h"
#include "control/ecmp.h"
#include "control/probes.h"
#include "control/routes.h"

namespace sallyport::control {
namespace {

constexpr uint32_t kHoldMs = 3000;  // that a tunnel has to be without fault before it carries again

api::DfPolicy df_policy(Df df) {
  switch (df) {
    case Df::kCopy:
      return api::DfPolicy::kCopy;
    case Df::kSet:
      return api::DfPolicy::kSet;
    case Df::kClear:
      break;
  }
  return api::DfPolicy::kClear;
}

}  // namespace

// A port on another device is another port: the old one has to be closed first.
std::string Daemon::port_key(const std::string& port) const {
  return port + "@" + gateway_.ports.at(port).device;
}

std::optional<uint32_t> Daemon::port_id(const std::string& port) const {
  return gateway_.ports.contains(port) ? ids_.ports.find(port_key(port)) : std::nullopt;
}

void Daemon::rebuild_soon() {
  if (std::exchange(rebuild_pending_, true)) return;
  asio::post(io_, [this] {
    rebuild_pending_ = false;
    rebuild();
  });
}

void Daemon::rebuild() {
  if (!adopted_) return;  // ids that the dataplane already has come first
  try {
    std::set<std::string> used_groups, used_neighbours;
    rebuild_base();
    rebuild_public(used_neighbours);
    rebuild_connections(used_groups);
    for (const auto& [name, network] : gateway_.virtual_networks) {
      rebuild_network(network, used_groups, used_neighbours);
    }
    commit();
    ids_.groups.release_all_but(used_groups);
    ids_.neighbours.release_all_but(used_neighbours);
  } catch (const std::exception& error) {
    spdlog::error("the dataplane's tables could not be put together: {}", error.what());
  }
}

void Daemon::rebuild_base() {
  std::vector<TableObject> objects;
  std::map<std::string, uint32_t> network_of_port;
  for (const auto& [name, network] : gateway_.virtual_networks) {
    api::SetVrf vrf{};
    vrf.vrf_id = ids_.vrfs.id_of(name);
    set_name(vrf.name, name);
    objects.push_back(table_object(vrf));
    for (const auto& [port, addresses] : network.ports)
      network_of_port[port] = vrf.vrf_id;
  }
  std::set<std::string> used;
  for (const auto& [name, port] : gateway_.ports) {
    api::SetPort message{};
    message.port_id = ids_.ports.id_of(port_key(name));
    const auto network = network_of_port.find(name);
    message.vrf_id = network == network_of_port.end() ? 0 : network->second;
    message.mtu_bytes = port.mtu_bytes;
    set_name(message.name, name);
    port.device.copy(message.device.data(), message.device.size() - 1);
    objects.push_back(table_object(message));
    used.insert(port_key(name));
  }
  ids_.ports.release_all_but(used);
  tables_.replace("base", std::move(objects));
}

void Daemon::rebuild_public(std::set<std::string>& used_neighbours) {
  std::vector<TableObject> objects;
  const KernelView& kernel = networks_.public_side().view();
  std::set<std::string> public_ports;
  for (const auto& [name, address] : gateway_.public_addresses)
    public_ports.insert(address.port);
  for (const std::string& port : public_ports) {
    const Mirror* mirror = networks_.port_mirror(port);
    for (const KernelAddress& address : kernel.addresses) {
      if (mirror == nullptr || address.link != mirror->link()) continue;
      api::SetAddress message{};
      message.port_id = ids_.ports.id_of(port_key(port));
      message.address = to_api(address.address.address);
      objects.push_back(table_object(message));
    }
  }
  std::set<std::string> used_tunnels;
  for (const auto& [name, plan] : plans_) {
    const Mirror* mirror = networks_.port_mirror(plan.port);
    const std::string neighbour = neighbour_name(plan.port, plan.next_hop);
    api::SetNeighbour hop{};
    hop.neighbour_id = ids_.neighbours.id_of(neighbour);
    hop.port_id = ids_.ports.id_of(port_key(plan.port));
    hop.address = to_api(plan.next_hop);
    if (mirror != nullptr) {
      networks_.manage_neighbour(plan.port, plan.next_hop);
      const auto known = kernel.neighbours.find({mirror->link(), plan.next_hop});
      if (known != kernel.neighbours.end()) hop.mac = known->second.mac;
    }
    if (used_neighbours.insert(neighbour).second) objects.push_back(table_object(hop));

    for (size_t child = 0; child < plan.children.size(); ++child) {
      const api::SetTunnel tunnel = tunnel_message(plan, child, hop.neighbour_id);
      objects.push_back(table_object(tunnel));
      used_tunnels.insert(name_of(tunnel.name));
    }
  }
  ids_.tunnels.release_all_but(used_tunnels);
  std::erase_if(unhealthy_, [&](const auto& entry) { return ids_.tunnels.name_of(entry.first).empty(); });
  std::erase_if(path_mtu_, [&](const auto& entry) { return !used_tunnels.contains(entry.first); });
  tables_.replace("public", std::move(objects));
}

api::SetTunnel Daemon::tunnel_message(const TunnelPlan& plan, size_t child, uint32_t neighbour_id) {
  const Connection& connection = gateway_.connections.at(plan.connection);
  const auto id_of = [&](size_t index) {
    return ids_.tunnels.id_of(bounded_name(plan.children[index].name));
  };
  api::SetTunnel tunnel{};
  tunnel.tunnel_id = id_of(child);
  tunnel.vrf_id = ids_.vrfs.id_of(plan.virtual_network);
  tunnel.neighbour_id = neighbour_id;
  tunnel.path_tunnel_id = tunnel.tunnel_id;
  tunnel.df = df_policy(connection.esp.df);
  tunnel.dscp_policy = connection.esp.dscp ? api::DscpPolicy::kSet : api::DscpPolicy::kCopy;
  tunnel.dscp = connection.esp.dscp.value_or(0);
  tunnel.mss_clamp = connection.esp.mss_clamp ? 1 : 0;
  set_name(tunnel.name, bounded_name(plan.children[child].name));
  // The CHILD_SAs of an IKE connection live and die together: one of them is watched.
  const auto probe = probe_of(gateway_, plan);
  const size_t watched = probe ? probe->child : 0;
  tunnel.path_tunnel_id = id_of(watched);
  tunnel.hold_ms = kHoldMs;
  if (child != watched) return tunnel;
  const auto liveness = tunnels_.find(plan.name);
  tunnel.suspect = liveness != tunnels_.end() && liveness->second.suspect() ? 1 : 0;
  if (probe) tunnel.probe = probe->probe;
  return tunnel;
}

void Daemon::add_members(api::SetGroup& group, const TunnelPlan& plan, const std::vector<size_t>& children) {
  const auto tunnel = tunnels_.find(plan.name);
  if (tunnel == tunnels_.end()) return;
  const Connection& connection = gateway_.connections.at(plan.connection);
  for (const size_t child : children) {
    if (group.member_count == api::kMaxGroupMembers) return;
    const std::string& name = plan.children.at(child).name;
    const bool can_send = feed_.ledger().can_send(name, tunnel->second.state() == TunnelState::kUp);
    group.members[group.member_count++] = group_member(
        connection, plan, ids_.tunnels.id_of(bounded_name(name)), can_send, static_cast<uint16_t>(child));
  }
}

api::SetGroup Daemon::group_of(const Connection& connection, const ChildGroup& children) {
  api::SetGroup group{};
  group.group_id = ids_.groups.id_of(children.name);
  group.vrf_id = ids_.vrfs.id_of(connection.virtual_network);
  group.preempt = connection.preempt ? 1 : 0;
  // One tunnel's CHILD_SAs differ by their selectors, several tunnels by nothing.
  if (children.children.size() > 1) group.choice = api::MemberChoice::kByPolicy;
  set_name(group.name, children.name);
  const std::vector<TunnelPlan> plans = tunnels_of(gateway_, connection);
  // Policies in the order of the file, and of each all the tunnels.
  for (const size_t child : children.children) {
    for (const TunnelPlan& plan : plans)
      add_members(group, plan, {child});
  }
  return group;
}

api::SetGroup Daemon::group_of(const TunnelPlan& plan) {
  const std::string name = bounded_name("tunnel/" + plan.name);
  api::SetGroup group{};
  group.group_id = ids_.groups.id_of(name);
  group.vrf_id = ids_.vrfs.id_of(plan.virtual_network);
  if (plan.children.size() > 1) group.choice = api::MemberChoice::kByPolicy;
  set_name(group.name, name);
  std::vector<size_t> children(plan.children.size());
  std::iota(children.begin(), children.end(), size_t{0});
  add_members(group, plan, children);
  return group;
}

void Daemon::rebuild_connections(std::set<std::string>& used_groups) {
  std::vector<TableObject> objects;
  const auto add = [&](const api::SetGroup& group) {
    auto& members = members_[group.group_id];
    members.clear();
    for (uint32_t i = 0; i < group.member_count; ++i)
      members.push_back(group.members[i].id);
    objects.push_back(table_object(group));
    used_groups.insert(name_of(group.name));
  };
  for (const auto& [name, connection] : gateway_.connections) {
    for (const ChildGroup& children : child_groups(gateway_, connection))
      add(group_of(connection, children));
  }
  for (const auto& [name, plan] : plans_) {
    if (plan.own.inside_remote) add(group_of(plan));
  }
  std::set<uint32_t> ids;
  for (const TableObject& object : objects)
    ids.insert(message_cast<api::SetGroup>(object.message).group_id);
  const auto is_gone = [&](const auto& entry) { return !ids.contains(entry.first); };
  std::erase_if(members_, is_gone);
  std::erase_if(carrying_, is_gone);
  tables_.replace("connections", std::move(objects));
}

void Daemon::rebuild_network(const VirtualNetwork& network, std::set<std::string>& used_groups,
                             std::set<std::string>& used_neighbours) {
  NetlinkFollower* follower = networks_.virtual_network(network.name);
  if (follower == nullptr) return;
  VrfPlan plan;
  plan.vrf_id = ids_.vrfs.id_of(network.name);
  for (const auto& [port, addresses] : network.ports)
    plan.lan_ports[port] = ids_.ports.id_of(port_key(port));
  std::map<IpPrefix, IpAddress> tunnel_routes;
  for (const auto& [name, connection] : gateway_.connections) {
    if (connection.virtual_network != network.name) continue;
    for (const ChildGroup& children : child_groups(gateway_, connection)) {
      const api::SetGroup group = group_of(connection, children);
      for (const IpVersion version : {IpVersion::kV4, IpVersion::kV6})
        plan.tunnel_next_hops[inside_next_hop(version, group.group_id)] = children.name;
      plan.tunnel_groups[children.name] = group;
      for (const IpPrefix& prefix : children.prefixes)
        tunnel_routes.emplace(prefix, inside_next_hop(prefix.address.version, group.group_id));
    }
  }
  for (const auto& [name, tunnel] : plans_) {
    if (tunnel.virtual_network != network.name || !tunnel.own.inside_remote) continue;
    const IpAddress& inside = *tunnel.own.inside_remote;
    const api::SetGroup group = group_of(tunnel);
    const IpAddress next_hop = inside_next_hop(inside.version, group.group_id);
    plan.tunnel_next_hops[next_hop] = name_of(group.name);
    plan.tunnel_groups[name_of(group.name)] = group;
    tunnel_routes.emplace(IpPrefix{inside, inside.max_prefix_length()}, next_hop);
  }
  // Told back by netlink, which brings us here again.
  networks_.sync_tunnel_routes(network.name, tunnel_routes);
  VrfTables compiled = compile_vrf(plan, follower->view(), ids_);
  used_groups.merge(compiled.used_groups);
  used_neighbours.merge(compiled.used_neighbours);
  networks_.tend_neighbours(network.name, compiled.wanted_neighbours);
  tables_.replace("network " + network.name, std::move(compiled.objects));
}

}  // namespace sallyport::control
