// SPDX-License-Identifier: BSD-3-Clause
// What the API shows: the daemon's state as JSON. Never a key.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "control/addresses.h"
#include "control/carriers_text.h"
#include "control/daemon.h"
#include "control/elapsed.h"
#include "control/version.h"

namespace sallyport::control {
namespace {

using nlohmann::json;

json text_or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

json texts_of(const std::vector<TrafficSelector>& selectors) {
  json texts = json::array();
  for (const TrafficSelector& selector : selectors)
    texts.push_back(selector.to_string());
  return texts;
}

// To one decimal.
double busy_percent(const WorkerTotals& totals) {
  if (totals.cycles == 0) return 0.0;
  return std::round(1000.0 * static_cast<double>(totals.busy_cycles) / static_cast<double>(totals.cycles)) /
         10.0;
}

const char* kind_of(api::MemberKind kind) {
  switch (kind) {
    case api::MemberKind::kTunnel:
      return "tunnel";
    case api::MemberKind::kNeighbour:
      return "neighbour";
    case api::MemberKind::kConnected:
      return "connected";
    case api::MemberKind::kLocal:
      return "local";
    case api::MemberKind::kDrop:
      break;
  }
  return "drop";
}

const char* health_name(api::HealthCause cause) {
  switch (cause) {
    case api::HealthCause::kLink:
      return "link";
    case api::HealthCause::kSuspect:
      return "suspect";
    case api::HealthCause::kProbe:
      return "probe";
    case api::HealthCause::kHold:
      return "hold";
    case api::HealthCause::kHealthy:
      break;
  }
  return "healthy";
}

}  // namespace

json Daemon::show_version() const {
  return {{"version", kVersion},
          {"strongswan", text_or_null(charon_.version())},
          {"dataplane", text_or_null(name_of(hello_.version))}};
}

json Daemon::show_gateway() const {
  json workers = json::array();
  for (uint32_t i = 0; adopted_ && i + 1 < counters_.counters(); ++i) {
    const WorkerTotals totals = counters_.worker(i);
    workers.push_back(
        {{"worker", i},
         {"core", i < gateway_.settings.workers.size() ? json(gateway_.settings.workers[i]) : json()},
         {"rx_packets", totals.rx_packets},
         {"tx_packets", totals.tx_packets},
         {"handed_over", totals.handed_over},
         {"punted", totals.punted},
         {"loops", totals.loops},
         {"idle_sleeps", totals.idle_sleeps},
         {"busy_percent", busy_percent(totals)}});
  }
  json dataplane = {{"connected", adopted_}};
  if (adopted_) {
    dataplane["pid"] = hello_.pid;
    dataplane["workers"] = hello_.workers;
    dataplane["slots"] = hello_.slots;
    dataplane["max_mtu"] = hello_.max_mtu_bytes;
    dataplane["version"] = name_of(hello_.version);
  } else {
    dataplane["error"] = dataplane_.last_error();
  }
  json charon = {{"connected", charon_.up()},
                 {"plugin", feed_.connected()},
                 {"version", text_or_null(charon_.version())}};
  if (!charon_.up())
    charon["error"] = charon_.last_error();
  else if (!feed_.connected())
    charon["error"] = feed_.last_error();
  return {{"name", gateway_.settings.name},
          {"uptime_s", seconds_since(started_)},
          {"dataplane", dataplane},
          {"charon", charon},
          {"workers", workers}};
}

json Daemon::show_ports() {
  json out = json::array();
  std::map<std::string, std::string> network_of_port;
  for (const auto& [name, network] : gateway_.virtual_networks) {
    for (const auto& [port, addresses] : network.ports)
      network_of_port[port] = name;
  }
  for (const auto& [name, port] : gateway_.ports) {
    const PortState& state = ports_[name];
    const auto network = network_of_port.find(name);
    json addresses = json::array();
    NetlinkFollower* follower = network == network_of_port.end() ? &networks_.public_side()
                                                                 : networks_.virtual_network(network->second);
    const Mirror* mirror = networks_.port_mirror(name);
    if (follower != nullptr && mirror != nullptr) {
      for (const KernelAddress& address : follower->view().addresses) {
        if (address.link == mirror->link()) addresses.push_back(address.address.to_string());
      }
    }
    const auto id = port_id(name);
    const PortTotals totals = adopted_ && id ? counters_.port(*id) : PortTotals{};
    out.push_back({{"name", name},
                   {"device", port.device},
                   {"virtual_network", network == network_of_port.end() ? json() : json(network->second)},
                   {"mac", state.known ? json(mac_to_string(state.mac)) : json()},
                   {"mtu", port.mtu_bytes},
                   {"link", !adopted_ || !state.known ? "unknown"
                            : state.link_up           ? "up"
                                                      : "down"},
                   {"error", text_or_null(state.error)},
                   {"addresses", addresses},
                   {"rx_packets", totals.rx_packets},
                   {"rx_bytes", totals.rx_bytes},
                   {"tx_packets", totals.tx_packets},
                   {"tx_bytes", totals.tx_bytes},
                   {"rx_dropped", totals.rx_dropped},
                   {"tx_dropped", totals.tx_dropped}});
  }
  return out;
}

json Daemon::show_connections() const {
  json out = json::array();
  const std::set<uint32_t> carrying = carriers();
  for (const auto& [name, connection] : gateway_.connections) {
    uint32_t up = 0, connecting = 0, healthy = 0, carry = 0, count = 0;
    for (const auto& [tunnel, plan] : plans_) {
      if (plan.connection != name) continue;
      ++count;
      const TunnelState state = tunnels_.at(tunnel).state();
      up += state == TunnelState::kUp;
      healthy += state == TunnelState::kUp && health_of(plan) == api::HealthCause::kHealthy;
      carry += is_among(plan, carrying);
      connecting += state == TunnelState::kConnecting;
    }
    const char* state = up > 0 ? healthy < count ? "degraded" : "up" : connecting > 0 ? "connecting" : "down";
    out.push_back({{"name", name},
                   {"virtual_network", connection.virtual_network},
                   {"site", connection.site},
                   {"mode", connection.mode == Mode::kActiveActive ? "active-active" : "active-standby"},
                   {"routing", "static"},
                   {"state", state},
                   {"held_down", state_.held_down.contains(name)},
                   {"tunnels_up", up},
                   {"tunnels_carrying", carry},
                   {"tunnels", count}});
  }
  return out;
}

json Daemon::tunnel_view(const TunnelPlan& plan, bool carries) const {
  const TunnelLiveness& tunnel = tunnels_.at(plan.name);
  uint64_t in_packets = 0, in_bytes = 0, out_packets = 0, out_bytes = 0;
  for (const auto& [id, record] : feed_.ledger().records()) {
    if (tunnel_of_child(record.policy.tunnel) != &plan) continue;
    if (id.inbound) {
      const auto row = counters_.inbound(id.slot, id.spi);
      in_packets += row ? row->packets : 0;
      in_bytes += row ? row->bytes : 0;
    } else {
      const auto row = counters_.outbound(id.slot, id.spi);
      out_packets += row ? row->packets : 0;
      out_bytes += row ? row->bytes : 0;
    }
  }
  const SaRecord* active = nullptr;
  json children = json::array();
  for (const ChildPlan& child : plan.children) {
    const SaRecord* sending = feed_.activation().first_active(child.name);
    if (active == nullptr) active = sending;
    children.push_back({{"name", child.name},
                        {"up", sending != nullptr},
                        {"local", texts_of(child.local)},
                        {"remote", texts_of(child.remote)}});
  }
  const auto mtu = path_mtu_.find(bounded_name(plan.children.front().name));
  const auto port = gateway_.ports.find(plan.port);
  const uint32_t port_mtu = port == gateway_.ports.end() ? 0 : port->second.mtu_bytes;
  const api::HealthCause cause = health_of(plan);
  const bool is_healthy = cause == api::HealthCause::kHealthy, is_up = tunnel.state() == TunnelState::kUp;
  const std::string why = tunnel.state() == TunnelState::kDown && !charon_.up() ? "charon is not running"
                          : is_up && !is_healthy                                ? health_text(plan, cause)
                                                                                : tunnel.reason();
  const char* traffic = carries ? "carries" : !is_up ? "none" : is_healthy ? "standby" : "out";
  return {{"name", plan.name},
          {"connection", plan.connection},
          {"virtual_network", plan.virtual_network},
          {"public_address", plan.public_address},
          {"local", plan.local.to_string()},
          {"remote", active == nullptr ? plan.remote.to_string() : to_string(active->remote)},
          {"state", to_string(tunnel.state())},
          {"carrying", carries},
          {"traffic", traffic},
          {"health", health_name(cause)},
          {"suspect", tunnel.suspect()},
          {"since_s", seconds_since(tunnel.since())},
          {"ike_version", tunnel.ike_version() == 0 ? json() : json(tunnel.ike_version())},
          {"encryption", active == nullptr ? json() : json(active->algorithm)},
          {"in_packets", in_packets},
          {"in_bytes", in_bytes},
          {"out_packets", out_packets},
          {"out_bytes", out_bytes},
          {"path_mtu", mtu == path_mtu_.end() ? port_mtu : mtu->second},
          {"nat", active != nullptr && active->encap},
          {"children", children},
          {"reason", why}};
}

json Daemon::show_tunnels() const {
  json out = json::array();
  const std::set<uint32_t> carrying = carriers();
  for (const auto& [name, plan] : plans_)
    out.push_back(tunnel_view(plan, is_among(plan, carrying)));
  return out;
}

json Daemon::show_routes() const {
  std::map<uint32_t, api::SetGroup> groups;
  for (const Bytes& bytes : tables_.wanted(Stage::kGroup)) {
    const auto group = message_cast<api::SetGroup>(bytes);
    groups[group.group_id] = group;
  }
  json out = json::array();
  for (const Bytes& bytes : tables_.wanted(Stage::kRoute)) {
    const auto route = message_cast<api::SetRoute>(bytes);
    const auto found = groups.find(route.group_id);
    if (found == groups.end()) continue;
    const api::SetGroup& group = found->second;
    json members = json::array();
    const auto carrying = carrying_.find(route.group_id);
    std::set<std::string> via;
    for (uint32_t i = 0; i < group.member_count; ++i) {
      const api::GroupMember& member = group.members[i];
      std::string name;
      if (member.kind == api::MemberKind::kTunnel) name = ids_.tunnels.name_of(member.id);
      if (member.kind == api::MemberKind::kNeighbour) name = ids_.neighbours.name_of(member.id);
      if (member.kind == api::MemberKind::kConnected) name = ids_.ports.name_of(member.id);
      name = member.kind == api::MemberKind::kConnected ? name.substr(0, name.find('@')) : name;
      const bool carries =
          carrying == carrying_.end() ? member.up != 0 : carrying->second.contains(member.id);
      members.push_back({{"kind", kind_of(member.kind)},
                         {"name", name},
                         {"up", member.up != 0},
                         {"carrying", carries},
                         {"weight", member.weight},
                         {"rank", member.rank}});
      if (carries) via.insert(name);
    }
    const IpPrefix prefix{from_api(route.prefix.address), route.prefix.length};
    out.push_back({{"virtual_network", ids_.vrfs.name_of(route.vrf_id)},
                   {"prefix", prefix.to_string()},
                   {"via", list_of(via)},
                   {"group", name_of(group.name)},
                   {"kind", group.member_count == 0 ? "drop" : kind_of(group.members[0].kind)},
                   {"members", members}});
  }
  return out;
}

json Daemon::show_neighbours() {
  json out = json::array();
  const auto add = [&](NetlinkFollower& follower) {
    for (const auto& [key, neighbour] : follower.view().neighbours) {
      const auto link = follower.view().links.find(neighbour.link);
      if (link == follower.view().links.end() || !gateway_.ports.contains(link->second.name)) continue;
      const uint8_t first = neighbour.address.bytes[0];
      if (neighbour.address.is_v4() ? first >= 224 : first == 0xff) continue;  // multicast
      out.push_back({{"port", link->second.name},
                     {"address", neighbour.address.to_string()},
                     {"mac", neighbour.mac == api::Mac{} ? json() : json(mac_to_string(neighbour.mac))},
                     {"state", to_string(neighbour.state)}});
    }
  };
  add(networks_.public_side());
  for (const auto& [name, network] : gateway_.virtual_networks) {
    if (NetlinkFollower* follower = networks_.virtual_network(name)) add(*follower);
  }
  return out;
}

json Daemon::show_drops() const {
  json out = json::array();
  for (size_t reason = 0; reason < api::kDropReasonCount; ++reason) {
    uint64_t total = 0;
    json by_worker = json::array();
    for (uint32_t worker = 0; worker < counters_.counters(); ++worker) {
      const uint64_t packets = counters_.drops(worker, static_cast<api::DropReason>(reason));
      by_worker.push_back(packets);
      total += packets;
    }
    out.push_back({{"reason", api::kDropReasonTexts[reason].name},
                   {"description", api::kDropReasonTexts[reason].description},
                   {"packets", total},
                   {"by_worker", by_worker}});
  }
  return out;
}

}  // namespace sallyport::control
