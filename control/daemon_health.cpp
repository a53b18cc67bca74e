// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane tells of its tunnels' health and of who carries a connection's traffic, in words.
#include <fmt/format.h>

#include <algorithm>

#include "control/carriers_text.h"
#include "control/daemon.h"

namespace sallyport::control {
namespace {

constexpr std::string_view kConnectionGroup = "connection/";

std::set<uint32_t> those_of(uint64_t carrying, const std::vector<uint32_t>& members) {
  std::set<uint32_t> tunnels;
  for (size_t i = 0; i < members.size(); ++i) {
    if ((carrying >> i & 1) != 0) tunnels.insert(members[i]);
  }
  return tunnels;
}

std::string seconds_text(uint32_t ms) {
  return ms % 1000 == 0 ? fmt::format("{} s", ms / 1000) : fmt::format("{:.1f} s", ms / 1000.0);
}

}  // namespace

void Daemon::learn_carrying(const api::SetGroup& group) {
  if (group.member_count > 0 && group.members[0].kind != api::MemberKind::kTunnel) return;
  auto& members = members_[group.group_id];
  members.clear();
  for (uint32_t i = 0; i < group.member_count; ++i)
    members.push_back(group.members[i].id);
  carrying_[group.group_id] = those_of(group.carrying, members);
}

std::string Daemon::health_text(const TunnelPlan& plan, api::HealthCause cause) const {
  switch (cause) {
    case api::HealthCause::kLink:
      return fmt::format("the link of port {} is down", plan.port);
    case api::HealthCause::kSuspect: {
      const std::string& reason = tunnels_.at(plan.name).reason();
      return reason.empty() ? fmt::format("peer {} does not answer IKE", plan.remote.to_string()) : reason;
    }
    case api::HealthCause::kProbe:
      return "its probes are not answered";
    case api::HealthCause::kHold:
      return "it was unhealthy a moment ago and is watched before it carries traffic again";
    case api::HealthCause::kHealthy:
      break;
  }
  return "";
}

void Daemon::on_health(const api::HealthChanged& event) {
  if (event.cause == api::HealthCause::kHealthy)
    unhealthy_.erase(event.tunnel_id);
  else
    unhealthy_[event.tunnel_id] = event.cause;
  const TunnelPlan* plan = tunnel_of_child(ids_.tunnels.name_of(event.tunnel_id));
  if (plan == nullptr) return;
  std::string text;
  switch (event.cause) {
    case api::HealthCause::kHealthy:
      text = fmt::format("healthy again after {}", seconds_text(event.after_ms));
      break;
    case api::HealthCause::kHold:
      text = fmt::format("nothing is wrong any more: it may carry traffic if that lasts for {}",
                         seconds_text(event.hold_ms));
      break;
    case api::HealthCause::kProbe:
      text = fmt::format("unhealthy: no answer to its probes for {} ms", event.after_ms);
      break;
    default:
      text = "unhealthy: " + health_text(*plan, event.cause);
  }
  events_.add("tunnel", plan->name, text);
}

void Daemon::on_group(const api::GroupChanged& event) {
  const auto members = members_.find(event.group_id);
  if (members == members_.end() || members->second.empty()) return;
  const TunnelPlan* plan = tunnel_of_child(ids_.tunnels.name_of(members->second.front()));
  const std::set<std::string> before =
      plan == nullptr ? std::set<std::string>() : carrying_tunnels(plan->connection);
  carrying_[event.group_id] = those_of(event.carrying, members->second);
  if (plan == nullptr) return;
  const std::set<std::string> now = carrying_tunnels(plan->connection);
  if (now != before) events_.add("connection", plan->connection, carriers_changed(before, now));
}

std::set<std::string> Daemon::carrying_tunnels(const std::string& connection) const {
  std::set<std::string> names;
  for (const ChildGroup& group : child_groups(gateway_, gateway_.connections.at(connection))) {
    const auto id = ids_.groups.find(group.name);
    const auto found = id ? carrying_.find(*id) : carrying_.end();
    if (found == carrying_.end()) continue;
    for (const uint32_t tunnel : found->second) {
      const TunnelPlan* plan = tunnel_of_child(ids_.tunnels.name_of(tunnel));
      if (plan != nullptr) names.insert(plan->name);
    }
  }
  return names;
}

std::set<uint32_t> Daemon::carriers() const {
  std::set<uint32_t> tunnels;
  for (const auto& [group, its_tunnels] : carrying_) {
    if (ids_.groups.name_of(group).starts_with(kConnectionGroup))
      tunnels.insert(its_tunnels.begin(), its_tunnels.end());
  }
  return tunnels;
}

bool Daemon::is_among(const TunnelPlan& plan, const std::set<uint32_t>& tunnels) const {
  return std::any_of(plan.children.begin(), plan.children.end(), [&](const ChildPlan& child) {
    const auto id = ids_.tunnels.find(bounded_name(child.name));
    return id && tunnels.contains(*id);
  });
}

api::HealthCause Daemon::health_of(const TunnelPlan& plan) const {
  for (const ChildPlan& child : plan.children) {
    const auto id = ids_.tunnels.find(bounded_name(child.name));
    const auto found = id ? unhealthy_.find(*id) : unhealthy_.end();
    if (found != unhealthy_.end()) return found->second;
  }
  return api::HealthCause::kHealthy;
}

}  // namespace sallyport::control
