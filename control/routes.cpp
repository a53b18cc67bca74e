// SPDX-License-Identifier: BSD-3-Clause
#include "control/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "control/addresses.h"
#include "control/mirrors.h"

namespace sallyport::control {
namespace {

constexpr uint32_t kMainTable = 254;

IpPrefix host_prefix(const IpAddress& address) {
  return {address, address.max_prefix_length()};
}

bool is_loopback(const IpAddress& address) {
  return address.is_v4() ? address.bytes[0] == 127 : address == *parse_address("::1");
}

class Compiler {
 public:
  Compiler(const VrfPlan& plan, const KernelView& kernel, Ids& ids)
      : plan_(plan), kernel_(kernel), ids_(ids) {}

  VrfTables run() {
    for (const auto& [index, link] : kernel_.links) {
      if (plan_.lan_ports.contains(link.name)) ports_[index] = link.name;
      if (link.name == kTunnelMirror) tunnel_link_ = index;
    }
    add_routes();
    add_neighbours();
    add_addresses();
    for (const auto& [prefix, group] : routes_)
      add_route(prefix, group);
    return std::move(out_);
  }

 private:
  void add_addresses() {
    for (const KernelAddress& address : kernel_.addresses) {
      const IpAddress& own = address.address.address;
      if (const auto port = ports_.find(address.link); port != ports_.end()) {
        api::SetAddress message{};
        message.port_id = plan_.lan_ports.at(port->second);
        message.address = to_api(own);
        out_.objects.push_back(table_object(message));
      }
      // A link-local address is the gateway's on that port only, which the port knows.
      if (is_loopback(own) || own.is_link_local()) continue;
      routes_[host_prefix(own)] = simple_group("local", api::MemberKind::kLocal, 0);
    }
  }

  void add_routes() {
    std::map<IpPrefix, const KernelRoute*> best;
    for (const auto& [key, route] : kernel_.routes) {
      if (route.table != kMainTable || route.prefix.address.is_link_local()) continue;
      const KernelRoute*& held = best[route.prefix];
      if (held == nullptr || route.metric < held->metric) held = &route;
    }
    for (const auto& [prefix, route] : best) {
      if (const auto group = group_of(*route)) routes_[prefix] = *group;
    }
  }

  // A neighbour on a LAN port has a route of its own, more exact than the port's prefix.
  void add_neighbours() {
    for (const auto& [key, neighbour] : kernel_.neighbours) {
      const auto port = ports_.find(neighbour.link);
      if (port == ports_.end() || neighbour.mac == api::Mac{}) continue;
      if (neighbour.mac[0] & 1) continue;  // multicast
      const uint32_t id = add_neighbour(port->second, neighbour.address, neighbour.mac);
      const bool on_link =
          std::any_of(kernel_.addresses.begin(), kernel_.addresses.end(), [&](const auto& own) {
            return own.link == neighbour.link && own.address.prefix().contains(neighbour.address);
          });
      if (!on_link || neighbour.address.is_link_local()) continue;
      const std::string name = neighbour_name(port->second, neighbour.address);
      routes_[host_prefix(neighbour.address)] = simple_group(name, api::MemberKind::kNeighbour, id);
    }
  }

  uint32_t add_neighbour(const std::string& port, const IpAddress& address, const api::Mac& mac) {
    const std::string name = neighbour_name(port, address);
    api::SetNeighbour message{};
    message.neighbour_id = ids_.neighbours.id_of(name);
    message.port_id = plan_.lan_ports.at(port);
    message.address = to_api(address);
    message.mac = mac;
    if (out_.used_neighbours.insert(name).second) out_.objects.push_back(table_object(message));
    return message.neighbour_id;
  }

  // A gateway on a LAN port is kept resolved; until it is, packets wait for it in the dataplane.
  uint32_t gateway_neighbour(uint32_t link, const IpAddress& address) {
    out_.wanted_neighbours.insert({link, address});
    const auto known = kernel_.neighbours.find({link, address});
    return add_neighbour(ports_.at(link), address,
                         known == kernel_.neighbours.end() ? api::Mac{} : known->second.mac);
  }

  std::string vrf_name(const std::string& rest) const {
    return bounded_name(fmt::format("vrf{}/{}", plan_.vrf_id, rest));
  }

  uint32_t add_group(const std::string& name, const std::vector<api::GroupMember>& members) {
    api::SetGroup message{};
    message.group_id = ids_.groups.id_of(name);
    message.vrf_id = plan_.vrf_id;
    set_name(message.name, name);
    for (const api::GroupMember& member : members)
      message.members[message.member_count++] = member;
    if (out_.used_groups.insert(name).second) out_.objects.push_back(table_object(message));
    return message.group_id;
  }

  uint32_t simple_group(const std::string& name, api::MemberKind kind, uint32_t id) {
    return add_group(vrf_name(name), {{kind, 1, 1, id}});
  }

  std::optional<uint32_t> group_of(const KernelRoute& route) {
    if (route.kind == KernelRouteKind::kDrop) return simple_group("drop", api::MemberKind::kDrop, 0);
    if (route.next_hops.size() == 1) return group_of(route.next_hops.front());
    std::vector<api::GroupMember> members;
    std::string name = "paths";
    for (const KernelNextHop& next : route.next_hops) {
      for (api::GroupMember member : members_of(next)) {
        if (members.size() == api::kMaxGroupMembers) break;
        member.weight = static_cast<uint16_t>(std::min<uint32_t>(member.weight * next.weight, UINT16_MAX));
        name += fmt::format("/{}:{}:{}", static_cast<int>(member.kind), member.id, member.weight);
        members.push_back(member);
      }
    }
    if (members.empty()) return std::nullopt;
    return add_group(vrf_name(name), members);
  }

  std::optional<uint32_t> group_of(const KernelNextHop& next) {
    if (next.link == tunnel_link_ && next.via) {
      const auto it = plan_.tunnel_next_hops.find(*next.via);
      if (it == plan_.tunnel_next_hops.end()) return std::nullopt;
      return ids_.groups.id_of(it->second);
    }
    const auto port = ports_.find(next.link);
    if (port == ports_.end()) return std::nullopt;
    if (!next.via) {
      return simple_group("connected/" + port->second, api::MemberKind::kConnected,
                          plan_.lan_ports.at(port->second));
    }
    return simple_group(neighbour_name(port->second, *next.via), api::MemberKind::kNeighbour,
                        gateway_neighbour(next.link, *next.via));
  }

  std::vector<api::GroupMember> members_of(const KernelNextHop& next) {
    if (next.link == tunnel_link_ && next.via) {
      const auto it = plan_.tunnel_next_hops.find(*next.via);
      if (it == plan_.tunnel_next_hops.end()) return {};
      const auto group = plan_.tunnel_groups.find(it->second);
      if (group == plan_.tunnel_groups.end()) return {};
      const auto& members = group->second.members;
      return {members.begin(), members.begin() + group->second.member_count};
    }
    const auto port = ports_.find(next.link);
    if (port == ports_.end()) return {};
    if (!next.via) return {{api::MemberKind::kConnected, 1, 1, plan_.lan_ports.at(port->second)}};
    return {{api::MemberKind::kNeighbour, 1, 1, gateway_neighbour(next.link, *next.via)}};
  }

  void add_route(const IpPrefix& prefix, uint32_t group_id) {
    api::SetRoute message{};
    message.vrf_id = plan_.vrf_id;
    message.group_id = group_id;
    message.prefix = to_api(prefix);
    out_.objects.push_back(table_object(message));
  }

  const VrfPlan& plan_;
  const KernelView& kernel_;
  Ids& ids_;
  std::map<uint32_t, std::string> ports_;  // link -> name of the LAN port
  std::optional<uint32_t> tunnel_link_;
  std::map<IpPrefix, uint32_t> routes_;
  VrfTables out_;
};

}  // namespace

VrfTables compile_vrf(const VrfPlan& plan, const KernelView& kernel, Ids& ids) {
  return Compiler(plan, kernel, ids).run();
}

}  // namespace sallyport::control
