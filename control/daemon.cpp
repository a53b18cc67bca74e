// SPDX-License-Identifier: BSD-3-Clause
#include "control/daemon.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/post.hpp>
#include <fstream>
#include <iterator>

#include "control/addresses.h"
#include "control/config/diff.h"

namespace sallyport::control {
namespace {

constexpr std::chrono::milliseconds kTick{250};
constexpr uint64_t kTicksPerSecond = 4;
constexpr uint64_t kTicksPerRetry = 5 * kTicksPerSecond;  // of what the dataplane refused
constexpr std::chrono::seconds kPluginPatience{5};

MonotonicTime now() {
  return std::chrono::steady_clock::now();
}

// What a running dataplane can't become.
std::optional<OperatorError> needs_restart(const Gateway& running, const Gateway& wanted,
                                           uint32_t max_mtu_bytes) {
  const char* const hint = "stop the gateway and start it with the new file";
  GatewaySettings settings = wanted.settings;
  settings.name = running.settings.name;
  settings.audit = running.settings.audit;
  if (settings != running.settings) {
    return OperatorError{
        409, "workers, idle, hugepages, memory and sa_capacity cannot change while the gateway runs", hint};
  }
  for (const auto& [name, port] : wanted.ports) {
    const auto now = running.ports.find(name);
    if (now != running.ports.end() && now->second.device != port.device) {
      return OperatorError{
          409, fmt::format("port {} cannot change its device while the gateway runs", name),
          "give the new port another name, or stop the gateway and start it with the new file"};
    }
    if (port.mtu_bytes <= max_mtu_bytes) continue;
    return OperatorError{
        409,
        fmt::format("port {}: the running dataplane's packet buffers fit an MTU of {}, not {}", name,
                    max_mtu_bytes, port.mtu_bytes),
        hint};
  }
  // Its SAs, and what the peer sends on them, stay in the network that they were made for.
  for (const auto& [name, connection] : wanted.connections) {
    const auto now = running.connections.find(name);
    if (now == running.connections.end() || now->second.virtual_network == connection.virtual_network)
      continue;
    return OperatorError{
        409,
        fmt::format("connections.{}: cannot move from virtual network {} to {} while the gateway runs", name,
                    now->second.virtual_network, connection.virtual_network),
        "take the connection out, apply, put it into the other network and apply again, or give it another "
        "name"};
  }
  return std::nullopt;
}

}  // namespace

Daemon::Daemon(asio::io_context& io, DaemonOptions options)
    : io_(io),
      options_(std::move(options)),
      networks_(io, options_.netns_prefix, [this](const std::string&) { rebuild_soon(); }),
      dataplane_(io, options_.run_dir + "/dataplane.sock"),
      feed_(io, options_.run_dir + "/feed.sock", dataplane_, counters_, events_),
      charon_(io, options_.run_dir + "/vici.sock"),
      timer_(io) {
  wire();
}

Daemon::~Daemon() {
  stop();
}

void Daemon::wire() {
  dataplane_.on_connected = [this](const api::HelloReply& hello) { on_dataplane(hello); };
  dataplane_.on_disconnected = [this](const std::string& reason) {
    adopted_ = false;
    feed_.stop();  // without a dataplane nothing can be negotiated
    events_.add("dataplane", "dataplane", "connection lost: " + reason);
  };
  dataplane_.on_event = [this](const api::Header& header, std::span<const uint8_t> bytes) {
    if (adopted_) on_dataplane_event(header, bytes);
  };
  feed_.tunnel_id = [this](const std::string& tunnel) -> std::optional<uint32_t> {
    return tunnel_of_child(tunnel) != nullptr ? ids_.tunnels.find(bounded_name(tunnel)) : std::nullopt;
  };
  feed_.activation().is_ikev1 = [this](const std::string& tunnel) {
    const TunnelPlan* plan = tunnel_of_child(tunnel);
    return plan != nullptr && gateway_.connections.at(plan->connection).ike.version == 1;
  };
  feed_.on_sas_changed = [this] { review_soon(); };
  feed_.on_ike = [this](const vici::FeedIkeEvent& event) {
    if (const auto it = tunnels_.find(event.ike_name); it != tunnels_.end()) it->second.on_ike(event, now());
    review_soon();
  };
  feed_.on_tunnel_alert = [this](const vici::FeedAlert& alert) {
    on_alert(alert);
    review_soon();
  };
  feed_.on_charon = [this](bool same_charon) {
    if (!same_charon) {
      for (auto& [name, tunnel] : tunnels_)
        tunnel.on_charon_lost();
      retired_.clear();  // it counts its SAs anew
      retired_children_.clear();
    }
    state_.charon = feed_.instance();
    save_state();
  };
  feed_.on_synchronized = [this] {
    plugin_missing_told_ = false;
    charon_.list([this](const std::vector<vici::IkeSa>& sas) {
      for (const vici::IkeSa& sa : sas) {
        const auto it = tunnels_.find(sa.name);
        if (it != tunnels_.end() && sa.state == "ESTABLISHED") {
          it->second.seed(sa.unique_id, static_cast<uint8_t>(sa.version));
        }
      }
    });
  };
  feed_.on_lost = [this](const std::string& why) {
    events_.add("charon", "feed", "lost: " + why);
    for (auto& [name, tunnel] : tunnels_)
      tunnel.on_charon_lost();  // what happens now is not told
  };
  charon_.on_up = [this](const vici::VersionInfo& version) {
    charon_up_since_ = now();
    events_.add("charon", "charon", fmt::format("connected: strongSwan {}", version.version));
    for (auto& [name, tunnel] : tunnels_)
      tunnel.retry_at_once(now());
  };
  charon_.on_down = [this](const std::string& why) {
    charon_up_since_.reset();
    events_.add("charon", "charon", "connection lost: " + why);
    for (auto& [name, tunnel] : tunnels_)
      tunnel.on_charon_lost();
  };
  charon_.on_loading = [this](const std::string& tunnel) {
    if (const auto it = tunnels_.find(tunnel); it != tunnels_.end()) it->second.loading();
  };
  charon_.on_load_failed = [this](const std::string& tunnel, const Error& error) {
    events_.add("charon", tunnel, "could not be loaded: " + error.text());
    if (const auto it = tunnels_.find(tunnel); it != tunnels_.end()) it->second.load_failed(error.text());
  };
}

// charon may give up before it knows which connection it is: then each that it can be hears of it.
void Daemon::on_alert(const vici::FeedAlert& alert) {
  const auto named = tunnels_.find(alert.ike_name);
  if (named != tunnels_.end()) return named->second.on_alert(alert, now());
  for (auto& [name, tunnel] : tunnels_) {
    const TunnelPlan& plan = plans_.at(name);
    if (from_api(to_api(alert.local)) == plan.local && from_api(to_api(alert.remote)) == plan.remote)
      tunnel.on_alert(alert, now());
  }
}

void Daemon::start(Gateway gateway, RunState state) {
  gateway_ = std::move(gateway);
  state_ = std::move(state);
  networks_.remember(state_.made);
  feed_.remember_instance(state_.charon);
  try {
    networks_.apply(gateway_);
  } catch (...) {
    state_.made = networks_.made();
    save_state();  // so that a cleanup finds what was made before the failure
    throw;
  }
  save_state();
  plan_tunnels();
  load_charon({});
  dataplane_.start();
  charon_.start();
  tick();
}

void Daemon::stop() {
  timer_.cancel();
  charon_.stop();
  feed_.stop();
  dataplane_.stop();
  events_.close();
}

void Daemon::save_state() {
  state_.made = networks_.made();
  try {
    save_run_state(options_.run_dir, state_);
  } catch (const std::system_error& error) {
    spdlog::error("{}", error.what());
  }
}

std::optional<OperatorError> Daemon::apply(const Gateway& wanted, const std::string& text,
                                           const std::string& base_dir) {
  if (auto error = needs_restart(gateway_, wanted, adopted_ ? hello_.max_mtu_bytes : UINT32_MAX))
    return error;
  const Touched reached = touched(gateway_, wanted);
  try {
    networks_.apply(wanted);
  } catch (const std::system_error& error) {
    const std::string why = error.what();
    try {
      networks_.apply(gateway_);
    } catch (const std::system_error& second) {
      spdlog::error("going back to the old configuration: {}", second.what());
    }
    return OperatorError{500, "Linux refused the configuration, the old one stays: " + why, ""};
  }
  try {
    write_file_atomically(options_.run_dir + "/gateway.yaml", text);
  } catch (const std::system_error& error) {
    networks_.apply(gateway_);
    return OperatorError{500, error.what(), ""};
  }
  std::erase_if(ports_, [&](const auto& entry) { return !wanted.ports.contains(entry.first); });
  gateway_ = wanted;
  state_.base_dir = base_dir;
  std::erase_if(state_.held_down, [this](const auto& name) { return !gateway_.connections.contains(name); });
  const std::map<std::string, TunnelPlan> before = plans_;
  plan_tunnels();
  save_state();
  for (const auto& [name, plan] : plans_) {
    if (reached.connections.contains(plan.connection)) tunnels_.at(name).start_over(now());
  }
  outdate_sas(before, load_charon(reached.connections));
  events_.add("config", gateway_.settings.name, "applied");
  rebuild_soon();
  review_soon();
  return std::nullopt;
}

std::string Daemon::config_text() const {
  std::ifstream file(options_.run_dir + "/gateway.yaml", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Daemon::review_soon() {
  if (std::exchange(review_pending_, true)) return;
  asio::post(io_, [this] {
    review_pending_ = false;
    review();
  });
}

void Daemon::review() {
  if (!adopted_) return;
  for (auto& [name, tunnel] : tunnels_) {
    const TunnelPlan& plan = plans_.at(name);
    const Sending sending = !can_send(plan)          ? Sending::kNothing
                            : has_all_children(plan) ? Sending::kAll
                                                     : Sending::kSome;
    if (!tunnel.review(sending, last_inbound_of(plan), now())) continue;
    const bool has_reason =
        !tunnel.reason().empty() && !(tunnel.state() == TunnelState::kUp && tunnel.why().is_authentication());
    const std::string why = has_reason ? ": " + tunnel.reason() : "";
    events_.add("tunnel", name, to_string(tunnel.state()) + why);
  }
  std::set<std::string> used_groups;
  rebuild_connections(used_groups);
  // Routes over several connections carry the members themselves.
  rebuild_soon();
  commit();
}

// From the dataplane; charon doesn't know them.
void Daemon::remove_sas(const std::vector<SaId>& ids, const char* why) {
  for (const SaId& id : ids) {
    const SaRecord* record = feed_.ledger().find(id);
    if (record == nullptr || record->state == SaState::kDeleting) continue;
    events_.add("sa", record->policy.tunnel, fmt::format("SA {:08x} {}, and is removed", id.spi, why));
    feed_.delete_sa(id);
  }
  if (!ids.empty()) review_soon();
}

// SAs of tunnels that the operator has taken down or out of the configuration, and that no charon ends.
std::vector<SaId> Daemon::unwanted_sas() const {
  std::vector<SaId> ids;
  for (const auto& [id, record] : feed_.ledger().records()) {
    if (feed_.connected() && !record.orphan) continue;
    const TunnelPlan* plan = tunnel_of_child(record.policy.tunnel);
    if (plan == nullptr || state_.held_down.contains(plan->connection)) ids.push_back(id);
  }
  return ids;
}

// After an apply. `before`: the plans until then; `loaded`: those that charon got anew.
void Daemon::outdate_sas(const std::map<std::string, TunnelPlan>& before,
                         const std::set<std::string>& loaded) {
  for (const auto& [name, plan] : before) {
    if (plans_.contains(name) && !loaded.contains(name)) continue;
    for (const ChildPlan& child : plan.children) {
      Outdated how = Outdated::kGone;
      if (const TunnelPlan* now = tunnel_of_child(child.name)) {
        const bool same = std::find(now->children.begin(), now->children.end(), child) != now->children.end();
        how = same ? Outdated::kReplaceable : Outdated::kOther;
      }
      feed_.ledger().outdate(child.name, how);
    }
  }
}

// charon makes the CHILD_SAs of a changed configuration in the same IKE_SA, where it can, and renews the old
// ones for ever.
void Daemon::end_left_behind() {
  if (!charon_.up()) return;
  const LeftBehind left = feed_.ledger().left_behind(now());
  const auto unless_done = [](std::set<uint32_t>& done, uint32_t id) {
    return [&done, id](const std::string& error) {
      if (!error.empty()) done.erase(id);
    };
  };
  for (const uint32_t id : left.child_sas) {
    if (!retired_children_.insert(id).second) continue;
    spdlog::info("charon: CHILD SA {} is of an older configuration", id);
    charon_.terminate_child(id, unless_done(retired_children_, id));
  }
  for (const uint32_t id : left.ike_sas) {
    if (retired_.insert(id).second) charon_.terminate_ike(id, unless_done(retired_, id));
  }
}

void Daemon::retire() {
  if (!feed_.connected()) {
    if (!adopted_) return;
    remove_sas(feed_.ledger().expired(now()), "is past its hard lifetime");
    remove_sas(unwanted_sas(), "is no longer wanted");
    return;
  }
  const auto last_use = [this](const SaId& id) { return feed_.last_inbound(id); };
  const Superfluous superfluous = feed_.ledger().superfluous(last_use, now());
  remove_sas(superfluous.orphans, "of a charon that is gone is replaced");
  remove_sas(unwanted_sas(), "of a charon that is gone is no longer wanted");
  end_left_behind();
  for (const uint32_t ike_id : superfluous.ike_sas) {
    if (!charon_.up() || !retired_.insert(ike_id).second) continue;
    spdlog::info("charon: IKE SA {} is replaced by a newer one", ike_id);
    charon_.terminate_ike(ike_id, [this, ike_id](const std::string& error) {
      if (!error.empty()) retired_.erase(ike_id);
    });
  }
}

// charon answers on VICI but our plugin doesn't: then it has no SAs for us, whatever it says.
void Daemon::check_plugin() {
  if (!charon_.up() || !charon_up_since_ || !adopted_ || feed_.connected() || plugin_missing_told_) return;
  if (now() - *charon_up_since_ < kPluginPatience) return;
  plugin_missing_told_ = true;
  events_.add(
      "charon", "plugin",
      fmt::format(
          "strongSwan {} runs without a working kernel-sallyport plugin ({}): install the plugin that was "
          "built for this version, and see charon's log",
          charon_.version(), feed_.last_error()));
}

void Daemon::on_second() {
  feed_.send_stats();
  retire();
  check_plugin();
}

void Daemon::tick() {
  ++ticks_;
  if (charon_.up() && feed_.connected()) {
    for (auto& [name, tunnel] : tunnels_) {
      const TunnelPlan& plan = plans_.at(name);
      if (!gateway_.connections.at(plan.connection).initiate) continue;
      if (!tunnel.take_attempt(has_all_children(plan), now(), random_)) continue;
      initiate_missing(plan, [this, name = name](const std::string& error) {
        const auto it = tunnels_.find(name);
        if (it != tunnels_.end()) it->second.attempt_failed(error);
      });
    }
  }
  if (ticks_ % kTicksPerSecond == 0) on_second();
  if (ticks_ % kTicksPerRetry == 0 && std::exchange(refused_, false)) rebuild_soon();
  const bool any_awaits = std::any_of(tunnels_.begin(), tunnels_.end(),
                                      [](const auto& entry) { return entry.second.awaits_review(); });
  if (any_awaits) review_soon();
  timer_.expires_after(kTick);
  timer_.async_wait([this](asio::error_code error) {
    if (!error) tick();
  });
}

}  // namespace sallyport::control
