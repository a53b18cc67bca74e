// SPDX-License-Identifier: BSD-3-Clause
#include "control/charon_config.h"

#include <fmt/format.h>
#include <string.h>

#include <cerrno>
#include <fstream>

namespace sallyport::control {
namespace {

std::chrono::seconds seconds(Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration);
}

// A lifetime of charon's: the rekey starts up to `spread` before `soft`.
template <typename Value>
void put_lifetime(const Value& soft, const Value& hard, std::optional<Value>& rekey,
                  std::optional<Value>& life, std::optional<Value>& spread) {
  if (soft == Value{}) return;
  rekey = soft;
  spread = soft / 10;
  if (hard != Value{}) life = hard;  // charon's default is a tenth beyond
}

void put_lifetimes(const Esp& esp, vici::ChildConfig& child) {
  put_lifetime(seconds(esp.rekey), seconds(esp.life), child.rekey_time, child.life_time, child.rand_time);
  put_lifetime(esp.rekey_bytes, esp.life_bytes, child.rekey_bytes, child.life_bytes, child.rand_bytes);
  put_lifetime(esp.rekey_packets, esp.life_packets, child.rekey_packets, child.life_packets,
               child.rand_packets);
}

vici::ChildConfig charon_child(const Connection& connection, const ChildPlan& plan) {
  vici::ChildConfig child;
  child.name = plan.name;
  child.esp_proposals = connection.esp.proposals;
  child.mode = "tunnel";
  for (const TrafficSelector& selector : plan.local)
    child.local_ts.push_back(selector.to_string());
  for (const TrafficSelector& selector : plan.remote)
    child.remote_ts.push_back(selector.to_string());
  put_lifetimes(connection.esp, child);
  child.replay_window = connection.esp.replay_window;
  // Retries are sallyportd's: charon gives up after one.
  child.start_action = "none";
  child.close_action = "none";
  child.dpd_action = "clear";
  return child;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && content.empty()) {
    return Error{fmt::format("cannot read {}", path), "check that the file is there and not empty"};
  }
  return content;
}

}  // namespace

Credentials::~Credentials() {
  for (std::string* secret : {&psk, &key})
    explicit_bzero(secret->data(), secret->capacity());
}

Auth auth_of(const Connection& connection, const TunnelPlan& tunnel) {
  Auth auth = connection.auth;
  if (auth.is_psk() && !tunnel.own.psk_file.empty()) auth.psk_file = tunnel.own.psk_file;
  return auth;
}

Identities identities(const Connection& connection, const TunnelPlan& tunnel) {
  return identities_of(connection, tunnel.public_address, tunnel.own, tunnel.local, tunnel.remote);
}

vici::ConnectionConfig charon_connection(const Connection& connection, const TunnelPlan& tunnel) {
  vici::ConnectionConfig config;
  config.name = tunnel.name;
  config.version = connection.ike.version;
  if (connection.ike.version == 1) config.aggressive = connection.ike.aggressive;
  config.local_addrs = {tunnel.local.to_string()};
  config.remote_addrs = {tunnel.remote.to_string()};
  config.proposals = connection.ike.proposals;
  config.encap = connection.esp.encap == Encap::kForce;
  if (connection.ike.version == 2) config.mobike = connection.mobike;
  config.send_cert = "always";
  config.fragmentation = "yes";
  // Two tunnels of a connection share their identities; another policy would let the second replace the
  // first.
  config.unique = "never";
  config.keyingtries = 1;
  config.dpd_delay = seconds(connection.dpd.delay);
  config.rekey_time = seconds(connection.ike.rekey);
  config.reauth_time = seconds(connection.ike.reauth);

  vici::AuthConfig local, remote;
  local.auth = remote.auth = connection.auth.is_psk() ? "psk" : "pubkey";
  const Identities ids = identities(connection, tunnel);
  local.id = ids.local;
  remote.id = ids.remote;
  config.local = {local};
  config.remote = {remote};
  for (const ChildPlan& child : tunnel.children)
    config.children.push_back(charon_child(connection, child));
  return config;
}

Result<Credentials> read_credentials(const Auth& auth) {
  Credentials credentials;
  const auto fill = [](const std::string& path, std::string& into) -> Result<void> {
    auto content = read_file(path);
    if (!content) return content.error();
    into = std::move(*content);
    return {};
  };
  if (auth.is_psk()) {
    if (const auto result = fill(auth.psk_file, credentials.psk); !result) return result.error();
    while (!credentials.psk.empty() && (credentials.psk.back() == '\n' || credentials.psk.back() == '\r')) {
      credentials.psk.pop_back();
    }
    return credentials;
  }
  if (const auto result = fill(auth.certificate, credentials.certificate); !result) return result.error();
  if (const auto result = fill(auth.key, credentials.key); !result) return result.error();
  if (const auto result = fill(auth.ca, credentials.ca); !result) return result.error();
  return credentials;
}

}  // namespace sallyport::control
