// SPDX-License-Identifier: BSD-3-Clause
// sallyportd's state and its wiring: configuration, Linux, charon and dataplane brought into agreement.
// Everything here runs on the one thread of the io_context.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <random>
#include <string>
#include <variant>

#include "control/charon.h"
#include "control/config/gateway.h"
#include "control/config/parse.h"
#include "control/dataplane_client.h"
#include "control/dataplane_tables.h"
#include "control/ecmp.h"
#include "control/event_log.h"
#include "control/liveness.h"
#include "control/model.h"
#include "control/networks.h"
#include "control/run_state.h"
#include "control/sa_feed.h"
#include "control/shared_state_reader.h"
#include "control/why.h"

namespace sallyport::control {

struct DaemonOptions {
  std::string run_dir = "/run/sallyport";
  std::string netns_prefix = "sp-";
};

// A problem of the operator's making or of the machine: what, and what to do.
struct OperatorError {
  int http_status = 400;
  std::string error, hint;
};

class Daemon {
 public:
  Daemon(asio::io_context& io, DaemonOptions options);
  ~Daemon();

  // Takes the configuration in force and begins. Throws std::system_error when Linux refuses.
  void start(Gateway gateway, RunState state);
  void stop();
  [[nodiscard]] EventLog& events() { return events_; }

  // Makes `wanted` the configuration in force, in full or not at all; text is kept as it is.
  [[nodiscard]] std::optional<OperatorError> apply(const Gateway& wanted, const std::string& text,
                                                   const std::string& base_dir);
  [[nodiscard]] const Gateway& gateway() const { return gateway_; }
  // As apply() took them.
  [[nodiscard]] std::string config_text() const;
  [[nodiscard]] const std::string& base_dir() const { return state_.base_dir; }

  // Answers with a sentence, or the error.
  [[nodiscard]] std::variant<std::string, OperatorError> up(const std::string& connection);
  [[nodiscard]] std::variant<std::string, OperatorError> down(const std::string& connection);
  [[nodiscard]] std::variant<std::string, OperatorError> rekey(const std::string& connection);

  // Why each tunnel of a connection is up or not, and what to do (daemon_why.cpp).
  [[nodiscard]] std::variant<nlohmann::json, OperatorError> why(const std::string& connection);

  // The API's answers (daemon_views.cpp).
  [[nodiscard]] nlohmann::json show_version() const;
  [[nodiscard]] nlohmann::json show_gateway() const;
  [[nodiscard]] nlohmann::json show_ports();
  [[nodiscard]] nlohmann::json show_connections() const;
  [[nodiscard]] nlohmann::json show_tunnels() const;
  [[nodiscard]] nlohmann::json show_sas() const;
  [[nodiscard]] nlohmann::json show_routes() const;
  [[nodiscard]] nlohmann::json show_neighbours();
  [[nodiscard]] nlohmann::json show_drops() const;

 private:
  struct PortState {
    api::Mac mac{};
    bool known = false, link_up = false, mirror_given = false;
    std::string error;
  };
  struct Inventory;  // what the dataplane was found to hold

  void wire();
  // dataplane (daemon_dataplane.cpp)
  void on_dataplane(const api::HelloReply& hello);
  void take_inventory(std::shared_ptr<Inventory> inventory, size_t next);
  void adopt(const Inventory& inventory);
  void adopt_sas(const Inventory& inventory);
  void on_dataplane_event(const api::Header& header, std::span<const uint8_t> bytes);
  void on_neighbour_wanted(const api::NeighbourWanted& event);
  void on_port_dump(const std::vector<Bytes>& items);
  void give_mirrors();
  void commit();
  void on_refused(const TableRequest& request, const DataplaneAnswer& answer);
  // desired tables (daemon_tables.cpp)
  void rebuild_soon();
  void rebuild();
  void rebuild_base();
  void rebuild_public(std::set<std::string>& used_neighbours);
  void rebuild_connections(std::set<std::string>& used_groups);
  void rebuild_network(const VirtualNetwork& network, std::set<std::string>& used_groups,
                       std::set<std::string>& used_neighbours);
  [[nodiscard]] api::SetTunnel tunnel_message(const TunnelPlan& plan, size_t child, uint32_t neighbour_id);
  void add_members(api::SetGroup& group, const TunnelPlan& plan, const std::vector<size_t>& children);
  [[nodiscard]] api::SetGroup group_of(const Connection& connection, const ChildGroup& children);
  // The group of one tunnel alone.
  [[nodiscard]] api::SetGroup group_of(const TunnelPlan& plan);
  [[nodiscard]] std::string port_key(const std::string& port) const;
  [[nodiscard]] std::optional<uint32_t> port_id(const std::string& port) const;
  // health (daemon_health.cpp)
  void on_health(const api::HealthChanged& event);
  void on_group(const api::GroupChanged& event);
  void learn_carrying(const api::SetGroup& group);
  // Of a connection, by the names of its IKE connections.
  [[nodiscard]] std::set<std::string> carrying_tunnels(const std::string& connection) const;
  // Tunnels of the dataplane that carry traffic of their connection.
  [[nodiscard]] std::set<uint32_t> carriers() const;
  [[nodiscard]] bool is_among(const TunnelPlan& plan, const std::set<uint32_t>& tunnels) const;
  [[nodiscard]] api::HealthCause health_of(const TunnelPlan& plan) const;
  // Why it isn't healthy, in words.
  [[nodiscard]] std::string health_text(const TunnelPlan& plan, api::HealthCause cause) const;
  // tunnels (daemon_tunnels.cpp)
  void plan_tunnels();
  // Of one of its CHILD_SAs; nothing when the configuration has none of that name.
  [[nodiscard]] const TunnelPlan* tunnel_of_child(const std::string& child) const;
  [[nodiscard]] bool can_send(const TunnelPlan& plan) const;
  [[nodiscard]] bool has_all_children(const TunnelPlan& plan) const;
  void initiate_missing(const TunnelPlan& plan, const std::function<void(const std::string&)>& on_error);
  std::set<std::string> load_charon(const std::set<std::string>& renew);
  void on_alert(const vici::FeedAlert& alert);
  void review();
  void review_soon();
  void remove_sas(const std::vector<SaId>& ids, const char* why);
  std::vector<SaId> unwanted_sas() const;
  void outdate_sas(const std::map<std::string, TunnelPlan>& before, const std::set<std::string>& loaded);
  void end_left_behind();
  void retire();
  void on_second();
  void tick();
  void check_plugin();
  void save_state();
  [[nodiscard]] std::optional<OperatorError> unknown(const std::string& connection) const;
  [[nodiscard]] std::optional<MonotonicTime> last_inbound_of(const TunnelPlan& plan) const;
  [[nodiscard]] nlohmann::json tunnel_view(const TunnelPlan& plan, bool carries) const;
  [[nodiscard]] TunnelFacts facts_of(const TunnelPlan& plan);

  asio::io_context& io_;
  DaemonOptions options_;
  MonotonicTime started_ = std::chrono::steady_clock::now();
  EventLog events_;
  Gateway gateway_;
  RunState state_;
  Ids ids_;
  Networks networks_;
  DataplaneClient dataplane_;
  DataplaneTables tables_;
  SharedStateReader counters_;
  SaFeed feed_;
  Charon charon_;
  asio::steady_timer timer_;
  std::minstd_rand random_{std::random_device{}()};
  api::HelloReply hello_{};
  bool adopted_ = false;  // the dataplane is connected and what it holds is known
  bool rebuild_pending_ = false, review_pending_ = false, plugin_missing_told_ = false;
  uint64_t ticks_ = 0;
  bool refused_ = false;
  std::string last_refusal_;
  std::optional<MonotonicTime> charon_up_since_;
  std::map<std::string, PortState> ports_;
  std::set<std::string> tunnel_mirrors_given_;  // virtual networks
  std::map<std::string, TunnelPlan> plans_;
  std::map<std::string, std::string> tunnel_of_child_;
  std::map<std::string, TunnelLiveness> tunnels_;
  std::set<uint32_t> retired_;                // IKE_SAs that charon was asked to end
  std::set<uint32_t> retired_children_;       // the same of CHILD_SAs
  std::map<std::string, uint32_t> path_mtu_;  // by tunnel, as the dataplane last said
  // As the dataplane last said, by its tunnel; those that are not there are healthy.
  std::map<uint32_t, api::HealthCause> unhealthy_;
  // By next-hop group of a connection: its members, in their order, and those of them that carry.
  std::map<uint32_t, std::vector<uint32_t>> members_;
  std::map<uint32_t, std::set<uint32_t>> carrying_;
};

}  // namespace sallyport::control
