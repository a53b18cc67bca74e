// SPDX-License-Identifier: BSD-3-Clause
// Collects what explain() needs of each tunnel of a connection.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/charon_config.h"
#include "control/daemon.h"

namespace sallyport::control {
namespace {

using nlohmann::json;

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string selectors_text(const TunnelPlan& plan) {
  std::vector<std::string> texts;
  for (const ChildPlan& child : plan.children) {
    std::vector<std::string> local, remote;
    for (const TrafficSelector& selector : child.local)
      local.push_back(selector.to_string());
    for (const TrafficSelector& selector : child.remote)
      remote.push_back(selector.to_string());
    texts.push_back(fmt::format("{} to {}", fmt::join(local, " "), fmt::join(remote, " ")));
  }
  return joined(texts);
}

bool leads_over(const KernelRoute& route, const IpAddress& peer, uint32_t link) {
  return route.prefix.contains(peer) && route.kind == KernelRouteKind::kUnicast &&
         std::any_of(route.next_hops.begin(), route.next_hops.end(),
                     [link](const KernelNextHop& hop) { return hop.link == link; });
}

// A neighbour that was found once stays usable while the kernel asks it again.
bool has_failed(const KernelNeighbour& neighbour) {
  return neighbour.mac == api::Mac{} &&
         (neighbour.state == NeighbourState::kFailed || neighbour.state == NeighbourState::kIncomplete);
}

void look_at_kernel(const KernelView& kernel, uint32_t link, const TunnelPlan& plan, TunnelFacts& facts) {
  facts.has_address = std::any_of(kernel.addresses.begin(), kernel.addresses.end(), [&](const auto& one) {
    return one.link == link && one.address.address == plan.local;
  });
  facts.has_route = std::any_of(kernel.routes.begin(), kernel.routes.end(), [&](const auto& entry) {
    return leads_over(entry.second, plan.remote, link);
  });
  const auto neighbour = kernel.neighbours.find({link, plan.next_hop});
  facts.next_hop_failed = neighbour != kernel.neighbours.end() && has_failed(neighbour->second);
}

}  // namespace

TunnelFacts Daemon::facts_of(const TunnelPlan& plan) {
  const Connection& connection = gateway_.connections.at(plan.connection);
  const TunnelLiveness& tunnel = tunnels_.at(plan.name);
  TunnelFacts facts;
  facts.connection = plan.connection;
  facts.port = plan.port;
  facts.local = plan.local.to_string();
  facts.peer = plan.remote.to_string();
  facts.next_hop = plan.next_hop.to_string();
  facts.ike_proposals = joined(connection.ike.proposals);
  facts.esp_proposals = joined(connection.esp.proposals);
  facts.selectors = selectors_text(plan);
  const Identities ids = identities(connection, plan);
  facts.local_id = ids.local;
  facts.remote_id = ids.remote;
  facts.is_psk = connection.auth.is_psk();
  facts.initiate = connection.initiate;

  facts.state = tunnel.state();
  facts.held_down = tunnel.held_down();
  facts.reason = tunnel.why();
  const api::HealthCause cause = health_of(plan);
  if (facts.state == TunnelState::kUp && cause != api::HealthCause::kHealthy)
    facts.health_reason = health_text(plan, cause);
  std::vector<std::string> missing;
  for (const ChildPlan& child : plan.children) {
    if (feed_.activation().first_active(child.name) == nullptr) missing.push_back(child.name);
  }
  facts.missing_children = joined(missing);

  if (!adopted_) facts.dataplane_error = dataplane_.last_error();
  if (!charon_.up())
    facts.charon_error = charon_.last_error();
  else if (!feed_.connected() && adopted_)
    facts.plugin_error = feed_.last_error();
  const PortState& port = ports_[plan.port];
  if (!port.error.empty()) facts.port_error = port.error;
  facts.link_down = adopted_ && port.known && !port.link_up;
  if (const Mirror* mirror = networks_.port_mirror(plan.port))
    look_at_kernel(networks_.public_side().view(), mirror->link(), plan, facts);
  return facts;
}

std::variant<json, OperatorError> Daemon::why(const std::string& connection) {
  if (auto error = unknown(connection)) return *error;
  json tunnels = json::array();
  bool all_up = true;
  for (const auto& [name, plan] : plans_) {
    if (plan.connection != connection) continue;
    const Explanation explanation = explain(facts_of(plan));
    all_up = all_up && explanation.cause == Cause::kNone;
    tunnels.push_back({{"tunnel", name},
                       {"state", to_string(tunnels_.at(name).state())},
                       {"cause", to_string(explanation.cause)},
                       {"why", explanation.why},
                       {"advice", explanation.advice}});
  }
  return json{{"connection", connection}, {"up", all_up}, {"tunnels", tunnels}};
}

}  // namespace sallyport::control
