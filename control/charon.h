// SPDX-License-Identifier: BSD-3-Clause
// charon as seen over VICI: connects (again and again), keeps exactly the wanted connections loaded, and asks
// for exchanges. It is told no keys of SAs and tells none. Main thread.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "control/charon_config.h"
#include "vici-bridge/commands.h"
#include "vici-bridge/session.h"

namespace sallyport::control {

// What is loaded for one tunnel; compared to find what an apply touched.
struct CharonLoad {
  Connection connection;
  TunnelPlan tunnel;
  size_t credentials_hash = 0;
  bool operator==(const CharonLoad&) const = default;
};

class Charon {
 public:
  Charon(asio::io_context& io, std::string socket_path);

  // Set before start(). up: every wanted connection has been offered to charon. down: with the reason in
  // words.
  std::function<void(const vici::VersionInfo&)> on_up;
  std::function<void(const std::string&)> on_down;
  std::function<void(const std::string& tunnel)> on_loading;
  std::function<void(const std::string& tunnel, const Error&)> on_load_failed;

  void start() { connect(); }
  void stop();
  [[nodiscard]] bool up() const { return up_; }
  [[nodiscard]] const std::string& version() const { return version_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

  // Loads what is new or changed, unloads what is gone (and ends its SAs). Names of those that changed are
  // returned.
  std::vector<std::string> want(std::map<std::string, CharonLoad> loads);

  using Done = std::function<void(const std::string& error)>;  // empty: done
  // child: one of the tunnel's CHILD_SAs, by its name in the configuration.
  void initiate(const std::string& tunnel, const std::string& child, Done done);
  void terminate_ike(uint32_t ike_id, Done done);
  void terminate_child(uint32_t child_id, Done done);
  void rekey(const std::string& child, Done done);
  void list(std::function<void(const std::vector<vici::IkeSa>&)> on);

 private:
  void connect();
  void lost(const std::string& reason);
  void reconcile(const vici::Strings& present);
  void load(const std::string& name, const CharonLoad& wanted);
  void load_credentials(const std::string& name, const CharonLoad& wanted);
  void unload(const std::string& name);
  vici::Done report(const std::string& name);

  asio::io_context& io_;
  std::string socket_path_;
  asio::steady_timer retry_timer_;
  std::chrono::milliseconds backoff_{100};
  // Loading, exchanges, and list-sas, which waits for busy IKE_SAs, must not wait for each other.
  std::shared_ptr<vici::Session> loading_, acting_, listing_;
  std::map<std::string, CharonLoad> wanted_;
  std::string version_, last_error_ = "not connected yet";
  bool up_ = false;
  bool stopped_ = false;
};

// Of the contents of a connection's files, so that a renewed certificate is loaded again.
[[nodiscard]] size_t credentials_hash(const Auth& auth);

}  // namespace sallyport::control
