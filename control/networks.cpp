// SPDX-License-Identifier: BSD-3-Clause
#include "control/networks.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

namespace sallyport::control {
namespace {

constexpr uint32_t kFirstSourceTable = 5300;  // one for each public address; also the rules' priorities
constexpr uint32_t kMainTable = 254;

// LAN port -> virtual network.
std::map<std::string, std::string> lan_ports(const Gateway& gateway) {
  std::map<std::string, std::string> ports;
  for (const auto& [name, network] : gateway.virtual_networks) {
    for (const auto& [port, addresses] : network.ports)
      ports[port] = name;
  }
  return ports;
}

std::set<std::string> public_ports(const Gateway& gateway) {
  std::set<std::string> ports;
  for (const auto& [name, address] : gateway.public_addresses)
    ports.insert(address.port);
  return ports;
}

// Ours inside the tunnels of the network's connections.
std::vector<InterfaceAddress> inside_addresses(const Gateway& gateway, const std::string& network) {
  std::vector<InterfaceAddress> addresses;
  for (const auto& [name, connection] : gateway.connections) {
    if (connection.virtual_network != network) continue;
    for (const auto& [key, own] : connection.tunnels) {
      if (own.inside_local) addresses.push_back(*own.inside_local);
    }
  }
  return addresses;
}

std::vector<InterfaceAddress> public_addresses_on(const Gateway& gateway, const std::string& port) {
  std::vector<InterfaceAddress> addresses;
  for (const auto& [name, address] : gateway.public_addresses) {
    if (address.port == port) addresses.push_back(address.address);
  }
  return addresses;
}

bool is_multicast(const IpAddress& address) {
  return address.is_v4() ? address.bytes[0] >= 224 : address.bytes[0] == 0xff;
}

// RFC 4291 appendix A. The kernel asks for IPv6 neighbours from a link-local address only.
InterfaceAddress link_local_of(const api::Mac& mac) {
  IpAddress address{IpVersion::kV6, {0xfe, 0x80}};
  address.bytes[8] = mac[0] ^ 0x02;
  address.bytes[9] = mac[1];
  address.bytes[10] = mac[2];
  address.bytes[11] = 0xff;
  address.bytes[12] = 0xfe;
  std::copy(mac.begin() + 3, mac.end(), address.bytes.begin() + 13);
  return {address, 64};
}

}  // namespace

Networks::Networks(asio::io_context& io, std::string netns_prefix,
                   std::function<void(const std::string&)> on_change)
    : io_(io), prefix_(std::move(netns_prefix)), on_change_(std::move(on_change)) {
  public_ = std::make_unique<NetlinkFollower>(io_, "", [this] { on_change_(""); });
}

NetlinkFollower* Networks::virtual_network(const std::string& name) {
  const auto it = inside_.find(name);
  return it == inside_.end() ? nullptr : it->second.follower.get();
}

Mirror* Networks::port_mirror(const std::string& port) {
  const auto it = ports_.find(port);
  return it == ports_.end() ? nullptr : it->second.get();
}

Mirror* Networks::tunnel_mirror(const std::string& virtual_network) {
  const auto it = inside_.find(virtual_network);
  return it == inside_.end() ? nullptr : it->second.tunnel_mirror.get();
}

NetlinkFollower* Networks::follower_of_port(const std::string& port) {
  if (!ports_.contains(port)) return nullptr;
  const auto network = network_of_port_.find(port);
  return network == network_of_port_.end() ? public_.get() : virtual_network(network->second);
}

void Networks::set_mac(const std::string& port, const api::Mac& mac) {
  NetlinkFollower* follower = follower_of_port(port);
  if (follower == nullptr) return;
  port_mirror(port)->set_mac(follower->netlink(), mac);
  set_addresses(follower->netlink(), port);
}

void Networks::set_addresses(RtNetlink& netlink, const std::string& port) {
  const auto wanted = addresses_.find(port);
  const auto link = netlink.find_link(port);
  if (wanted == addresses_.end() || !link) return;
  std::vector<InterfaceAddress> all = wanted->second;
  const auto is_v6 = [](const InterfaceAddress& one) { return !one.address.is_v4(); };
  if (std::any_of(all.begin(), all.end(), is_v6)) all.push_back(link_local_of(link->mac));
  sync_addresses(netlink, link->index, all);
}

void Networks::resolve_neighbour(const std::string& port, const IpAddress& address) {
  NetlinkFollower* follower = follower_of_port(port);
  if (follower != nullptr) follower->netlink().resolve_neighbour(port_mirror(port)->link(), address);
}

void Networks::manage_neighbour(const std::string& port, const IpAddress& address) {
  NetlinkFollower* follower = follower_of_port(port);
  if (follower == nullptr) return;
  const uint32_t link = port_mirror(port)->link();
  const auto known = follower->view().neighbours.find({link, address});
  if (known != follower->view().neighbours.end()) {
    // One that the operator made permanent stays it.
    if (known->second.managed || known->second.state == NeighbourState::kPermanent) return;
  }
  follower->netlink().manage_neighbour(link, address);
}

// A scan of a whole prefix must not leave the kernel asking for absent hosts for ever.
void Networks::tend_neighbours(const std::string& virtual_network,
                               const std::set<KernelView::NeighbourKey>& wanted) {
  NetlinkFollower* follower = this->virtual_network(virtual_network);
  if (follower == nullptr) return;
  for (const auto& [key, neighbour] : follower->view().neighbours) {
    const auto link = follower->view().links.find(neighbour.link);
    if (link == follower->view().links.end() || !ports_.contains(link->second.name)) continue;
    if (is_multicast(neighbour.address)) continue;
    if (neighbour.state == NeighbourState::kFailed && neighbour.managed && !wanted.contains(key)) {
      follower->netlink().delete_neighbour(neighbour.link, neighbour.address);
    } else if (neighbour.mac != api::Mac{} || wanted.contains(key)) {
      manage_neighbour(link->second.name, neighbour.address);
    }
  }
  for (const auto& [link, address] : wanted) {
    const auto name = follower->view().links.find(link);
    if (name != follower->view().links.end()) manage_neighbour(name->second.name, address);
  }
}

void Networks::apply(const Gateway& wanted) {
  remove_old(wanted);
  for (const auto& [name, network] : wanted.virtual_networks)
    make_virtual_network(network, wanted);
  make_public_ports(wanted);
  sync_source_routing(wanted);
}

void Networks::remove_old(const Gateway& wanted) {
  const auto lan = lan_ports(wanted);
  const auto wan = public_ports(wanted);
  std::erase_if(ports_, [&](const auto& entry) {
    const auto& name = entry.first;
    const auto was = network_of_port_.find(name);
    const bool was_public = was == network_of_port_.end();
    const auto now = lan.find(name);
    if (was_public ? wan.contains(name) : now != lan.end() && now->second == was->second) return false;
    NetlinkFollower* follower = follower_of_port(name);
    if (follower != nullptr)
      delete_mirror(follower->netlink(), was_public ? "" : netns_of(was->second), name);
    network_of_port_.erase(name);
    addresses_.erase(name);
    return true;
  });
  std::erase_if(made_.public_mirrors, [&](const std::string& name) {
    if (wan.contains(name)) return false;
    delete_mirror(public_->netlink(), "", name);
    return true;
  });
  std::erase_if(inside_, [&](const auto& entry) { return !wanted.virtual_networks.contains(entry.first); });
  std::erase_if(made_.namespaces, [&](const std::string& name) {
    const bool is_wanted =
        name.starts_with(prefix_) && wanted.virtual_networks.contains(name.substr(prefix_.size()));
    if (is_wanted) return false;
    delete_netns(name);
    return true;
  });
}

void Networks::make_virtual_network(const VirtualNetwork& network, const Gateway& wanted) {
  const NetnsName netns = netns_of(network.name);
  Inside& inside = inside_[network.name];
  if (!inside.follower) {
    made_.namespaces.insert(netns);
    create_netns(netns);
    inside.follower =
        std::make_unique<NetlinkFollower>(io_, netns, [this, name = network.name] { on_change_(name); });
    prepare_virtual_network(inside.follower->netlink(), netns);
  }
  RtNetlink& netlink = inside.follower->netlink();
  if (!inside.tunnel_mirror) {
    inside.tunnel_mirror = std::make_unique<Mirror>(netlink, netns, kTunnelMirror, MirrorDevice::kTun);
  }
  sync_addresses(netlink, inside.tunnel_mirror->link(), inside_addresses(wanted, network.name));
  for (const auto& [port, addresses] : network.ports) {
    auto& mirror = ports_[port];
    if (!mirror) {
      network_of_port_[port] = network.name;
      mirror = std::make_unique<Mirror>(netlink, netns, port, MirrorDevice::kTap);
    }
    mirror->set_mtu(netlink, wanted.ports.at(port).mtu_bytes);
    addresses_[port] = addresses;
    set_addresses(netlink, port);
  }
}

void Networks::make_public_ports(const Gateway& wanted) {
  RtNetlink& netlink = public_->netlink();
  for (const std::string& port : public_ports(wanted)) {
    auto& mirror = ports_[port];
    if (!mirror) {
      made_.public_mirrors.insert(port);
      mirror = std::make_unique<Mirror>(netlink, "", port, MirrorDevice::kTap);
    }
    mirror->set_mtu(netlink, wanted.ports.at(port).mtu_bytes);
    addresses_[port] = public_addresses_on(wanted, port);
    set_addresses(netlink, port);
  }
}

// What a public address sends leaves by its own port, whatever table main says.
void Networks::sync_source_routing(const Gateway& wanted) {
  RtNetlink& netlink = public_->netlink();
  std::vector<KernelRule> rules;
  std::vector<KernelRoute> routes;
  uint32_t table = kFirstSourceTable;
  for (const auto& [name, address] : wanted.public_addresses) {
    const uint32_t link = port_mirror(address.port)->link();
    const auto add_route = [&](const IpPrefix& prefix, std::optional<IpAddress> via) {
      KernelRoute route;
      route.table = table;
      route.prefix = prefix;
      route.next_hops = {{link, via, 1}};
      netlink.replace_route(route);
      routes.push_back(std::move(route));
    };
    add_route(address.address.prefix(), std::nullopt);
    add_route({{address.next_hop.version, {}}, 0}, address.next_hop);
    rules.push_back({address.address.address, table, table});
    manage_neighbour(address.port, address.next_hop);
    ++table;
  }
  sync_source_rules(rules);
  for (const KernelRoute& route : netlink.routes()) {
    const bool is_ours = route.protocol == kRouteProtocol && route.table >= kFirstSourceTable &&
                         route.table < kFirstSourceTable + api::kMaxPorts;
    const bool is_wanted = std::any_of(routes.begin(), routes.end(), [&](const KernelRoute& one) {
      return one.table == route.table && one.prefix == route.prefix;
    });
    if (is_ours && !is_wanted) netlink.delete_route(route);
  }
}

void Networks::sync_source_rules(const std::vector<KernelRule>& wanted) {
  RtNetlink& netlink = public_->netlink();
  const std::vector<KernelRule> present = netlink.own_rules();
  for (const KernelRule& rule : wanted) {
    if (std::find(present.begin(), present.end(), rule) == present.end()) netlink.add_rule(rule);
  }
  for (const KernelRule& rule : present) {
    if (std::find(wanted.begin(), wanted.end(), rule) == wanted.end()) netlink.delete_rule(rule);
  }
}

void Networks::sync_tunnel_routes(const std::string& virtual_network,
                                  const std::map<IpPrefix, IpAddress>& wanted) {
  const auto it = inside_.find(virtual_network);
  if (it == inside_.end()) return;
  const uint32_t link = it->second.tunnel_mirror->link();
  RtNetlink& netlink = it->second.follower->netlink();
  std::map<IpPrefix, KernelRoute> present;
  for (const auto& [key, route] : it->second.follower->view().routes) {
    if (route.protocol == kRouteProtocol && route.table == kMainTable) present[route.prefix] = route;
  }
  for (const auto& [prefix, via] : wanted) {
    KernelRoute route;
    route.prefix = prefix;
    route.next_hops = {{link, via, 1}};
    const auto held = present.find(prefix);
    if (held == present.end() || held->second.next_hops != route.next_hops) netlink.replace_route(route);
  }
  for (const auto& [prefix, route] : present) {
    if (!wanted.contains(prefix)) netlink.delete_route(route);
  }
}

std::vector<std::string> Networks::cleanup(const MadeInLinux& made) {
  std::vector<std::string> failures;
  const auto attempt = [&](const std::function<void()>& work) {
    try {
      work();
    } catch (const std::system_error& error) {
      failures.emplace_back(error.what());
    }
  };
  attempt([&] {
    RtNetlink netlink("");
    for (const std::string& name : made.public_mirrors)
      attempt([&] { delete_mirror(netlink, "", name); });
    for (const KernelRule& rule : netlink.own_rules())
      attempt([&] { netlink.delete_rule(rule); });
    for (const KernelRoute& route : netlink.routes()) {
      if (route.protocol == kRouteProtocol) attempt([&] { netlink.delete_route(route); });
    }
  });
  for (const std::string& name : made.namespaces)
    attempt([&] { delete_netns(name); });
  return failures;
}

}  // namespace sallyport::control
