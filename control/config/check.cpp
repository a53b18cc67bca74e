// SPDX-License-Identifier: BSD-3-Clause
// Checks across the sections of the file: references, addresses and prefixes. Values that could not be read
// are empty here and are passed over, since their own mistake is already reported.
#include <algorithm>
#include <set>
#include <string_view>

#include "control/config/sections.h"
#include "control/config/suggest.h"

namespace sallyport::control {

namespace {

template <typename Object>
void check_name_known(Reader& reader, const std::string& path, const std::string& name,
                      const std::string& kind, const std::map<std::string, Object>& objects) {
  if (name.empty() || objects.contains(name)) return;
  std::set<std::string> known;
  for (const auto& [other, object] : objects)
    known.insert(other);
  reader.error_at(path, "there is no " + kind + " '" + name + "'",
                  known.empty() ? "the file has none" : suggest(name, known));
}

// The part of a device string that makes it one device: net_tap0, or a PCI address with its domain.
std::string device_key(const std::string& device) {
  std::string key = device.substr(0, device.find(','));
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
  if (std::count(key.begin(), key.end(), ':') == 1) key = "0000:" + key;
  return key;
}

// The kernel's device that a virtual device of DPDK opens or makes: its iface argument.
std::string kernel_device(const std::string& device) {
  constexpr std::string_view kKey = ",iface=";
  const size_t at = device.find(kKey);
  if (at == std::string::npos) return "";
  const size_t from = at + kKey.size();
  return device.substr(from, device.find(',', from) - from);
}

// They would be one device in the host's namespace: the port would get back what it sends.
void check_mirror_names(Reader& reader, const Gateway& gateway) {
  std::set<std::string> mirrors;
  for (const auto& [name, address] : gateway.public_addresses)
    mirrors.insert(address.port);
  for (const auto& [name, port] : gateway.ports) {
    const std::string device = kernel_device(port.device);
    if (!mirrors.contains(device)) continue;
    reader.error_at("ports." + name + ".device",
                    "device '" + device + "' can't have the name of a public port, whose mirror gets it",
                    "rename the port or the device");
  }
}

void check_port_uses(Reader& reader, const Gateway& gateway) {
  std::map<std::string, std::string> devices, uses;
  for (const auto& [name, port] : gateway.ports) {
    if (port.device.empty()) continue;
    if (!gateway.settings.hugepages &&
        port.device.substr(0, port.device.find(',')).find(':') != std::string::npos) {
      reader.error_at("ports." + name + ".device", "a PCI device needs hugepages", "gateway.hugepages: true");
    }
    const auto [first, is_new] = devices.emplace(device_key(port.device), name);
    if (!is_new) {
      reader.error_at("ports." + name + ".device", "is the device of port '" + first->second + "' already",
                      "a device is one port");
    }
  }
  for (const auto& [name, address] : gateway.public_addresses)
    uses.emplace(address.port, "public address '" + name + "'");
  for (const auto& [name, network] : gateway.virtual_networks) {
    for (const auto& [port, addresses] : network.ports) {
      const auto [first, is_new] = uses.emplace(port, "virtual network '" + name + "'");
      if (is_new) continue;
      reader.error_at("virtual_networks." + name + ".ports." + port,
                      "port '" + port + "' already belongs to " + first->second,
                      "a port is public or in one virtual network");
    }
  }
}

void check_public_addresses(Reader& reader, const Gateway& gateway) {
  std::map<IpAddress, std::string> seen;
  for (const auto& [name, one] : gateway.public_addresses) {
    const std::string path = "public_addresses." + name;
    if (one.address == InterfaceAddress{}) continue;
    if (const auto reason = bad_on_link(one.address)) {
      reader.error_at(path + ".address", one.address.to_string() + " is " + *reason);
    } else if (one.address.address.is_link_local()) {
      reader.error_at(path + ".address", one.address.to_string() + " is a link-local address",
                      "peers must be able to reach it");
    }
    const auto [first, is_new] = seen.emplace(one.address.address, name);
    if (!is_new)
      reader.error_at(path + ".address", "is that of public address '" + first->second + "' already");
    if (one.next_hop == IpAddress{}) continue;
    if (one.next_hop == one.address.address) {
      reader.error_at(path + ".next_hop", "is the public address itself", "name the router on that link");
    } else if (one.next_hop.version != one.address.address.version) {
      reader.error_at(path + ".next_hop",
                      one.next_hop.to_string() + " is not of the family of " + one.address.to_string(),
                      "name a router of the same family");
    } else if (!one.next_hop.is_link_local() && !one.address.prefix().contains(one.next_hop)) {
      reader.error_at(path + ".next_hop",
                      one.next_hop.to_string() + " is not on the link " + one.address.prefix().to_string(),
                      "the next hop must be reachable without another router");
    }
  }
}

// RFC 8200 section 5: the kernel has no IPv6 on a smaller link.
void check_ipv6_mtu(Reader& reader, const Gateway& gateway, const std::string& port,
                    const InterfaceAddress& address) {
  constexpr uint16_t kLeastMtuBytes = 1280;
  const auto found = gateway.ports.find(port);
  if (address.address.is_v4() || found == gateway.ports.end()) return;
  if (found->second.mtu_bytes >= kLeastMtuBytes) return;
  reader.error_at("ports." + port + ".mtu",
                  "is too small for " + address.to_string() + " on this port: IPv6 needs at least 1280 bytes",
                  "mtu: 1280 or more");
}

struct Placed {
  IpPrefix prefix;
  std::string what, path;
};

// The prefixes on the LAN ports of one virtual network.
std::vector<Placed> check_lan_addresses(Reader& reader, const VirtualNetwork& network) {
  std::vector<Placed> links;
  for (const auto& [port, addresses] : network.ports) {
    for (size_t i = 0; i < addresses.size(); ++i) {
      const InterfaceAddress& address = addresses[i];
      const std::string path =
          "virtual_networks." + network.name + ".ports." + port + "[" + std::to_string(i) + "]";
      if (const auto reason = bad_on_link(address)) {
        reader.error_at(path, address.to_string() + " is " + *reason);
        continue;
      }
      if (address.address.is_link_local()) continue;  // each link has that prefix
      const Placed link{address.prefix(), "port '" + port + "'", path};
      const auto clash = std::find_if(links.begin(), links.end(), [&](const Placed& other) {
        return other.prefix.overlaps(link.prefix);
      });
      if (clash != links.end()) {
        reader.error_at(
            path, link.prefix.to_string() + " overlaps " + clash->prefix.to_string() + " of " + clash->what,
            "each link of a virtual network has prefixes of its own");
      }
      links.push_back(link);
    }
  }
  return links;
}

// A site's prefix must not be inside a link's, nor be that of another site: either would take the other's
// traffic. A wider one is fine, the longest match decides.
void check_site_prefixes(Reader& reader, const Gateway& gateway, const VirtualNetwork& network,
                         const std::vector<Placed>& links) {
  std::map<IpPrefix, std::string> remote;
  for (const auto& [name, connection] : gateway.connections) {
    const auto site = gateway.sites.find(connection.site);
    if (connection.virtual_network != network.name || site == gateway.sites.end()) continue;
    for (const IpPrefix& prefix : site->second.prefixes) {
      for (const Placed& link : links) {
        if (link.prefix.length > prefix.length || !link.prefix.overlaps(prefix)) continue;
        reader.error_at("connections." + name + ".site",
                        "prefix " + prefix.to_string() + " of site '" + connection.site + "' lies in " +
                            link.prefix.to_string() + " of " + link.what + " in virtual network '" +
                            network.name + "'",
                        "local and remote prefixes must be apart; renumber one of them");
      }
      const auto [first, is_new] = remote.emplace(prefix, name);
      if (is_new) continue;
      reader.error_at(
          "connections." + name + ".site",
          "prefix " + prefix.to_string() + " is already reached through connection '" + first->second + "'",
          "one connection can use several public addresses and peers");
    }
  }
}

}  // namespace

std::optional<std::string> not_a_host(const IpAddress& address) {
  if (address == IpAddress{address.version, {}}) return "the unspecified address";
  if (!address.is_v4()) {
    if (address.bytes[0] == 0xff) return "a multicast address";
    if (address == *parse_address("::1")) return "a loopback address";
    if (parse_prefix("::ffff:0:0/96")->contains(address)) return "an IPv4-mapped address";
    return std::nullopt;
  }
  if (address.bytes[0] == 127) return "a loopback address";
  if (address.bytes[0] == 0) return "in 0.0.0.0/8";
  if (address.bytes[0] >= 240) return "in 240.0.0.0/4";
  if (address.bytes[0] >= 224) return "a multicast address";
  return std::nullopt;
}

std::optional<std::string> bad_on_link(const InterfaceAddress& address) {
  if (auto reason = not_a_host(address.address)) return reason;
  if (address.prefix_length == 0) return "without a prefix length of a link";
  if (address.address.is_v4() ? address.prefix_length > 30 : address.prefix_length > 126) return std::nullopt;
  if (address.address == address.prefix().address) {
    // RFC 4291 section 2.6.1.
    return address.address.is_v4() ? "the network's own address" : "the anycast address of all routers there";
  }
  if (!address.address.is_v4()) return std::nullopt;
  IpAddress broadcast = address.prefix().address;
  for (size_t bit = address.prefix_length; bit < 32; ++bit) {
    broadcast.bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  }
  if (address.address == broadcast) return "the broadcast address";
  return std::nullopt;
}

void check_references(Reader& reader, const Gateway& gateway) {
  for (const auto& [name, address] : gateway.public_addresses) {
    check_name_known(reader, "public_addresses." + name + ".port", address.port, "port", gateway.ports);
  }
  for (const auto& [name, network] : gateway.virtual_networks) {
    for (const auto& [port, addresses] : network.ports) {
      check_name_known(reader, "virtual_networks." + name + ".ports." + port, port, "port", gateway.ports);
    }
  }
  for (const auto& [name, connection] : gateway.connections) {
    const std::string path = "connections." + name;
    check_name_known(reader, path + ".virtual_network", connection.virtual_network, "virtual network",
                     gateway.virtual_networks);
    check_name_known(reader, path + ".site", connection.site, "site", gateway.sites);
    for (size_t i = 0; i < connection.public_addresses.size(); ++i) {
      check_name_known(reader, path + ".public_addresses[" + std::to_string(i) + "]",
                       connection.public_addresses[i], "public address", gateway.public_addresses);
    }
  }
}

void check_addresses(Reader& reader, const Gateway& gateway) {
  check_port_uses(reader, gateway);
  check_mirror_names(reader, gateway);
  check_public_addresses(reader, gateway);
  for (const auto& [name, address] : gateway.public_addresses)
    check_ipv6_mtu(reader, gateway, address.port, address.address);
  for (const auto& [name, network] : gateway.virtual_networks) {
    for (const auto& [port, addresses] : network.ports) {
      for (const InterfaceAddress& address : addresses)
        check_ipv6_mtu(reader, gateway, port, address);
    }
    check_site_prefixes(reader, gateway, network, check_lan_addresses(reader, network));
  }
  for (const auto& [name, site] : gateway.sites) {
    for (size_t i = 0; i < site.peers.size(); ++i) {
      for (const auto& [public_name, address] : gateway.public_addresses) {
        if (address.address.address != site.peers[i]) continue;
        reader.error_at("sites." + name + ".peers[" + std::to_string(i) + "]",
                        "is the gateway's own public address '" + public_name + "'",
                        "name the site's gateway");
      }
    }
  }
}

}  // namespace sallyport::control
