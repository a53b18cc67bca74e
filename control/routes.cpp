// SPDX-License-Identifier: BSD-3-Clause
#include "control/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

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

// It always may take over: there is nothing that it could take over from.
api::SetGroup group_of_one(const api::GroupMember& member) {
  api::SetGroup group{};
  group.preempt = 1;
  group.members[group.member_count++] = member;
  return group;
}

uint16_t policies_of(const api::SetGroup& group) {
  uint16_t count = 0;
  for (uint32_t i = 0; i < group.member_count; ++i)
    count = std::max<uint16_t>(count, static_cast<uint16_t>(group.members[i].policy + 1));
  return count;
}

// Adds the members of one of a route's ways, as far as they fit, and returns what was added. Selectors of
// different ways have nothing to do with each other: where any way has some, the earlier way gets what its
// selectors let through, and the later one the rest.
std::span<const api::GroupMember> join(api::SetGroup& all, const api::SetGroup& way, uint32_t weight) {
  if (way.member_count > 0 && way.preempt == 0) all.preempt = 0;
  if (way.choice == api::MemberChoice::kByPolicy) all.choice = api::MemberChoice::kByPolicy;
  const uint16_t first_policy = policies_of(all);
  const uint32_t first = all.member_count;
  for (uint32_t i = 0; i < way.member_count && all.member_count < api::kMaxGroupMembers; ++i) {
    api::GroupMember& member = all.members[all.member_count++] = way.members[i];
    member.weight = static_cast<uint16_t>(std::min<uint32_t>(member.weight * weight, UINT16_MAX));
    member.policy = static_cast<uint16_t>(member.policy + first_policy);
  }
  return std::span(all.members).subspan(first, all.member_count - first);
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

  uint32_t add_group(const std::string& name, api::SetGroup message) {
    message.group_id = ids_.groups.id_of(name);
    message.vrf_id = plan_.vrf_id;
    set_name(message.name, name);
    if (out_.used_groups.insert(name).second) out_.objects.push_back(table_object(message));
    return message.group_id;
  }

  uint32_t simple_group(const std::string& name, api::MemberKind kind, uint32_t id) {
    return add_group(vrf_name(name), group_of_one({kind, 1, 1, id}));
  }

  std::optional<uint32_t> group_of(const KernelRoute& route) {
    if (route.kind == KernelRouteKind::kDrop) return simple_group("drop", api::MemberKind::kDrop, 0);
    if (route.next_hops.size() == 1) return group_of(route.next_hops.front());
    api::SetGroup all{};
    all.preempt = 1;
    std::string name = "paths";
    for (const KernelNextHop& next : route.next_hops) {
      for (const api::GroupMember& member : join(all, members_of(next), next.weight))
        name += fmt::format("/{}:{}:{}", static_cast<int>(member.kind), member.id, member.weight);
    }
    if (all.member_count == 0) return std::nullopt;
    return add_group(vrf_name(name), all);
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

  // Its name and ids are of no meaning.
  api::SetGroup members_of(const KernelNextHop& next) {
    if (next.link == tunnel_link_ && next.via) {
      const auto it = plan_.tunnel_next_hops.find(*next.via);
      if (it == plan_.tunnel_next_hops.end()) return {};
      const auto group = plan_.tunnel_groups.find(it->second);
      return group == plan_.tunnel_groups.end() ? api::SetGroup{} : group->second;
    }
    const auto port = ports_.find(next.link);
    if (port == ports_.end()) return {};
    if (!next.via) return group_of_one({api::MemberKind::kConnected, 1, 1, plan_.lan_ports.at(port->second)});
    return group_of_one({api::MemberKind::kNeighbour, 1, 1, gateway_neighbour(next.link, *next.via)});
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
