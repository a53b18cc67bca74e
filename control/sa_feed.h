// SPDX-License-Identifier: BSD-3-Clause
// Carries SAs from charon's plugin to the dataplane and what the dataplane says about them back. Inbound SAs
// are acknowledged when the dataplane has them; keys pass through and are kept nowhere. It speaks to the
// plugin only while the dataplane is connected: no reader, no SPI. Main thread.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/activation.h"
#include "control/dataplane_client.h"
#include "control/event_log.h"
#include "control/sa_ledger.h"
#include "control/shared_state_reader.h"
#include "vici-bridge/feed_reader.h"

namespace sallyport::control {

class SaFeed : public vici::FeedHandler {
 public:
  SaFeed(asio::io_context& io, std::string socket_path, DataplaneClient& dataplane,
         SharedStateReader& counters, EventLog& events);
  ~SaFeed() override;

  // Set before start().
  std::function<std::optional<uint32_t>(const std::string& tunnel)> tunnel_id;
  std::function<void()> on_sas_changed;  // what a tunnel can send on, or its CHILD_SAs
  std::function<void(const vici::FeedIkeEvent&)> on_ike;
  std::function<void(const vici::FeedAlert&)> on_tunnel_alert;
  std::function<void()> on_synchronized;  // a snapshot was taken over
  std::function<void(bool same_charon)> on_charon;
  std::function<void(const std::string&)> on_lost;

  // The dataplane has this capacity and what the ledger has learnt of it: speak to the plugin.
  void start(uint32_t workers, uint32_t slots);
  void stop();
  [[nodiscard]] bool connected() const { return synchronized_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }
  [[nodiscard]] const std::string& plugin_version() const { return plugin_version_; }
  // The charon whose SAs the dataplane holds; survives a restart of ours.
  [[nodiscard]] const Instance& instance() const { return instance_; }
  void remember_instance(const Instance& instance) { instance_ = instance; }

  [[nodiscard]] SaLedger& ledger() { return ledger_; }
  [[nodiscard]] const SaLedger& ledger() const { return ledger_; }
  [[nodiscard]] std::optional<MonotonicTime> last_inbound(const SaId& id) const;
  void send_stats();
  void delete_sa(const SaId& id);
  [[nodiscard]] Activation& activation() { return activation_; }
  [[nodiscard]] const Activation& activation() const { return activation_; }
  void on_dataplane_event(const api::Header& header, std::span<const uint8_t> bytes);

  void on_hello(const vici::FeedHello& hello) override;
  void on_snapshot_begin() override;
  void on_snapshot_end() override;
  void on_sa_add(vici::FeedSaAdd sa) override;
  void on_sa_update(const vici::FeedSaUpdate& update) override;
  void on_sa_del(const vici::FeedSaDel& del) override;
  void on_child_event(const vici::FeedChildEvent& event) override;
  void on_ike_event(const vici::FeedIkeEvent& event) override;
  void on_alert(const vici::FeedAlert& alert) override;
  void on_sa_expired(const vici::FeedSaExpired& expired) override;
  void on_feed_lost(const Error& error) override;

 private:
  void connect();
  void retry_later();
  void take(vici::FeedSaAdd sa);
  void install(const vici::FeedSaAdd& sa, uint32_t tunnel);
  void installed(const SaId& id, const std::string& tunnel, const DataplaneAnswer& answer);
  void refuse(const SaId& id, const std::string& tunnel, const std::string& why);

  asio::io_context& io_;
  std::string socket_path_;
  DataplaneClient& dataplane_;
  SharedStateReader& counters_;
  EventLog& events_;
  SaLedger ledger_;
  Activation activation_;  // reads the ledger
  asio::steady_timer retry_timer_;
  std::shared_ptr<vici::FeedReader> reader_;
  std::vector<vici::FeedSaAdd> snapshot_;
  Instance instance_{}, previous_instance_{};
  uint32_t workers_ = 0, slots_ = 0;
  std::string last_error_ = "not connected yet", plugin_version_;
  bool wanted_ = false, in_snapshot_ = false, synchronized_ = false;
};

}  // namespace sallyport::control
