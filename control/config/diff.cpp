// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/diff.h"

#include <algorithm>
#include <tuple>

#include "control/config/children.h"

namespace sallyport::control {

namespace {

// The values of one object as people write them, always the same keys in the same order; empty: absent.
using Rows = std::vector<std::pair<std::string, std::string>>;

std::string show(const std::string& text) {
  return text;
}
std::string show(const IpAddress& address) {
  return address.to_string();
}
std::string show(const IpPrefix& prefix) {
  return prefix.to_string();
}
std::string show(const InterfaceAddress& address) {
  return address.to_string();
}
std::string show(uint32_t number) {
  return std::to_string(number);
}
std::string show_flag(bool flag) {
  return flag ? "true" : "false";
}
std::string show_unless_zero(uint64_t number) {
  return number == 0 ? "" : std::to_string(number);
}

std::string show(const Selector& selector) {
  std::string text = "{local: " + show(selector.local) + ", remote: " + show(selector.remote);
  if (selector.protocol != 0) text += ", protocol: " + std::to_string(selector.protocol);
  if (selector.local_port != 0) text += ", local_port: " + std::to_string(selector.local_port);
  if (selector.remote_port != 0) text += ", port: " + std::to_string(selector.remote_port);
  return text + "}";
}

std::string show(const TunnelOverride& own) {
  std::string text;
  const auto add = [&text](const std::string& key, const std::string& value) {
    if (!value.empty()) text += (text.empty() ? "" : ", ") + key + ": " + value;
  };
  add("local_id", own.local_id);
  add("remote_id", own.remote_id);
  add("psk_file", own.psk_file);
  if (own.inside_local && own.inside_remote)
    add("inside", "{local: " + show(*own.inside_local) + ", remote: " + show(*own.inside_remote) + "}");
  if (own.probe) add("probe", show(*own.probe));
  if (own.weight) add("weight", show(*own.weight));
  return "{" + text + "}";
}

template <typename Item>
std::string show_list(const std::vector<Item>& items) {
  std::string text;
  for (const Item& item : items)
    text += (text.empty() ? "" : ", ") + show(item);
  return "[" + text + "]";
}

template <typename Item>
std::string show_map(const std::map<std::string, Item>& items) {
  std::string text;
  for (const auto& [name, item] : items)
    text += (text.empty() ? "" : ", ") + name + ": " + show(item);
  return items.empty() ? "" : "{" + text + "}";
}

Rows rows_of(const GatewaySettings& settings) {
  return {{"name", settings.name},
          {"workers", show_list(settings.workers)},
          {"idle", settings.idle == Idle::kPoll ? "poll" : "sleep"},
          {"hugepages", show_flag(settings.hugepages)},
          {"memory_mb", show_unless_zero(settings.memory_mb)},
          {"sa_capacity", std::to_string(settings.sa_capacity)},
          {"audit", show_flag(settings.audit)}};
}

Rows rows_of(const Port& port) {
  return {{"device", port.device}, {"mtu", std::to_string(port.mtu_bytes)}};
}

Rows rows_of(const PublicAddress& address) {
  return {{"port", address.port}, {"address", show(address.address)}, {"next_hop", show(address.next_hop)}};
}

Rows rows_of(const VirtualNetwork& network) {
  std::string ports;
  for (const auto& [port, addresses] : network.ports) {
    ports += (ports.empty() ? "" : ", ") + port + ": " + show_list(addresses);
  }
  return {{"ports", "{" + ports + "}"}};
}

Rows rows_of(const Site& site) {
  return {{"peers", show_list(site.peers)}, {"prefixes", show_list(site.prefixes)}};
}

std::string show(Df df) {
  return df == Df::kCopy ? "copy" : df == Df::kSet ? "set" : "clear";
}

std::string show_probe(const std::optional<Probe>& probe) {
  if (!probe) return "";
  std::string text =
      "{interval: " + print_duration(probe->interval) + ", misses: " + std::to_string(probe->misses);
  for (const auto& [name, address] : probe->targets)
    text += ", " + name + ": " + show(address);
  return text + "}";
}

Rows rows_of(const Connection& connection) {
  const auto& [ike, esp, auth] = std::tie(connection.ike, connection.esp, connection.auth);
  return {{"virtual_network", connection.virtual_network},
          {"site", connection.site},
          {"mode", connection.mode == Mode::kActiveActive ? "active-active" : "active-standby"},
          {"preempt", show_flag(connection.preempt)},
          {"public_addresses", show_list(connection.public_addresses)},
          {"weights", show_map(connection.weights)},
          {"ike.version", std::to_string(ike.version)},
          {"ike.aggressive", show_flag(ike.aggressive)},
          {"ike.proposals", show_list(ike.proposals)},
          {"ike.local_id", ike.local_ids.empty() ? ike.local_id : show_map(ike.local_ids)},
          {"ike.remote_id", ike.remote_id},
          {"ike.rekey", print_duration(ike.rekey)},
          {"ike.reauth", print_duration(ike.reauth)},
          {"esp.proposals", show_list(esp.proposals)},
          {"esp.rekey", print_duration(esp.rekey)},
          {"esp.rekey_bytes", show_unless_zero(esp.rekey_bytes)},
          {"esp.rekey_packets", show_unless_zero(esp.rekey_packets)},
          {"esp.life", esp.life == Duration::zero() ? "" : print_duration(esp.life)},
          {"esp.life_bytes", show_unless_zero(esp.life_bytes)},
          {"esp.life_packets", show_unless_zero(esp.life_packets)},
          {"esp.replay_window", std::to_string(esp.replay_window)},
          {"esp.df", show(esp.df)},
          {"esp.dscp", esp.dscp ? std::to_string(*esp.dscp) : "copy"},
          {"esp.encap", esp.encap == Encap::kAuto ? "auto" : "force"},
          {"esp.mss_clamp", show_flag(esp.mss_clamp)},
          {"auth.psk_file", auth.psk_file},
          {"auth.certificate", auth.certificate},
          {"auth.key", auth.key},
          {"auth.ca", auth.ca},
          {"selectors", connection.route_based() ? "route-based" : show_list(connection.selectors)},
          {"initiate", show_flag(connection.initiate)},
          {"dpd.delay", print_duration(connection.dpd.delay)},
          {"mobike", show_flag(connection.mobike)},
          {"probe", show_probe(connection.probe)},
          {"tunnels", show_map(connection.tunnels)}};
}

void add_changed(std::vector<Change>& changes, const std::string& path, const Rows& before,
                 const Rows& after) {
  for (size_t i = 0; i < before.size(); ++i) {
    const std::string& old_value = before[i].second;
    const std::string& new_value = after[i].second;
    if (old_value == new_value) continue;
    const char op = old_value.empty() ? '+' : new_value.empty() ? '-' : '~';
    changes.push_back({op, path + "." + before[i].first, old_value, new_value});
  }
}

// An object that came or went: what it says beyond the defaults.
void add_whole(std::vector<Change>& changes, char op, const std::string& path, const Rows& rows,
               const Rows& defaults) {
  const size_t count_before = changes.size();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].second == defaults[i].second) continue;
    Change change{op, path + "." + rows[i].first, "", ""};
    (op == '+' ? change.after : change.before) = rows[i].second;
    changes.push_back(std::move(change));
  }
  if (changes.size() == count_before) changes.push_back({op, path, "", ""});
}

template <typename Object>
std::set<std::string> names_of(const std::map<std::string, Object>& before,
                               const std::map<std::string, Object>& after) {
  std::set<std::string> names;
  for (const auto& [name, object] : before)
    names.insert(name);
  for (const auto& [name, object] : after)
    names.insert(name);
  return names;
}

template <typename Object>
void add_section(std::vector<Change>& changes, const std::string& section,
                 const std::map<std::string, Object>& before, const std::map<std::string, Object>& after) {
  for (const std::string& name : names_of(before, after)) {
    const auto old_object = before.find(name);
    const auto new_object = after.find(name);
    const std::string path = section + "." + name;
    if (old_object == before.end()) {
      add_whole(changes, '+', path, rows_of(new_object->second), rows_of(Object{}));
    } else if (new_object == after.end()) {
      add_whole(changes, '-', path, rows_of(old_object->second), rows_of(Object{}));
    } else {
      add_changed(changes, path, rows_of(old_object->second), rows_of(new_object->second));
    }
  }
}

template <typename Object>
std::set<std::string> differing(const std::map<std::string, Object>& before,
                                const std::map<std::string, Object>& after) {
  std::set<std::string> names;
  for (const std::string& name : names_of(before, after)) {
    const auto old_object = before.find(name);
    const auto new_object = after.find(name);
    if (old_object == before.end() || new_object == after.end() ||
        !(old_object->second == new_object->second)) {
      names.insert(name);
    }
  }
  return names;
}

bool same_peers(const Gateway& before, const Gateway& after, const std::string& site) {
  const auto old_site = before.sites.find(site);
  const auto new_site = after.sites.find(site);
  return old_site != before.sites.end() && new_site != after.sites.end() &&
         old_site->second.peers == new_site->second.peers;
}

bool same_source(const Gateway& before, const Gateway& after, const std::string& name) {
  const auto old_address = before.public_addresses.find(name);
  const auto new_address = after.public_addresses.find(name);
  return old_address != before.public_addresses.end() && new_address != after.public_addresses.end() &&
         old_address->second.address == new_address->second.address &&
         old_address->second.port == new_address->second.port;
}

// Another family behind a site gives its route-based connections other selectors.
bool same_children(const Gateway& before, const Gateway& after, const std::string& name) {
  const auto children = [&](const Gateway& gateway) {
    const Connection& connection = gateway.connections.at(name);
    const auto site = gateway.sites.find(connection.site);
    return site == gateway.sites.end() ? std::vector<ChildPlan>() : children_of(connection, site->second, "");
  };
  return before.connections.contains(name) && children(before) == children(after);
}

}  // namespace

std::vector<Change> diff(const Gateway& before, const Gateway& after) {
  std::vector<Change> changes;
  // A configuration that isn't there yet has no settings: everything of the new one is added.
  if (before.settings == after.settings || !(before == Gateway{})) {
    add_changed(changes, "gateway", rows_of(before.settings), rows_of(after.settings));
  } else {
    add_whole(changes, '+', "gateway", rows_of(after.settings), rows_of(GatewaySettings{}));
  }
  add_section(changes, "ports", before.ports, after.ports);
  add_section(changes, "public_addresses", before.public_addresses, after.public_addresses);
  add_section(changes, "virtual_networks", before.virtual_networks, after.virtual_networks);
  add_section(changes, "sites", before.sites, after.sites);
  add_section(changes, "connections", before.connections, after.connections);
  return changes;
}

Touched touched(const Gateway& before, const Gateway& after) {
  Touched result;
  result.settings = !(before.settings == after.settings);
  result.ports = differing(before.ports, after.ports);
  result.public_addresses = differing(before.public_addresses, after.public_addresses);
  result.virtual_networks = differing(before.virtual_networks, after.virtual_networks);
  result.sites = differing(before.sites, after.sites);
  result.connections = differing(before.connections, after.connections);
  for (const auto& [name, connection] : after.connections) {
    if (!same_children(before, after, name)) result.connections.insert(name);
    const auto& addresses = connection.public_addresses;
    const bool same = same_peers(before, after, connection.site) &&
                      std::all_of(addresses.begin(), addresses.end(), [&](const std::string& address) {
                        return same_source(before, after, address);
                      });
    if (!same) result.connections.insert(name);
  }
  return result;
}

}  // namespace sallyport::control
