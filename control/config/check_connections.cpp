// SPDX-License-Identifier: BSD-3-Clause
// Checks of connections against the sections they refer to: identities, selectors, families, and whether IKE
// can tell their tunnels apart. What could not be read has its own mistake reported and is passed over.
#include <algorithm>
#include <map>
#include <tuple>

#include "control/config/children.h"
#include "control/config/identities.h"
#include "control/config/sections.h"

namespace sallyport::control {

namespace {

constexpr size_t kMostTunnels = 64;  // of a connection: members of its next-hop group

void check_selectors(Reader& reader, const Connection& connection, const Site& site) {
  for (size_t i = 0; i < connection.selectors.size(); ++i) {
    const Selector& selector = connection.selectors[i];
    const bool routed = std::any_of(site.prefixes.begin(), site.prefixes.end(),
                                    [&](const IpPrefix& prefix) { return prefix.overlaps(selector.remote); });
    const bool is_inside =
        std::any_of(connection.tunnels.begin(), connection.tunnels.end(), [&](const auto& entry) {
          return entry.second.inside_remote && selector.remote.contains(*entry.second.inside_remote);
        });
    if (routed || is_inside || site.prefixes.empty()) continue;
    reader.error_at(
        "connections." + connection.name + ".selectors[" + std::to_string(i) + "]",
        "remote " + selector.remote.to_string() + " is outside the prefixes of site '" + site.name + "'",
        "add it to the site's prefixes, or nothing will be sent there");
  }
}

void check_identities(Reader& reader, const Gateway& gateway, const Connection& connection) {
  const std::string path = "connections." + connection.name + ".ike.local_id";
  for (const auto& [address, identity] : connection.ike.local_ids) {
    const auto& used = connection.public_addresses;
    if (std::find(used.begin(), used.end(), address) != used.end()) continue;
    reader.error_at(
        path + "." + address, "the connection does not use a public address '" + address + "'",
        gateway.public_addresses.contains(address) ? "add it to the connection's public_addresses" : "");
  }
  if (connection.ike.local_ids.empty()) return;
  for (const std::string& address : connection.public_addresses) {
    if (connection.ike.local_ids.contains(address)) continue;
    reader.error_at(path, "has no identity for public address '" + address + "'", "name one for each");
  }
}

const char* family_name(const IpAddress& address) {
  return address.is_v4() ? "IPv4" : "IPv6";
}

// A tunnel's outer packets are of one family.
void check_families(Reader& reader, const Gateway& gateway, const Connection& connection, const Site& site) {
  if (site.peers.empty()) return;
  for (size_t i = 0; i < connection.public_addresses.size(); ++i) {
    const auto one = gateway.public_addresses.find(connection.public_addresses[i]);
    if (one == gateway.public_addresses.end() || one->second.address == InterfaceAddress{}) continue;
    const IpAddress& address = one->second.address.address;
    const bool has_peer = std::any_of(site.peers.begin(), site.peers.end(),
                                      [&](const IpAddress& peer) { return peer.version == address.version; });
    if (has_peer) continue;
    reader.error_at(
        "connections." + connection.name + ".public_addresses[" + std::to_string(i) + "]",
        "public address '" + one->first + "' is " + family_name(address) + ", and site '" + site.name +
            "' has no such peer",
        "a tunnel runs between addresses of one family; add a peer, or leave the public address out");
  }
}

}  // namespace

void check_connections(Reader& reader, const Gateway& gateway) {
  for (const auto& [name, connection] : gateway.connections) {
    check_identities(reader, gateway, connection);
    check_ikev1(reader, connection);
    const auto site = gateway.sites.find(connection.site);
    if (site == gateway.sites.end()) continue;
    check_selectors(reader, connection, site->second);
    check_families(reader, gateway, connection, site->second);
  }
}

void check_tunnels(Reader& reader, const Gateway& gateway) {
  std::map<std::string, std::string> names;
  using Endpoints = std::tuple<std::string, IpAddress, std::string, std::string>;
  std::map<Endpoints, std::string> endpoints;
  for (const auto& [name, connection] : gateway.connections) {
    const auto site = gateway.sites.find(connection.site);
    if (site == gateway.sites.end()) continue;
    const auto& peers = site->second.peers;
    const size_t paths = connection.public_addresses.size() * peers.size();
    const size_t children = children_of(connection, site->second, "").size();
    if (paths * children > kMostTunnels) {
      reader.error_at("connections." + name + ".public_addresses",
                      (children <= 1 ? "public addresses times peers make more than "
                                     : "public addresses times peers times " + std::to_string(children) +
                                           " CHILD_SAs of the selectors make more than ") +
                          std::to_string(kMostTunnels) + (children <= 1 ? " tunnels" : ""),
                      children <= 1 ? "" : "make another connection");
      continue;
    }
    for (const std::string& address : connection.public_addresses) {
      for (size_t i = 0; i < peers.size(); ++i) {
        const std::string tunnel = name + "-" + address + "-" + std::to_string(i + 1);
        const auto [first, is_new] = names.emplace(tunnel, name);
        if (!is_new && first->second != name) {
          reader.error_at(
              "connections." + name,
              "its tunnel '" + tunnel + "' has the name of one of connection '" + first->second + "'",
              "rename the connection or the public address");
        }
        const auto from = gateway.public_addresses.find(address);
        const auto [local_id, remote_id] = identities_of(
            connection, address, own_of(connection, address, i),
            from == gateway.public_addresses.end() ? IpAddress{} : from->second.address.address, peers[i]);
        const auto [other, is_alone] =
            endpoints.emplace(Endpoints{address, peers[i], local_id, remote_id}, name);
        if (is_alone || other->second == name) continue;
        reader.error_at("connections." + name,
                        "IKE can't tell it from connection '" + other->second +
                            "': both run from public address '" + address + "' to " + peers[i].to_string() +
                            " with the same identities",
                        "give them different ike.local_id or ike.remote_id");
      }
    }
  }
}

}  // namespace sallyport::control
