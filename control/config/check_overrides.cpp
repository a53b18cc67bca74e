// SPDX-License-Identifier: BSD-3-Clause
// Checks of what single tunnels have of their own, and of probes: whether there is such a tunnel, whether its
// addresses inside collide with others, and whether a probe can be asked for and answered.
#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "control/config/children.h"
#include "control/config/sections.h"
#include "control/config/suggest.h"

namespace sallyport::control {

namespace {

// The public addresses of the connection's tunnels, by <public address>-<peer number>.
std::map<std::string, std::string> tunnel_keys(const Gateway& gateway, const Connection& connection,
                                               const Site& site) {
  std::map<std::string, std::string> keys;
  for (const std::string& name : connection.public_addresses) {
    const auto address = gateway.public_addresses.find(name);
    if (address == gateway.public_addresses.end()) continue;
    const IpVersion version = address->second.address.address.version;
    for (size_t peer = 0; peer < site.peers.size(); ++peer) {
      if (site.peers[peer].version == version) keys[tunnel_key(name, peer)] = name;
    }
  }
  return keys;
}

struct Inside {
  IpPrefix prefix;
  std::string path;
};

// What the gateway has for itself in every virtual network: the ends of its own probes, and the next hops of
// the routes that lead into tunnels.
const IpPrefix* taken_by_gateway(const IpPrefix& prefix) {
  static const std::array kTaken = {*parse_prefix("169.254.127.0/30"), *parse_prefix("169.254.128.0/17")};
  const auto found = std::find_if(kTaken.begin(), kTaken.end(),
                                  [&](const IpPrefix& taken) { return taken.overlaps(prefix); });
  return found == kTaken.end() ? nullptr : &*found;
}

// Why an address can't be an end of a tunnel.
std::optional<std::string> bad_inside(const InterfaceAddress& address) {
  if (auto reason = bad_on_link(address)) return reason;
  if (address.address.is_link_local()) return "a link-local address";
  return std::nullopt;
}

bool check_ends(Reader& reader, const std::string& path, const TunnelOverride& own) {
  const InterfaceAddress& local = *own.inside_local;
  const InterfaceAddress remote{*own.inside_remote, local.prefix_length};
  for (const auto& [key, address] : {std::pair{".local", local}, {".remote", remote}}) {
    const auto reason = bad_inside(address);
    if (!reason) continue;
    reader.error_at(path + key, address.to_string() + " is " + *reason,
                    "for example inside: {local: 169.254.21.2/30, remote: 169.254.21.1}");
    return false;
  }
  const IpPrefix* const taken = taken_by_gateway(local.prefix());
  if (taken == nullptr) return true;
  reader.error_at(
      path,
      local.prefix().to_string() + " overlaps " + taken->to_string() + ", which the gateway has for itself",
      "take another prefix, for example one of 169.254.0.0/18");
  return false;
}

// False: it said why not. A wider prefix of a site is fine: the inside addresses are the longer match.
bool check_inside_prefix(Reader& reader, const Gateway& gateway, const VirtualNetwork& network,
                         const std::string& path, const IpPrefix& prefix) {
  const std::string clash = prefix.to_string() + " overlaps ";
  const char* const hint = "inside addresses are a link of their own: take another prefix";
  for (const auto& [port, addresses] : network.ports) {
    for (const InterfaceAddress& address : addresses) {
      if (!address.prefix().overlaps(prefix)) continue;
      reader.error_at(path, clash + address.prefix().to_string() + " of port '" + port + "'", hint);
      return false;
    }
  }
  for (const auto& [name, connection] : gateway.connections) {
    const auto site = gateway.sites.find(connection.site);
    if (connection.virtual_network != network.name || site == gateway.sites.end()) continue;
    for (const IpPrefix& remote : site->second.prefixes) {
      if (remote.length < prefix.length || !remote.overlaps(prefix)) continue;
      reader.error_at(path, clash + remote.to_string() + " of site '" + site->first + "'", hint);
      return false;
    }
  }
  return true;
}

// Whether the connection's selectors let ICMP through between the two.
bool is_selected(const Connection& connection, const IpAddress& local, const IpAddress& remote) {
  if (connection.route_based()) return true;
  return std::any_of(connection.selectors.begin(), connection.selectors.end(), [&](const Selector& one) {
    return one.protocol == 0 && one.local.contains(local) && one.remote.contains(remote);
  });
}

void check_inside(Reader& reader, const Gateway& gateway, const Connection& connection,
                  const VirtualNetwork& network, const std::string& path, const TunnelOverride& own,
                  std::vector<Inside>& others) {
  if (!check_ends(reader, path, own)) return;
  const IpPrefix prefix = own.inside_local->prefix();
  if (!check_inside_prefix(reader, gateway, network, path, prefix)) return;
  const auto other = std::find_if(others.begin(), others.end(),
                                  [&](const Inside& one) { return one.prefix.overlaps(prefix); });
  if (other != others.end()) {
    reader.error_at(path, prefix.to_string() + " overlaps the inside addresses of " + other->path,
                    "each tunnel has a prefix of its own");
    return;
  }
  others.push_back({prefix, path});
  if (is_selected(connection, own.inside_local->address, *own.inside_remote)) return;
  reader.error_at(path, "no selector lets packets through between the inside addresses",
                  "add {local: " + prefix.to_string() + ", remote: " + prefix.to_string() +
                      "} to the selectors, at both ends");
}

// Where a probe of the tunnel may come from.
std::vector<IpAddress> sources(const VirtualNetwork& network, const TunnelOverride& own, IpVersion version) {
  std::vector<IpAddress> addresses;
  const auto add = [&](const InterfaceAddress& one) {
    if (one.address.version == version) addresses.push_back(one.address);
  };
  if (own.inside_local) add(*own.inside_local);
  for (const auto& [port, of_port] : network.ports)
    std::for_each(of_port.begin(), of_port.end(), add);
  return addresses;
}

// False: it said why not.
bool check_target(Reader& reader, const VirtualNetwork& network, const Connection& connection,
                  const std::string& path, const IpAddress& target, const TunnelOverride& own) {
  const bool leads_there =
      connection.route_based() ||
      std::any_of(connection.selectors.begin(), connection.selectors.end(),
                  [&](const Selector& one) { return one.remote.contains(target) && one.protocol == 0; });
  if (!leads_there) {
    reader.error_at(path, target.to_string() + " is in no remote selector that lets ICMP through",
                    "ask an address that the tunnel leads to, within a selector without protocol");
    return false;
  }
  const std::vector<IpAddress> own_addresses = sources(network, own, target.version);
  const std::string network_has = "virtual network '" + network.name + "' has no address ";
  if (own_addresses.empty()) {
    reader.error_at(path, network_has + "of the family of " + target.to_string() + " to ask from",
                    "give one of its ports an address, or the tunnel inside addresses");
    return false;
  }
  const bool is_possible = std::any_of(own_addresses.begin(), own_addresses.end(), [&](const IpAddress& one) {
    return is_selected(connection, one, target);
  });
  if (!is_possible) {
    reader.error_at(
        path,
        network_has + "to ask " + target.to_string() + " from: none is in a local selector that leads there",
        "let the selectors take in an address of one of its ports");
  }
  return is_possible;
}

// Of the whole connection: each tunnel asks the address of its public address, unless it has one of its own.
void check_probe(Reader& reader, const VirtualNetwork& network, const Connection& connection,
                 const std::map<std::string, std::string>& keys) {
  const std::string path = "connections." + connection.name + ".probe";
  std::set<std::string> wrong;
  for (const auto& [key, address] : keys) {
    const auto own = connection.tunnels.find(key);
    const TunnelOverride& its = own == connection.tunnels.end() ? TunnelOverride{} : own->second;
    if (its.probe) continue;
    const auto target = connection.probe->targets.find(address);
    if (target != connection.probe->targets.end()) {
      if (wrong.contains(address)) continue;
      if (!check_target(reader, network, connection, path + "." + address, target->second, its))
        wrong.insert(address);
    } else if (!connection.route_based() && connection.probe->targets.empty()) {
      return reader.error_at(
          path,
          "with exact selectors a probe needs an inside address to ask, and tunnel '" + key + "' has none",
          "name one for each public address, for example probe: {interval: 100ms, " +
              connection.public_addresses.front() + ": 10.20.0.1}");
    }
  }
}

void check_overrides(Reader& reader, const Gateway& gateway, const Connection& connection,
                     const VirtualNetwork& network, std::vector<Inside>& insides) {
  const auto site = gateway.sites.find(connection.site);
  if (site == gateway.sites.end()) return;
  const auto keys = tunnel_keys(gateway, connection, site->second);
  std::set<std::string> names;
  for (const auto& [name, address] : keys)
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
    if (own.inside_local && own.inside_remote)
      check_inside(reader, gateway, connection, network, path + ".inside", own, insides);
    if (own.probe && !connection.probe) {
      reader.error_at(path + ".probe", "the connection has no probe", "add probe: {interval: 100ms}");
    } else if (own.probe) {
      (void)check_target(reader, network, connection, path + ".probe", *own.probe, own);
    }
  }
  if (connection.probe) check_probe(reader, network, connection, keys);
}

}  // namespace

std::string tunnel_key(const std::string& public_address, size_t peer) {
  return public_address + "-" + std::to_string(peer + 1);
}

void check_overrides(Reader& reader, const Gateway& gateway) {
  std::map<std::string, std::vector<Inside>> insides;  // by virtual network
  for (const auto& [name, connection] : gateway.connections) {
    const auto network = gateway.virtual_networks.find(connection.virtual_network);
    if (network == gateway.virtual_networks.end()) continue;
    check_overrides(reader, gateway, connection, network->second, insides[network->first]);
  }
}

}  // namespace sallyport::control
