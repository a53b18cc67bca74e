// SPDX-License-Identifier: BSD-3-Clause
// gateway.yaml as a whole, and its sections but for connections.
#include "control/config/parse.h"

#include <algorithm>
#include <regex>

#include "control/config/sections.h"
#include "control/config/yaml_text.h"

namespace sallyport::control {

namespace {

constexpr size_t kMaxTextBytes = 4u << 20;
constexpr uint32_t kMostCores = 1024, kMostWorkers = 64;
constexpr uint32_t kMostSlots = 1u << 20;  // an SPI has 20 bits for the slot
constexpr size_t kMostPorts = 64, kMostVirtualNetworks = 255;
constexpr size_t kMostPortName = 15;  // a network device has the port's name

enum class NameUse : size_t { kPort = kMostPortName, kPublicAddress = 16, kOther = 32, kConnection = 40 };

// Names become parts of device, namespace and tunnel names.
bool check_name(Reader& reader, const Value& value, const std::string& name, NameUse use) {
  static const std::regex kPattern("[A-Za-z0-9][A-Za-z0-9_-]*");
  const auto longest = static_cast<size_t>(use);
  if (name.size() > longest) {
    reader.error_at(value.path, "the name has more than " + std::to_string(longest) + " characters");
    return false;
  }
  if (!std::regex_match(name, kPattern)) {
    reader.error_at(value.path,
                    "a name has only letters, digits, '-' and '_', and starts with a letter or digit");
    return false;
  }
  return true;
}

// Calls parse_one(section, object) for each named object of a section.
template <typename Object, typename ParseOne>
void parse_named(Section& top, const std::string& key, NameUse use, std::map<std::string, Object>& objects,
                 ParseOne parse_one) {
  const auto value = top.take(key);
  if (!value) return;
  Reader& reader = top.reader();
  const Section named(reader, *value);
  for (const auto& [name, one] : named.entries()) {
    if (!check_name(reader, one, name, use)) continue;
    Object object;
    object.name = name;
    Section section(reader, one);
    parse_one(section, object);
    objects[name] = std::move(object);
  }
}

std::vector<uint32_t> parse_workers(Section& section) {
  Reader& reader = section.reader();
  std::vector<uint32_t> workers;
  const auto value = section.require("workers", "the cores that poll, for example workers: [1, 2]");
  if (!value) return workers;
  for (const Value& item : read_list(reader, *value)) {
    const auto core = read_number(reader, item, 0, kMostCores - 1);
    if (!core) continue;
    if (std::find(workers.begin(), workers.end(), *core) != workers.end()) {
      reader.error(item, "core " + std::to_string(*core) + " is there twice",
                   "a worker has a core of its own");
      continue;
    }
    workers.push_back(static_cast<uint32_t>(*core));
  }
  if (value->node.IsSequence() && value->node.size() == 0) {
    reader.error(*value, "names no core", "for example workers: [1]");
  }
  if (workers.size() > kMostWorkers) {
    reader.error(*value, "at most " + std::to_string(kMostWorkers) + " workers");
  }
  return workers;
}

void parse_settings(Section& section, GatewaySettings& settings) {
  Reader& reader = section.reader();
  if (const auto value = section.require("name", "any short name of this appliance")) {
    settings.name = read_text(reader, *value).value_or("");
    static const std::regex kPattern("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");
    if (!settings.name.empty() && !std::regex_match(settings.name, kPattern)) {
      reader.error(*value, "a gateway's name has at most 63 letters, digits, '.', '-' and '_'");
    }
  }
  settings.workers = parse_workers(section);
  read_key(section, "idle", settings.idle, read_choice, std::vector<std::string>{"poll", "sleep"});
  read_key(section, "hugepages", settings.hugepages, read_flag);
  read_key(section, "memory_mb", settings.memory_mb, read_number, 64, 1u << 20);
  read_key(section, "sa_capacity", settings.sa_capacity, read_number, 16, kMostSlots);
  read_key(section, "audit", settings.audit, read_flag);
  section.finish();
}

void parse_port(Section& section, Port& port) {
  Reader& reader = section.reader();
  if (port.name == "lo" || port.name == "vpn0") {
    reader.error(section.value(), "'" + port.name + "' is the name of another device of the gateway",
                 "rename the port");
  }
  if (const auto value =
          section.require("device", "a PCI address, or a virtual device of DPDK like net_tap0")) {
    static const std::regex kPci("([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-7](,.*)?");
    static const std::regex kVirtual("(net|eth)_[a-z][a-z_]*[0-9a-z_]*(,.*)?");
    constexpr size_t kLongest = 255;
    const std::string device = read_text(reader, *value).value_or("");
    if (device.size() > kLongest) {
      reader.error(*value, "the device has more than 255 characters");
    } else if (!device.empty() && !std::regex_match(device, kPci) && !std::regex_match(device, kVirtual)) {
      reader.error(*value, "'" + device + "' is neither a PCI address nor a virtual device of DPDK",
                   "like \"0000:3b:00.0\" (in quotes) or \"net_tap0,iface=lan0\"");
    } else {
      port.device = device;
    }
  }
  read_key(section, "mtu", port.mtu_bytes, read_number, 576, 9600);
  section.finish();
}

void parse_public_address(Section& section, PublicAddress& address) {
  Reader& reader = section.reader();
  if (const auto value = section.require("port", "the name of one of ports")) {
    address.port = read_text(reader, *value).value_or("");
  }
  if (const auto value = section.require("address", "for example address: 192.0.2.1/24")) {
    if (const auto read = read_interface_address(reader, *value)) {
      address.address = *read;
    }
  }
  if (const auto value = section.require("next_hop", "the router that leads to the peers")) {
    if (const auto read = read_host_address(reader, *value)) address.next_hop = *read;
  }
  section.finish();
}

void parse_virtual_network(Section& section, VirtualNetwork& network) {
  Reader& reader = section.reader();
  if (const auto value = section.take("ports")) {
    const Section ports(reader, *value);
    for (const auto& [name, addresses] : ports.entries()) {
      auto& list = network.ports[name];
      for (const Value& item : read_list(reader, addresses)) {
        if (const auto address = read_interface_address(reader, item)) list.push_back(*address);
      }
    }
  }
  section.refuse("peerings", "peering of virtual networks", "leave the key out");
  section.refuse("pool", "pools of client addresses", "leave the key out");
  section.finish();
}

void parse_site(Section& section, Site& site) {
  Reader& reader = section.reader();
  if (const auto value =
          section.require("peers", "the addresses of the site's gateway, for example [192.0.2.77]")) {
    for (const Value& item : read_list(reader, *value)) {
      if (item.node.IsScalar() && (item.node.Scalar() == "%any" || item.node.Scalar() == "any")) {
        reader.error(item, "not supported by this version: a peer with any address", "write its address");
        continue;
      }
      const auto address = read_routed_address(reader, item);
      if (!address) continue;
      if (std::find(site.peers.begin(), site.peers.end(), *address) != site.peers.end()) {
        reader.error(item, "peer " + address->to_string() + " is there twice");
      }
      site.peers.push_back(*address);
    }
    if (value->node.IsSequence() && value->node.size() == 0) reader.error(*value, "names no peer");
  }
  if (const auto value = section.require("prefixes", "what is behind the site, for example [10.20.0.0/16]")) {
    for (const Value& item : read_list(reader, *value)) {
      const auto prefix = read_routed_prefix(reader, item);
      if (!prefix) continue;
      if (std::find(site.prefixes.begin(), site.prefixes.end(), *prefix) != site.prefixes.end()) {
        reader.error(item, "prefix " + prefix->to_string() + " is there twice");
        continue;
      }
      site.prefixes.push_back(*prefix);
    }
    if (value->node.IsSequence() && value->node.size() == 0) reader.error(*value, "names no prefix");
  }
  section.refuse("direct_path", "direct paths", "leave the key out");
  section.finish();
}

void parse_gateway(Section& top, Gateway& gateway) {
  Reader& reader = top.reader();
  if (const auto value = top.require("gateway", "gateway: {name: hq, workers: [1]}")) {
    Section section(reader, *value);
    parse_settings(section, gateway.settings);
  }
  parse_named(top, "ports", NameUse::kPort, gateway.ports, parse_port);
  parse_named(top, "public_addresses", NameUse::kPublicAddress, gateway.public_addresses,
              parse_public_address);
  parse_named(top, "virtual_networks", NameUse::kOther, gateway.virtual_networks, parse_virtual_network);
  parse_named(top, "sites", NameUse::kOther, gateway.sites, parse_site);
  parse_named(top, "connections", NameUse::kConnection, gateway.connections, parse_connection);
  top.refuse("pools", "pools of client addresses", "leave the section out");
  top.refuse("users", "users (point-to-site)", "leave the section out");
  top.refuse("peerings", "peering of virtual networks", "leave the section out");
  top.refuse("direct_paths", "direct paths", "leave the section out");
  top.finish();
  if (gateway.ports.size() > kMostPorts) reader.error_at("ports", "at most 64 ports");
  if (gateway.virtual_networks.size() > kMostVirtualNetworks) {
    reader.error_at("virtual_networks", "at most 255 virtual networks");
  }
}

}  // namespace

std::optional<IpAddress> read_host_address(Reader& reader, const Value& value) {
  auto address = read_address(reader, value);
  if (!address) return std::nullopt;
  if (const auto reason = not_a_host(*address)) {
    reader.error(value, address->to_string() + " is " + *reason + ", not the address of a host");
    return std::nullopt;
  }
  return address;
}

std::optional<IpAddress> read_routed_address(Reader& reader, const Value& value) {
  auto address = read_host_address(reader, value);
  if (!address || !address->is_link_local()) return address;
  reader.error(value, address->to_string() + " is a link-local address, which no router forwards",
               "name an address that is routed");
  return std::nullopt;
}

std::optional<IpPrefix> read_routed_prefix(Reader& reader, const Value& value) {
  auto prefix = read_prefix(reader, value);
  if (!prefix || prefix->address.is_v4()) return prefix;
  const bool is_multicast = prefix->address.bytes[0] == 0xff;
  if (!is_multicast && !prefix->address.is_link_local()) return prefix;
  reader.error(value,
               prefix->to_string() + " is never routed: it is " + (is_multicast ? "multicast" : "link-local"),
               "name prefixes of single hosts");
  return std::nullopt;
}

ParseResult parse(std::string_view text, const std::string& file_name, const std::string& base_dir) {
  ParseResult result;
  Reader reader(file_name, base_dir);
  if (text.size() > kMaxTextBytes) {
    reader.error(Place{}, "the configuration has more than 4 MB");
    result.errors = reader.take_errors();
    return result;
  }
  try {
    const YamlDocument document = load_document(std::string(text));
    if (document.second) {
      reader.error(Place{static_cast<uint32_t>(document.second->line + 1),
                         static_cast<uint32_t>(document.second->column + 1)},
                   "text behind the end of the YAML document",
                   "the file holds one mapping of keys to values");
    }
    const Value root{document.root, Place{}, ""};
    Section top(reader, root);
    parse_gateway(top, result.gateway);
    check_references(reader, result.gateway);
    check_addresses(reader, result.gateway);
    check_connections(reader, result.gateway);
    check_tunnels(reader, result.gateway);
    check_overrides(reader, result.gateway);
    check_secrets(reader, result.gateway);
  } catch (const YAML::Exception& failure) {
    const bool has_place = failure.mark.line >= 0;
    reader.error(has_place ? Place{static_cast<uint32_t>(failure.mark.line + 1),
                                   static_cast<uint32_t>(failure.mark.column + 1)}
                           : Place{},
                 "not YAML: " + failure.msg, "check indentation (no tabs), quotes and brackets near here");
  }
  result.errors = reader.take_errors();
  return result;
}

}  // namespace sallyport::control
