// SPDX-License-Identifier: BSD-3-Clause
#include "control/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace sallyport::control {

std::vector<TunnelPlan> tunnels_of(const Gateway& gateway, const Connection& connection) {
  std::vector<TunnelPlan> tunnels;
  const Site& site = gateway.sites.at(connection.site);
  for (const std::string& public_name : connection.public_addresses) {
    const PublicAddress& local = gateway.public_addresses.at(public_name);
    for (size_t peer = 0; peer < site.peers.size(); ++peer) {
      if (site.peers[peer].version != local.address.address.version) continue;
      TunnelPlan tunnel;
      const std::string key = tunnel_key(public_name, peer);
      tunnel.name = connection.name + "-" + key;
      tunnel.connection = connection.name;
      tunnel.virtual_network = connection.virtual_network;
      tunnel.public_address = public_name;
      tunnel.local = local.address.address;
      tunnel.remote = site.peers[peer];
      tunnel.next_hop = local.address.prefix().contains(tunnel.remote) ? tunnel.remote : local.next_hop;
      tunnel.port = local.port;
      tunnel.preference = static_cast<uint32_t>(tunnels.size());
      const auto own = connection.tunnels.find(key);
      if (own != connection.tunnels.end()) tunnel.own = own->second;
      const auto weight = connection.weights.find(public_name);
      tunnel.weight = tunnel.own.weight.value_or(weight == connection.weights.end() ? 1 : weight->second);
      tunnel.children = children_of(connection, site, tunnel.name);
      tunnels.push_back(std::move(tunnel));
    }
  }
  return tunnels;
}

std::map<std::string, TunnelPlan> all_tunnels(const Gateway& gateway) {
  std::map<std::string, TunnelPlan> all;
  for (const auto& [name, connection] : gateway.connections) {
    for (TunnelPlan& tunnel : tunnels_of(gateway, connection))
      all.emplace(tunnel.name, std::move(tunnel));
  }
  return all;
}

std::vector<IpPrefix> remote_prefixes(const Gateway& gateway, const Connection& connection) {
  std::vector<IpPrefix> prefixes = gateway.sites.at(connection.site).prefixes;
  for (const Selector& selector : connection.selectors)
    prefixes.push_back(selector.remote);
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

std::string bounded_name(const std::string& name) {
  constexpr size_t kMaxBytes = std::tuple_size_v<api::Name> - 1;
  if (name.size() <= kMaxBytes) return name;
  uint64_t hash = 14695981039346656037u;  // FNV-1a: the same on every start
  for (const char c : name)
    hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  return fmt::format("{}#{:016x}", name.substr(0, kMaxBytes - 17), hash);
}

std::vector<ChildGroup> child_groups(const Gateway& gateway, const Connection& connection) {
  const auto children = children_of(connection, gateway.sites.at(connection.site), "");
  std::map<std::vector<size_t>, std::vector<IpPrefix>> prefixes;
  for (const IpPrefix& prefix : remote_prefixes(gateway, connection))
    prefixes[children_towards(children, prefix)].push_back(prefix);
  std::vector<ChildGroup> groups;
  for (auto& [members, reached] : prefixes) {
    std::string name = "connection/" + connection.name;
    if (members.size() < children.size()) {
      for (const size_t child : members)
        name += fmt::format("{}{}", child == members.front() ? '.' : ',', child + 1);
    }
    groups.push_back({bounded_name(name), members, std::move(reached)});
  }
  return groups;
}

std::string neighbour_name(const std::string& port, const IpAddress& address) {
  return fmt::format("{}/{}", port, address.to_string());
}

IpAddress inside_next_hop(IpVersion version, uint32_t group_id) {
  IpAddress address;
  address.version = version;
  address.bytes = {169, 254};
  if (!address.is_v4()) address.bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 169, 254};
  uint8_t* const id = &address.bytes[address.is_v4() ? 2 : 14];
  id[0] = static_cast<uint8_t>(128 + (group_id >> 8));
  id[1] = static_cast<uint8_t>(group_id & 0xff);
  return address;
}

}  // namespace sallyport::control
