// SPDX-License-Identifier: BSD-3-Clause
// Checks of what single tunnels have of their own, and of probes: whether there is such a tunnel, whether its
// addresses inside collide with others, and whether a probe can be asked for and answered.
#include <algorithm>
#include <set>

#include "control/config/children.h"
#include "control/config/sections.h"
#include "control/config/suggest.h"

namespace sallyport::control {

namespace {

// Of the connection's tunnels, by <public address>-<peer number>: whether its addresses are of one family.
std::map<std::string, IpVersion> tunnel_keys(const Gateway& gateway, const Connection& connection,
                                             const Site& site) {
  std::map<std::string, IpVersion> keys;
  for (const std::string& name : connection.public_addresses) {
    const auto address = gateway.public_addresses.find(name);
    if (address == gateway.public_addresses.end()) continue;
    const IpVersion version = address->second.address.address.version;
    for (size_t peer = 0; peer < site.peers.size(); ++peer) {
      if (site.peers[peer].version == version) keys[tunnel_key(name, peer)] = version;
    }
  }
  return keys;
}

struct Inside {
  IpPrefix prefix;
  std::string path;
};

void check_inside(Reader& reader, const VirtualNetwork& network, const std::string& path,
                  const InterfaceAddress& local, std::vector<Inside>& others) {
  const IpPrefix prefix = local.prefix();
  for (const auto& [port, addresses] : network.ports) {
    for (const InterfaceAddress& address : addresses) {
      if (!address.prefix().overlaps(prefix)) continue;
      reader.error_at(
          path, prefix.to_string() + " overlaps " + address.prefix().to_string() + " of port '" + port + "'",
          "inside addresses are a link of their own: take another prefix");
      return;
    }
  }
  for (const Inside& other : others) {
    if (!other.prefix.overlaps(prefix)) continue;
    reader.error_at(path, prefix.to_string() + " overlaps the inside addresses of " + other.path,
                    "each tunnel has a prefix of its own");
    return;
  }
  others.push_back({prefix, path});
}

bool has_address(const VirtualNetwork& network, IpVersion version) {
  return std::any_of(network.ports.begin(), network.ports.end(), [&](const auto& port) {
    return std::any_of(port.second.begin(), port.second.end(),
                       [&](const InterfaceAddress& one) { return one.address.version == version; });
  });
}

void check_target(Reader& reader, const VirtualNetwork* network, const Connection& connection,
                  const std::string& path, const IpAddress& target, const TunnelOverride* own) {
  const bool is_selected =
      connection.route_based() ||
      std::any_of(connection.selectors.begin(), connection.selectors.end(),
                  [&](const Selector& one) { return one.remote.contains(target) && one.protocol == 0; });
  if (!is_selected) {
    reader.error_at(path, target.to_string() + " is in no remote selector that lets ICMP through",
                    "ask an address that the tunnel leads to, within a selector without protocol");
  }
  const bool has_inside =
      own != nullptr && own->inside_local && own->inside_local->address.version == target.version;
  if (network == nullptr || has_inside || has_address(*network, target.version)) return;
  reader.error_at(path,
                  "virtual network '" + network->name + "' has no address of the family of " +
                      target.to_string() + " to ask from",
                  "give one of its ports an address, or the tunnel inside addresses");
}

void check_overrides(Reader& reader, const Gateway& gateway, const Connection& connection,
                     const VirtualNetwork* network, std::vector<Inside>& insides) {
  const auto site = gateway.sites.find(connection.site);
  if (site == gateway.sites.end()) return;
  const auto keys = tunnel_keys(gateway, connection, site->second);
  std::set<std::string> names;
  for (const auto& [name, version] : keys)
    names.insert(name);
  const std::string base = "connections." + connection.name + ".tunnels";
  for (const auto& [name, own] : connection.tunnels) {
    const std::string path = base + "." + name;
    if (!keys.empty() && !keys.contains(name))
      reader.error_at(path, "the connection has no tunnel '" + name + "'", suggest(name, names));
    if (!own.psk_file.empty() && !connection.auth.is_psk()) {
      reader.error_at(path + ".psk_file", "the connection authenticates with certificates",
                      "leave psk_file out, or make the tunnel a connection of its own");
    }
    if (own.weight && connection.mode == Mode::kActiveStandby) {
      reader.error_at(path + ".weight", "weights share the traffic of an active-active connection",
                      "leave it out; the order of public_addresses says which tunnel is preferred");
    }
    if (own.inside_local && network != nullptr)
      check_inside(reader, *network, path + ".inside", *own.inside_local, insides);
    if (own.probe && !connection.probe) {
      reader.error_at(path + ".probe", "the connection has no probe", "add probe: {interval: 100ms}");
    } else if (own.probe) {
      check_target(reader, network, connection, path + ".probe", *own.probe, &own);
    }
  }
  if (!connection.probe) return;
  const std::string probe = "connections." + connection.name + ".probe";
  for (const auto& [address, target] : connection.probe->targets)
    check_target(reader, network, connection, probe + "." + address, target, nullptr);
  if (connection.route_based() || !connection.probe->targets.empty()) return;
  for (const auto& [name, version] : keys) {
    const auto own = connection.tunnels.find(name);
    if (own != connection.tunnels.end() && own->second.probe) continue;
    reader.error_at(
        probe,
        "with exact selectors a probe needs an inside address to ask, and tunnel '" + name + "' has none",
        "name one for each public address, for example probe: {interval: 100ms, " +
            connection.public_addresses.front() + ": 10.20.0.1}");
    return;
  }
}

}  // namespace

std::string tunnel_key(const std::string& public_address, size_t peer) {
  return public_address + "-" + std::to_string(peer + 1);
}

void check_overrides(Reader& reader, const Gateway& gateway) {
  std::map<std::string, std::vector<Inside>> insides;  // by virtual network
  for (const auto& [name, connection] : gateway.connections) {
    const auto network = gateway.virtual_networks.find(connection.virtual_network);
    check_overrides(reader, gateway, connection,
                    network == gateway.virtual_networks.end() ? nullptr : &network->second,
                    insides[connection.virtual_network]);
  }
}

}  // namespace sallyport::control
