// SPDX-License-Identifier: BSD-3-Clause
// What the typed VICI commands take and return. Plain values; names follow swanctl.conf(5), units are in the
// names or types. An unset optional or empty list leaves charon's default.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::vici {

using Seconds = std::chrono::seconds;
using Strings = std::vector<std::string>;

// One round of authentication; swanctl's local<n> and remote<n> sections.
struct AuthConfig {
  std::string auth{};  // psk, pubkey, pubkey-sha256, eap-mschapv2, eap-tls, eap-radius, xauth...
  std::string id{};    // IKE identity
  std::string eap_id{};
  std::string aaa_id{};
  std::string xauth_id{};
  Strings certs{};    // whole certificates, PEM or DER
  Strings cacerts{};  // whole CA certificates
  Strings pubkeys{};
  Strings groups{};
  Strings cert_policy{};
  std::string revocation{};  // strict, ifuri, relaxed
};

struct ChildConfig {
  std::string name{};
  Strings esp_proposals{};
  Strings ah_proposals{};
  Strings local_ts{};   // "10.0.0.0/8", "0.0.0.0/0[tcp/80]", "dynamic"
  Strings remote_ts{};  // empty: dynamic
  std::string mode{};   // tunnel, transport...
  std::optional<Seconds> rekey_time{}, life_time{}, rand_time{};
  std::optional<uint64_t> rekey_bytes{}, life_bytes{}, rand_bytes{};
  std::optional<uint64_t> rekey_packets{}, life_packets{}, rand_packets{};
  std::optional<uint32_t> replay_window{};
  std::optional<uint32_t> reqid{};
  std::optional<Seconds> inactivity{};
  std::string start_action{};  // none, trap, start, trap|start
  std::string close_action{};
  std::string dpd_action{};  // clear, trap, restart
  std::optional<bool> policies{};
  std::optional<bool> copy_df{}, copy_ecn{};
  std::string copy_dscp{};   // out, in, yes, no
  std::string hw_offload{};  // no, yes, auto
  std::string updown{};
  std::string if_id_in{}, if_id_out{};
  std::string mark_in{}, mark_out{};
};

struct ConnectionConfig {
  std::string name{};
  std::optional<int> version{};  // 1, 2, or 0 for both
  Strings local_addrs{}, remote_addrs{};
  std::optional<uint16_t> local_port{}, remote_port{};
  Strings proposals{};
  Strings vips{};
  Strings pools{};
  std::optional<bool> aggressive{}, pull{}, encap{}, mobike{}, send_certreq{};
  std::string childless{};      // allow, force, never
  std::string fragmentation{};  // yes, accept, force, no
  std::string send_cert{};      // always, never, ifasked
  std::string unique{};         // no, never, keep, replace
  std::string dscp{};
  std::optional<uint32_t> keyingtries{};  // 0: forever
  std::optional<Seconds> dpd_delay{}, dpd_timeout{};
  std::optional<Seconds> rekey_time{}, reauth_time{}, over_time{}, rand_time{};
  std::string ppk_id{};
  std::optional<bool> ppk_required{};
  std::vector<AuthConfig> local{}, remote{};
  std::vector<ChildConfig> children{};
};

// A shared secret: ike (PSK), eap, xauth, ntlm, ppk. The strings are the caller's to wipe.
struct SharedSecret {
  std::string id{};    // for unload-shared and get-shared; empty: anonymous
  std::string type{};  // "IKE", "EAP", "XAUTH", "NTLM", "PPK"
  std::string data{};  // raw bytes
  Strings owners{};    // identities it is for
};

struct VersionInfo {
  std::string daemon{}, version{}, sysname{}, release{}, machine{};
};

// Which CHILD_SA or IKE_SA a command is about: the fields that are set.
struct Target {
  std::string child{};  // names of configurations
  std::string ike{};
  std::optional<uint32_t> child_id{};  // unique ids
  std::optional<uint32_t> ike_id{};
};

struct ChildSa {
  std::string name{};
  uint32_t unique_id = 0;
  uint32_t reqid = 0;
  std::string state{}, mode{}, protocol{};
  bool encap = false;
  uint32_t spi_in = 0, spi_out = 0;
  std::string encr_alg{}, integ_alg{}, dh_group{};
  uint32_t encr_keysize = 0, integ_keysize = 0;  // bits
  bool esn = false;
  uint64_t bytes_in = 0, packets_in = 0, bytes_out = 0, packets_out = 0;
  std::optional<Seconds> used_in_ago{}, used_out_ago{};
  std::optional<Seconds> rekey_in{}, expires_in{}, installed_ago{};
  Strings local_ts{}, remote_ts{};
};

struct IkeSa {
  std::string name{};
  uint32_t unique_id = 0;
  int version = 0;
  std::string state{};
  std::string local_host{}, local_id{}, remote_host{}, remote_id{}, remote_xauth_id{}, remote_eap_id{};
  uint16_t local_port = 0, remote_port = 0;
  bool initiator = false;
  uint64_t initiator_spi = 0, responder_spi = 0;
  bool nat_local = false, nat_remote = false, nat_fake = false, nat_any = false;
  std::string encr_alg{}, integ_alg{}, prf_alg{}, dh_group{};
  uint32_t encr_keysize = 0, integ_keysize = 0;  // bits
  std::optional<Seconds> established_ago{}, rekey_in{}, reauth_in{};
  Strings local_vips{}, remote_vips{};
  Strings tasks_queued{}, tasks_active{}, tasks_passive{};
  std::vector<ChildSa> children{};
};

// A loaded connection as list-conns tells it.
struct ConnectionInfo {
  std::string name{};
  std::string version{};
  Strings local_addrs{}, remote_addrs{};
  std::string unique{};
  Strings children{};
};

struct IkeUpdown {
  bool up = false;
  std::vector<IkeSa> sas{};
};
// Each IKE_SA with just the CHILD_SAs the event is about.
struct ChildUpdown {
  bool up = false;
  std::vector<IkeSa> sas{};
};
struct IkeRekey {
  IkeSa old_sa{}, new_sa{};
};
struct ChildRekey {
  IkeSa ike{};  // without children
  ChildSa old_sa{}, new_sa{};
};
struct LogLine {
  std::string group{}, text{}, ike_name{};
  int level = 0;
  uint32_t ike_id = 0;
};

}  // namespace sallyport::vici
