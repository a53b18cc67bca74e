// SPDX-License-Identifier: BSD-3-Clause
// connections.NAME: IKE, ESP, authentication, selectors, routing and liveness.
#include <algorithm>

#include "control/config/proposals.h"
#include "control/config/sections.h"
#include "control/config/suggest.h"

namespace sallyport::control {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr size_t kMaxSelectors = 32;  // of one SA, as the dataplane's API carries them
constexpr size_t kMaxIdentityBytes = 127;
constexpr uint64_t kMostWeight = 255;
constexpr uint32_t kLeastReplayWindow = 32, kMostReplayWindow = 4096;
constexpr Duration kDay = hours(24);

std::optional<std::string> read_identity(Reader& reader, const Value& value) {
  auto identity = read_text(reader, value);
  if (identity && identity->size() > kMaxIdentityBytes) {
    reader.error(value, "an identity has at most " + std::to_string(kMaxIdentityBytes) + " bytes");
    return std::nullopt;
  }
  return identity;
}

// charon counts in whole seconds.
std::optional<Duration> read_seconds(Reader& reader, const Value& value, Duration least, Duration most) {
  auto duration = read_duration(reader, value, least, most);
  if (duration && duration->count() % 1000 != 0) {
    reader.error(value, "must be whole seconds",
                 "write " + print_duration(std::chrono::ceil<seconds>(*duration)));
    return std::nullopt;
  }
  return duration;
}

// Zero, or at least `least`.
std::optional<Duration> read_seconds_or_never(Reader& reader, const Value& value, Duration least,
                                              Duration most) {
  if (value.node.IsScalar() && parse_duration(value.node.Scalar()) == Duration::zero())
    return Duration::zero();
  return read_seconds(reader, value, least, most);
}

template <typename Check>
std::vector<std::string> read_proposals(Section& section, const std::string& example, Check check) {
  Reader& reader = section.reader();
  const auto value = section.require("proposals", "for example proposals: [" + example + "]");
  if (!value) return {};
  std::vector<std::string> proposals;
  const auto items = read_list(reader, *value);
  if (value->node.IsSequence() && items.empty())
    reader.error(*value, "names no proposal", "for example [" + example + "]");
  for (const Value& item : items) {
    auto text = read_text(reader, item);
    if (!text) continue;
    if (const auto problem = check(*text)) {
      reader.error(item, problem->message, problem->hint);
    } else {
      proposals.push_back(std::move(*text));
    }
  }
  return proposals;
}

void parse_ike(Section& section, Ike& ike) {
  read_key(section, "version", ike.version, read_number, 1, 2);
  read_key(section, "aggressive", ike.aggressive, read_flag);
  ike.proposals = read_proposals(section, "aes256gcm16-prfsha384-ecp384", check_ike_proposal);
  const auto local_id = section.take("local_id");
  if (local_id && local_id->node.IsMap()) {
    Section by_address(section.reader(), *local_id);
    for (const auto& [address, value] : by_address.entries()) {
      if (auto identity = read_identity(section.reader(), value)) ike.local_ids[address] = *identity;
    }
  } else {
    read_key(section, "local_id", ike.local_id, read_identity);
  }
  read_key(section, "remote_id", ike.remote_id, read_identity);
  read_key(section, "rekey", ike.rekey, read_seconds, minutes(1), 7 * kDay);
  read_key(section, "reauth", ike.reauth, read_seconds_or_never, minutes(5), 30 * kDay);
  section.finish();
}

// The hard lifetime `life` beside the soft one `rekey`, both of one unit.
template <typename Value, typename Read, typename Most>
void parse_hard_lifetime(Section& section, const std::string& unit, const Value& rekey, Value& life,
                         Read read, Most most) {
  const std::string key = "life" + unit;
  const auto value = section.take(key);
  const auto given = value ? read(section.reader(), *value, 1, most) : std::nullopt;
  if (!given) return;
  life = *given;
  if (rekey == Value{}) {
    section.reader().error(*value, "would end the SA without another in its place",
                           "add rekey" + unit + ", the lifetime at which a rekey starts");
  } else if (life <= rekey) {
    section.reader().error(*value, "is not beyond rekey" + unit + ": the SA would end before its rekey",
                           "a tenth more is usual; leave the key out for that");
  }
}

void parse_lifetimes(Section& section, Esp& esp) {
  constexpr uint64_t kMost = uint64_t{1} << 62;
  read_key(section, "rekey", esp.rekey, read_seconds, seconds(10), 7 * kDay);
  read_key(section, "rekey_bytes", esp.rekey_bytes, read_number, 1'000'000, kMost);
  read_key(section, "rekey_packets", esp.rekey_packets, read_number, 10'000, kMost);
  const auto read_life = [](Reader& reader, const Value& value, int, Duration most) {
    return read_seconds(reader, value, seconds(1), most);
  };
  parse_hard_lifetime(section, "", esp.rekey, esp.life, read_life, 8 * kDay);
  parse_hard_lifetime(section, "_bytes", esp.rekey_bytes, esp.life_bytes, read_number, kMost);
  parse_hard_lifetime(section, "_packets", esp.rekey_packets, esp.life_packets, read_number, kMost);
}

// copy, or the field's value (RFC 2474 section 3).
void parse_dscp(Section& section, Esp& esp) {
  const auto value = section.take("dscp");
  if (!value || (value->node.IsScalar() && value->node.Scalar() == "copy")) return;
  if (const auto number = read_number(section.reader(), *value, 0, 63))
    esp.dscp = static_cast<uint8_t>(*number);
}

void parse_esp(Section& section, Esp& esp) {
  Reader& reader = section.reader();
  esp.proposals = read_proposals(section, "aes256gcm16-esn", check_esp_proposal);
  parse_lifetimes(section, esp);
  if (const auto value = section.take("replay_window")) {
    const auto window = read_number(reader, *value, 0, kMostReplayWindow);
    if (window && *window != 0 && *window < kLeastReplayWindow) {
      reader.error(*value, "a replay window of " + std::to_string(*window) + " packets is too small",
                   "32 to 4096, or 0 to switch replay protection off");
    } else if (window) {
      esp.replay_window = static_cast<uint32_t>(*window);
    }
  }
  read_key(section, "df", esp.df, read_choice, std::vector<std::string>{"copy", "set", "clear"});
  parse_dscp(section, esp);
  read_key(section, "encap", esp.encap, read_choice, std::vector<std::string>{"auto", "force"});
  read_key(section, "mss_clamp", esp.mss_clamp, read_flag);
  section.refuse("mode", "transport mode; ESP always runs in tunnel mode", "leave the key out");
  section.finish();
}

void parse_auth(Section& section, Auth& auth) {
  Reader& reader = section.reader();
  const auto psk = section.take("psk_file");
  const auto certificate = section.take("certificate");
  const auto key = section.take("key");
  const auto ca = section.take("ca");
  bool refused = section.refuse("eap", "EAP", "use psk_file or a certificate");
  refused |= section.refuse("psk", "a secret in the configuration itself",
                            "write it to a file with mode 600 and name that with psk_file");
  section.finish();
  if (psk && (certificate || key || ca)) {
    reader.error(*psk, "a connection uses either a shared secret or certificates",
                 "keep psk_file, or certificate with key and ca");
  }
  if (psk) auth.psk_file = read_psk_path(reader, *psk);
  if (certificate) auth.certificate = read_certificate_path(reader, *certificate);
  if (key) auth.key = read_key_path(reader, *key);
  if (ca) auth.ca = read_certificate_path(reader, *ca);
  if (psk || refused) return;
  if (!certificate && !key && !ca) {
    reader.error(section.value(), "names neither a secret nor a certificate",
                 "psk_file: FILE, or certificate: FILE with key: FILE and ca: FILE");
    return;
  }
  for (const auto& [name, value] : {std::pair{"certificate", certificate}, {"key", key}, {"ca", ca}}) {
    if (!value)
      reader.error(section.value(), std::string("'") + name + "' is missing",
                   "certificates need certificate, key and ca");
  }
}

Selector parse_selector(Reader& reader, const Value& value) {
  Section section(reader, value);
  Selector selector;
  const std::string hint =
      "a selector is {local: PREFIX, remote: PREFIX}, with protocol and port where needed";
  const auto read_side = [&](const char* key, IpPrefix& side) {
    const auto value_of_side = section.require(key, hint);
    const auto prefix = value_of_side ? read_routed_prefix(reader, *value_of_side) : std::nullopt;
    if (prefix) side = *prefix;
    return prefix.has_value();
  };
  const bool has_local = read_side("local", selector.local);
  const bool are_read = read_side("remote", selector.remote) && has_local;
  read_key(section, "protocol", selector.protocol, read_number, 0, 255);
  read_key(section, "port", selector.remote_port, read_number, 0, 65535);
  read_key(section, "local_port", selector.local_port, read_number, 0, 65535);
  section.finish();
  if (are_read && selector.local.address.version != selector.remote.address.version) {
    reader.error(value,
                 "local and remote are of different families: " + selector.local.to_string() + " and " +
                     selector.remote.to_string(),
                 "a packet is either IPv4 or IPv6; write a selector for each");
  }
  constexpr uint8_t kTcp = 6, kUdp = 17, kDccp = 33, kSctp = 132;
  const bool has_ports = selector.local_port != 0 || selector.remote_port != 0;
  const uint8_t protocol = selector.protocol;
  if (has_ports && protocol != kTcp && protocol != kUdp && protocol != kDccp && protocol != kSctp) {
    reader.error(value, "a port needs a protocol that has ports",
                 "add protocol: 6 for TCP or protocol: 17 for UDP");
  }
  return selector;
}

void parse_selectors(Reader& reader, const Value& value, Connection& connection) {
  if (value.node.IsScalar()) {
    (void)read_choice(reader, value, {"route-based"});
    return;
  }
  const auto items = read_list(reader, value);
  if (items.empty() && value.node.IsSequence()) {
    reader.error(value, "names no selector", "write selectors: route-based, or a list");
  }
  if (items.size() > kMaxSelectors) {
    reader.error(value, "has more than " + std::to_string(kMaxSelectors) + " selectors",
                 "make another connection");
    return;
  }
  for (const Value& item : items) {
    const Selector selector = parse_selector(reader, item);
    for (const Selector& other : connection.selectors) {
      if (other == selector) reader.error(item, "the same selector is there twice");
    }
    connection.selectors.push_back(selector);
  }
}

void parse_routing(Reader& reader, const Value& value) {
  if (value.node.IsMap()) {
    Section section(reader, value);
    section.refuse("bgp", "BGP", "use routing: static with the site's prefixes");
    section.finish();
    return;
  }
  (void)read_choice(reader, value, {"static"});
}

void parse_probe(Reader& reader, const Value& value, Connection& connection) {
  Section section(reader, value);
  Probe probe;
  probe.interval = std::chrono::milliseconds(100);
  read_key(section, "interval", probe.interval, read_duration, std::chrono::milliseconds(50), minutes(1));
  read_key(section, "misses", probe.misses, read_number, 1, 100);
  for (const std::string& name : connection.public_addresses) {
    const auto target = section.take(name);
    if (!target) continue;
    if (const auto address = read_host_address(reader, *target)) probe.targets[name] = *address;
  }
  section.finish();
  if (!probe.targets.empty() && probe.targets.size() != connection.public_addresses.size()) {
    reader.error(value, "has an inside address for some public addresses but not for all",
                 "name one for each, or none when the peer is a Sallyport");
  }
  connection.probe = std::move(probe);
}

void parse_weights(Reader& reader, const Value& value, Connection& connection) {
  Section section(reader, value);
  for (const auto& [address, item] : section.entries()) {
    const auto& used = connection.public_addresses;
    if (std::find(used.begin(), used.end(), address) == used.end()) {
      reader.error(item, "the connection does not use a public address '" + address + "'",
                   suggest(address, {used.begin(), used.end()}));
      continue;
    }
    if (const auto weight = read_number(reader, item, 1, kMostWeight))
      connection.weights[address] = static_cast<uint32_t>(*weight);
  }
  if (connection.mode == Mode::kActiveStandby) {
    reader.error(value,
                 "weights share the traffic of an active-active connection, and this one is active-standby",
                 "leave them out; the order of public_addresses says which tunnel is preferred");
  }
}

void parse_inside(Reader& reader, const Value& value, TunnelOverride& own) {
  Section section(reader, value);
  const std::string hint = "for example inside: {local: 169.254.21.2/30, remote: 169.254.21.1}";
  const auto local_value = section.require("local", hint), remote_value = section.require("remote", hint);
  const auto local = local_value ? read_interface_address(reader, *local_value) : std::nullopt;
  const auto remote = remote_value ? read_host_address(reader, *remote_value) : std::nullopt;
  section.finish();
  if (!local || !remote) return;
  if (local->address.version != remote->version) {
    reader.error(value, "local and remote are of different families", hint);
  } else if (local->address == *remote) {
    reader.error(value, "local and remote are the same address", hint);
  } else if (!local->prefix().contains(*remote)) {
    reader.error(value, "remote " + remote->to_string() + " is outside " + local->prefix().to_string(), hint);
  } else {
    own.inside_local = local;
    own.inside_remote = remote;
  }
}

TunnelOverride parse_override(Reader& reader, const Value& value) {
  Section section(reader, value);
  TunnelOverride own;
  read_key(section, "local_id", own.local_id, read_identity);
  read_key(section, "remote_id", own.remote_id, read_identity);
  if (const auto psk = section.take("psk_file")) own.psk_file = read_psk_path(reader, *psk);
  if (const auto inside = section.take("inside")) parse_inside(reader, *inside, own);
  if (const auto probe = section.take("probe")) own.probe = read_host_address(reader, *probe);
  if (const auto weight = section.take("weight")) {
    if (const auto number = read_number(reader, *weight, 1, kMostWeight))
      own.weight = static_cast<uint32_t>(*number);
  }
  section.refuse("psk", "a secret in the configuration itself",
                 "write it to a file with mode 600 and name that with psk_file");
  section.finish();
  return own;
}

void parse_tunnels(Reader& reader, const Value& value, Connection& connection) {
  Section section(reader, value);
  for (const auto& [name, item] : section.entries())
    connection.tunnels[name] = parse_override(reader, item);
}

void parse_public_addresses(Section& section, Connection& connection) {
  Reader& reader = section.reader();
  const auto value = section.require("public_addresses", "for example public_addresses: [a]");
  if (!value) return;
  for (const Value& item : read_list(reader, *value)) {
    const auto name = read_text(reader, item);
    if (!name) continue;
    for (const std::string& other : connection.public_addresses) {
      if (other == *name) reader.error(item, "public address '" + *name + "' is there twice");
    }
    connection.public_addresses.push_back(*name);
  }
  if (value->node.IsSequence() && value->node.size() == 0) reader.error(*value, "names no public address");
}

}  // namespace

void parse_connection(Section& section, Connection& connection) {
  Reader& reader = section.reader();
  if (const auto value = section.require("virtual_network", "the name of one of virtual_networks")) {
    connection.virtual_network = read_text(reader, *value).value_or("");
  }
  if (const auto value = section.require("site", "the name of one of sites")) {
    connection.site = read_text(reader, *value).value_or("");
  }
  read_key(section, "mode", connection.mode, read_choice,
           std::vector<std::string>{"active-active", "active-standby"});
  const auto preempt = section.take("preempt");
  if (preempt) connection.preempt = read_flag(reader, *preempt).value_or(true);
  if (preempt && connection.mode == Mode::kActiveActive) {
    reader.error(*preempt, "preempt belongs to mode: active-standby, and this connection is active-active",
                 "leave it out: all tunnels that are up carry traffic");
  }
  parse_public_addresses(section, connection);
  if (const auto value = section.take("weights")) parse_weights(reader, *value, connection);
  if (const auto value = section.require("ike", "ike: {proposals: [aes256gcm16-prfsha384-ecp384]}")) {
    Section ike(reader, *value);
    parse_ike(ike, connection.ike);
  }
  if (const auto value = section.require("esp", "esp: {proposals: [aes256gcm16-esn]}")) {
    Section esp(reader, *value);
    parse_esp(esp, connection.esp);
  }
  if (const auto value = section.require("auth", "auth: {psk_file: FILE}")) {
    Section auth(reader, *value);
    parse_auth(auth, connection.auth);
  }
  if (const auto value = section.take("selectors")) parse_selectors(reader, *value, connection);
  if (const auto value = section.take("routing")) parse_routing(reader, *value);
  read_key(section, "initiate", connection.initiate, read_flag);
  if (const auto value = section.take("dpd")) {
    Section dpd(reader, *value);
    read_key(dpd, "delay", connection.dpd.delay, read_seconds_or_never, seconds(1), hours(1));
    dpd.finish();
  }
  read_key(section, "mobike", connection.mobike, read_flag);
  if (const auto value = section.take("probe")) parse_probe(reader, *value, connection);
  if (const auto value = section.take("tunnels")) parse_tunnels(reader, *value, connection);
  section.finish();
}

}  // namespace sallyport::control
