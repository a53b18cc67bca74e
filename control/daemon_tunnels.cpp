// SPDX-License-Identifier: BSD-3-Clause
// The daemon's tunnels: which there are, with which CHILD_SAs, and how charon is told to bring them up, down
// and to rekey them.
#include <fmt/format.h>

#include <algorithm>

#include "control/charon_config.h"
#include "control/daemon.h"

namespace sallyport::control {
namespace {

MonotonicTime now() {
  return std::chrono::steady_clock::now();
}

// Without what the dataplane alone is told: a change of that is no reason to negotiate anew.
Connection as_charon_sees(Connection connection) {
  connection.mode = {};
  connection.preempt = true;
  connection.weights.clear();
  connection.probe.reset();
  connection.tunnels.clear();
  return connection;
}
TunnelPlan as_charon_sees(TunnelPlan plan) {
  plan.preference = 0;
  plan.weight = 1;
  plan.own.inside_local.reset();
  plan.own.inside_remote.reset();
  plan.own.probe.reset();
  plan.own.weight.reset();
  return plan;
}

}  // namespace

void Daemon::plan_tunnels() {
  plans_ = all_tunnels(gateway_);
  tunnel_of_child_.clear();
  for (const auto& [name, plan] : plans_) {
    for (const ChildPlan& child : plan.children) {
      tunnel_of_child_[child.name] = name;
      tunnel_of_child_[bounded_name(child.name)] = name;  // in the dataplane
    }
  }
  std::erase_if(tunnels_, [this](const auto& entry) { return !plans_.contains(entry.first); });
  for (const auto& [name, plan] : plans_) {
    const bool held = state_.held_down.contains(plan.connection);
    if (const auto [it, is_new] = tunnels_.try_emplace(name); is_new && held)
      it->second.hold_down(true, now());
  }
}

const TunnelPlan* Daemon::tunnel_of_child(const std::string& child) const {
  const auto it = tunnel_of_child_.find(child);
  return it == tunnel_of_child_.end() ? nullptr : &plans_.at(it->second);
}

bool Daemon::can_send(const TunnelPlan& plan) const {
  const bool is_up = tunnels_.at(plan.name).state() == TunnelState::kUp;
  return std::any_of(plan.children.begin(), plan.children.end(),
                     [&](const ChildPlan& child) { return feed_.ledger().can_send(child.name, is_up); });
}

bool Daemon::has_all_children(const TunnelPlan& plan) const {
  return std::all_of(plan.children.begin(), plan.children.end(),
                     [this](const ChildPlan& child) { return feed_.ledger().has_living_child(child.name); });
}

// on_error: for each that fails, with the reason.
void Daemon::initiate_missing(const TunnelPlan& plan,
                              const std::function<void(const std::string&)>& on_error) {
  for (const ChildPlan& child : plan.children) {
    if (feed_.ledger().has_living_child(child.name)) continue;
    charon_.initiate(plan.name, child.name, [on_error](const std::string& error) {
      if (!error.empty()) on_error(error);
    });
  }
}

// Tunnels of `renew` get an IKE_SA of the new configuration beside the old one, which is retired when the new
// one carries packets. -> Those that charon gets something new of.
std::set<std::string> Daemon::load_charon(const std::set<std::string>& renew) {
  std::map<std::string, CharonLoad> loads;
  for (const auto& [name, plan] : plans_) {
    const Connection& connection = gateway_.connections.at(plan.connection);
    if (state_.held_down.contains(plan.connection)) continue;  // the peer must not bring it up either
    loads[name] = {as_charon_sees(connection), as_charon_sees(plan),
                   credentials_hash(auth_of(connection, plan))};
  }
  std::set<std::string> loaded;
  for (const std::string& name : charon_.want(std::move(loads))) {
    loaded.insert(name);
    const std::string& connection = plans_.at(name).connection;
    if (!renew.contains(connection) || !gateway_.connections.at(connection).initiate || !charon_.up())
      continue;
    for (const ChildPlan& child : plans_.at(name).children) {
      charon_.initiate(name, child.name, [this, name](const std::string& error) {
        if (!error.empty()) events_.add("charon", name, "could not be renewed: " + error);
      });
    }
  }
  return loaded;
}

std::optional<OperatorError> Daemon::unknown(const std::string& connection) const {
  if (gateway_.connections.contains(connection)) return std::nullopt;
  return OperatorError{404, fmt::format("there is no connection '{}'", connection),
                       "see: sallyport show connections"};
}

std::variant<std::string, OperatorError> Daemon::up(const std::string& connection) {
  if (auto error = unknown(connection)) return *error;
  state_.held_down.erase(connection);
  save_state();
  for (auto& [name, plan] : plans_) {
    if (plan.connection == connection) tunnels_.at(name).hold_down(false, now());
  }
  load_charon({});  // which may find a reason of its own why it can't come up
  for (auto& [name, plan] : plans_) {
    if (plan.connection != connection) continue;
    initiate_missing(plan, [this, name = name](const std::string& error) {
      events_.add("tunnel", name, "could not be initiated: " + error);
    });
  }
  return fmt::format("{}: bringing its tunnels up", connection);
}

std::variant<std::string, OperatorError> Daemon::down(const std::string& connection) {
  if (auto error = unknown(connection)) return *error;
  state_.held_down.insert(connection);
  save_state();
  for (auto& [name, plan] : plans_) {
    if (plan.connection != connection) continue;
    tunnels_.at(name).hold_down(true, now());
  }
  load_charon({});  // unloads it and ends its SAs
  return fmt::format("{}: taken down, and stays so until: sallyport up {}", connection, connection);
}

std::variant<std::string, OperatorError> Daemon::rekey(const std::string& connection) {
  if (auto error = unknown(connection)) return *error;
  if (!charon_.up()) return OperatorError{503, "charon is not running: " + charon_.last_error(), ""};
  size_t count = 0;
  for (const auto& [name, plan] : plans_) {
    if (plan.connection != connection) continue;
    bool is_up = false;
    for (const ChildPlan& child : plan.children) {
      if (!feed_.ledger().has_living_child(child.name)) continue;
      is_up = true;
      charon_.rekey(child.name, [this, name = child.name](const std::string& error) {
        if (!error.empty()) events_.add("tunnel", name, "could not be rekeyed: " + error);
      });
    }
    count += is_up;
  }
  if (count == 0) return OperatorError{409, connection + " has no tunnel up", "sallyport up " + connection};
  return fmt::format("{}: rekeying {} tunnel{}", connection, count, count == 1 ? "" : "s");
}

std::optional<MonotonicTime> Daemon::last_inbound_of(const TunnelPlan& plan) const {
  std::optional<MonotonicTime> last;
  for (const auto& [id, record] : feed_.ledger().records()) {
    if (!id.inbound || tunnel_of_child(record.policy.tunnel) != &plan) continue;
    const auto used = feed_.last_inbound(id);
    if (used && (!last || *used > *last)) last = used;
  }
  return last;
}

}  // namespace sallyport::control
