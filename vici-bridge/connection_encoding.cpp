// SPDX-License-Identifier: BSD-3-Clause
// ConnectionConfig as the sections and keys of load-conn, which are those of swanctl.conf(5). Pure, any
// thread.
#include "vici-bridge/commands.h"

namespace sallyport::vici {
namespace {

void put(Message& section, std::string_view key, const std::string& value) {
  if (!value.empty()) section.set(key, value);
}

void put(Message& section, std::string_view key, const Strings& values) {
  if (!values.empty()) section.set_list(key, values);
}

void put(Message& section, std::string_view key, const std::optional<bool>& value) {
  if (value) section.set(key, *value ? "yes" : "no");
}

template <typename Number>
void put(Message& section, std::string_view key, const std::optional<Number>& value) {
  if (value) section.set(key, std::to_string(*value));
}

void put(Message& section, std::string_view key, const std::optional<Seconds>& value) {
  if (value) section.set(key, std::to_string(value->count()));
}

void put_auth(Message& section, const AuthConfig& auth) {
  put(section, "auth", auth.auth);
  put(section, "id", auth.id);
  put(section, "eap_id", auth.eap_id);
  put(section, "aaa_id", auth.aaa_id);
  put(section, "xauth_id", auth.xauth_id);
  put(section, "certs", auth.certs);
  put(section, "cacerts", auth.cacerts);
  put(section, "pubkeys", auth.pubkeys);
  put(section, "groups", auth.groups);
  put(section, "cert_policy", auth.cert_policy);
  put(section, "revocation", auth.revocation);
}

void put_child_lifetimes(Message& section, const ChildConfig& child) {
  put(section, "rekey_time", child.rekey_time);
  put(section, "life_time", child.life_time);
  put(section, "rand_time", child.rand_time);
  put(section, "rekey_bytes", child.rekey_bytes);
  put(section, "life_bytes", child.life_bytes);
  put(section, "rand_bytes", child.rand_bytes);
  put(section, "rekey_packets", child.rekey_packets);
  put(section, "life_packets", child.life_packets);
  put(section, "rand_packets", child.rand_packets);
  put(section, "inactivity", child.inactivity);
}

void put_child(Message& section, const ChildConfig& child) {
  put(section, "esp_proposals", child.esp_proposals);
  put(section, "ah_proposals", child.ah_proposals);
  put(section, "local_ts", child.local_ts);
  put(section, "remote_ts", child.remote_ts);
  put(section, "mode", child.mode);
  put_child_lifetimes(section, child);
  put(section, "replay_window", child.replay_window);
  put(section, "reqid", child.reqid);
  put(section, "start_action", child.start_action);
  put(section, "close_action", child.close_action);
  put(section, "dpd_action", child.dpd_action);
  put(section, "policies", child.policies);
  put(section, "copy_df", child.copy_df);
  put(section, "copy_ecn", child.copy_ecn);
  put(section, "copy_dscp", child.copy_dscp);
  put(section, "hw_offload", child.hw_offload);
  put(section, "updown", child.updown);
  put(section, "if_id_in", child.if_id_in);
  put(section, "if_id_out", child.if_id_out);
  put(section, "mark_in", child.mark_in);
  put(section, "mark_out", child.mark_out);
}

void put_ike(Message& section, const ConnectionConfig& connection) {
  put(section, "version", connection.version);
  put(section, "local_addrs", connection.local_addrs);
  put(section, "remote_addrs", connection.remote_addrs);
  put(section, "local_port", connection.local_port);
  put(section, "remote_port", connection.remote_port);
  put(section, "proposals", connection.proposals);
  put(section, "vips", connection.vips);
  put(section, "pools", connection.pools);
  put(section, "aggressive", connection.aggressive);
  put(section, "pull", connection.pull);
  put(section, "encap", connection.encap);
  put(section, "mobike", connection.mobike);
  put(section, "childless", connection.childless);
  put(section, "fragmentation", connection.fragmentation);
  put(section, "send_cert", connection.send_cert);
  put(section, "send_certreq", connection.send_certreq);
  put(section, "unique", connection.unique);
  put(section, "dscp", connection.dscp);
  put(section, "keyingtries", connection.keyingtries);
  put(section, "dpd_delay", connection.dpd_delay);
  put(section, "dpd_timeout", connection.dpd_timeout);
  put(section, "rekey_time", connection.rekey_time);
  put(section, "reauth_time", connection.reauth_time);
  put(section, "over_time", connection.over_time);
  put(section, "rand_time", connection.rand_time);
  put(section, "ppk_id", connection.ppk_id);
  put(section, "ppk_required", connection.ppk_required);
}

}  // namespace

Message encode_connection(const ConnectionConfig& connection) {
  Message message;
  Message& section = message.section(connection.name);
  put_ike(section, connection);
  // charon takes the rounds in the order they come.
  for (size_t i = 0; i < connection.local.size(); i++) {
    put_auth(section.section("local-" + std::to_string(i + 1)), connection.local[i]);
  }
  for (size_t i = 0; i < connection.remote.size(); i++) {
    put_auth(section.section("remote-" + std::to_string(i + 1)), connection.remote[i]);
  }
  if (!connection.children.empty()) {
    Message& children = section.section("children");
    for (const ChildConfig& child : connection.children)
      put_child(children.section(child.name), child);
  }
  return message;
}

Message encode_target(const Target& target) {
  Message message;
  put(message, "child", target.child);
  put(message, "ike", target.ike);
  put(message, "child-id", target.child_id);
  put(message, "ike-id", target.ike_id);
  return message;
}

}  // namespace sallyport::vici
